"""Take keypoints of a scene away, or move them, and see the picture change."""

from __future__ import annotations

import ipywidgets
import torch
from matplotlib.figure import Figure
from torch import Tensor

from tusklite.arguments import require_choice, require_tensor
from tusklite.course.audience import somebody_is_there
from tusklite.course.clevr6.figures import edited_scene
from tusklite.course.controls import follow
from tusklite.methods.tusk.model import TUSK
from tusklite.ops.aggregation import alpha_blend


class EditedScene(ipywidgets.VBox):
    """Controls that choose a keypoint, move it, and take it away or put it back.

    Args:
        model: a trained network that draws each keypoint alone.
        scene: (3, H, W) in [0, 1], as the network sees it.

    Attributes:
        xy: (N, 2), where the keypoints that the network keeps stand now.
        drawn: bool (N,), which of them are drawn.
        keypoint, x, y, shown, reset: the controls; the first one counts from 1.
        message: a line with the squared error, now and as the network left it.
        picture: the image widget with the PNG that is shown.

    Raises:
        TypeError, ValueError: another type, shape or range, or a network whose aggregation is not "alpha".

    Example:
        >>> from tusklite.methods.tusk.model import TUSKConfig
        >>> small = {"width": 8, "levels": 2, "groups": 4, "window": 3, "descriptor_channels": 8, "image_channels": 3}
        >>> model = TUSK(TUSKConfig(2, 3, aggregation="alpha", background_layer="black", **small)).eval()
        >>> scene = EditedScene(model, torch.rand(3, 16, 16))
        >>> scene.keypoint.value, scene.shown.value = 2, False
        >>> scene.drawn
        tensor([ True, False])
    """

    def __init__(self, model: TUSK, scene: Tensor) -> None:
        require_choice("aggregation", model.config.aggregation, ("alpha",))
        require_tensor("scene", scene, (3, "H", "W"))
        self.model, self.scene = model, scene
        with torch.no_grad():
            output = model(scene[None])
            self.background = model.background(scene[None], output.features)
        kept = output.keypoints.found[0]
        self._none = not bool(kept.any())
        if self._none:  # the sliders need one; it is not drawn
            kept = torch.arange(len(kept), device=kept.device) == 0
        self._start, self._score = output.keypoints.xy[0, kept].cpu().clone(), output.keypoints.score[0, kept]
        self._descriptors = output.descriptors[0, kept]
        self.xy, self.drawn = self._start.clone(), torch.full((int(kept.sum()),), not self._none)
        wide = {"layout": {"width": "420px"}}
        self.keypoint = ipywidgets.IntSlider(value=1, min=1, max=len(self.xy), description="keypoint", **wide)
        self.x, self.y = (
            ipywidgets.FloatSlider(min=-1.0, max=1.0, step=0.01, description=name, **wide) for name in ("x", "y")
        )
        self.shown = ipywidgets.Checkbox(description="is drawn")
        self.reset = ipywidgets.Button(description="put all back")
        self.message = ipywidgets.Label()
        self.picture = ipywidgets.Image(format="png")
        self._choosing = False
        self._at_first = self._error(self.redraw()[0])
        self._choose()
        follow(self.keypoint, self._choose)
        for control in (self.x, self.y, self.shown):
            follow(control, self._edit)
        self.reset.on_click(self._put_back)
        super().__init__([self.keypoint, self.x, self.y, self.shown, self.reset, self.message, self.picture])

    @torch.no_grad()
    def redraw(self) -> tuple[Tensor, Tensor]:
        """The picture (3, H, W) of what is drawn now, and who paints which pixel (H, W)."""
        size = (self.scene.shape[1], self.scene.shape[2])
        empty = torch.zeros_like(self.scene) if self.background is None else self.background[0]
        if not self.drawn.any():
            return empty, torch.zeros(size, dtype=torch.uint8)
        here = self.drawn.to(self._score.device)
        points = self.xy.to(self._score)[here]
        layers = self.model.layers(points[None], self._score[None, here], self._descriptors[None, here], size)
        blended, _ = alpha_blend(layers, self.background)
        logits = layers[0, :, -1]
        behind = torch.full_like(logits[:1], -torch.inf if self.background is None else 0.0)
        who = torch.cat([behind, logits]).argmax(dim=0).cpu()
        numbers = torch.cat([torch.zeros(1, dtype=torch.int64), self.drawn.nonzero().flatten() + 1])
        return self.model.to_image(self.model.to_decoded(blended))[0], numbers[who].to(torch.uint8)

    def figure(self) -> Figure:
        """The scene, what is redrawn of it, and who paints."""
        redrawn, segments = self.redraw()
        chosen = self.keypoint.value - 1
        return edited_scene(self.scene.cpu(), redrawn.cpu(), segments, self.xy, self.drawn, chosen)

    def _error(self, redrawn: Tensor) -> float:
        return float((redrawn - self.scene).square().mean(dim=0).sum())

    def _choose(self) -> None:
        """Bring the controls to the chosen keypoint, without changing it."""
        chosen = self.keypoint.value - 1
        self._choosing = True
        self.x.value, self.y.value = self.xy[chosen].tolist()
        self.shown.value = bool(self.drawn[chosen])
        self._choosing = False
        self._draw()

    def _edit(self) -> None:
        if not self._choosing:
            chosen = self.keypoint.value - 1
            self.xy[chosen] = torch.tensor([self.x.value, self.y.value])
            self.drawn[chosen] = self.shown.value and not self._none
            self._draw()

    def _put_back(self, button: object) -> None:
        self.xy, self.drawn = self._start.clone(), torch.full_like(self.drawn, not self._none)
        self._choose()

    def _draw(self) -> None:
        error = self._error(self.redraw()[0])
        none = "the network kept no keypoint here; " * self._none
        self.message.value = f"{none}squared error {error:.2f} pixels, {self._at_first:.2f} as the network left it"
        self.picture.value = self.figure()._repr_png_()


def edit_scene(model: TUSK, scene: Tensor) -> EditedScene | Figure:
    """Take keypoints away or move them by controls; where nobody is there, the picture they start with.

    Args:
        model: a trained network that draws each keypoint alone.
        scene: (3, H, W) in [0, 1], as the network sees it.

    Returns:
        The controls in a notebook that a person has open, a figure elsewhere.

    Raises:
        TypeError, ValueError: another type, shape or range, or a network whose aggregation is not "alpha".

    Example:
        >>> from tusklite.methods.tusk.model import TUSKConfig
        >>> small = {"width": 8, "levels": 2, "groups": 4, "window": 3, "descriptor_channels": 8, "image_channels": 3}
        >>> len(edit_scene(TUSK(TUSKConfig(2, 3, aggregation="alpha", **small)), torch.rand(3, 16, 16)).axes)
        3
    """
    controls = EditedScene(model, scene)
    return controls if somebody_is_there() else controls.figure()
