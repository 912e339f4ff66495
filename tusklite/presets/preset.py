"""What a preset is made of."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from tusklite.train.schedule import Schedule


@dataclass(frozen=True)
class Preset:
    """Everything that a run of an experiment needs to know.

    Attributes:
        experiment: such as "mnist-hard".
        name: such as "lite".
        model: shape of the network, a dataclass.
        training: weights and schedule of the losses, a dataclass.
        schedule: length, batch, seed, device.
        data: which data, and how much of them, a dataclass.
        overrides: what was changed against the preset of that name.
    """

    experiment: str
    name: str
    model: object
    training: object
    schedule: Schedule
    data: object
    overrides: dict[str, object] = field(default_factory=dict)

    def settings(self) -> dict[str, object]:
        """Every setting by name.

        Example:
            >>> preset = Preset("example", "tiny", None, None, Schedule(steps=3), None)
            >>> preset.settings()["steps"]
            3
        """
        parts = (self.model, self.training, self.schedule, self.data)
        return {name: value for part in parts if part is not None for name, value in asdict(part).items()}
