"""What lesson 11 defines, as it is stored: the whole method, bit for bit the package's, in less than fifty lines."""

from __future__ import annotations

import ast
import math
from itertools import product
from pathlib import Path

import nbformat
import pytest
import torch
from lesson_definitions import definitions
from torch import Tensor

from tusklite.losses import kmeans_softmin_loss, sliced_wasserstein
from tusklite.methods.base import Batch, step_generator
from tusklite.methods.tusk.model import TUSK
from tusklite.methods.tusk.training import TUSKOptions, TUSKTraining

STORED = Path(__file__).resolve().parents[2] / "notebooks" / "11_alternating_training.ipynb"
CODE = [cell.source for cell in nbformat.read(STORED, as_version=4).cells if cell.cell_type == "code"]
METHOD = ("two_views", "network_terms", "transport", "descend", "take_turns", "alternate")
STEPS = 4


def lesson() -> dict[str, object]:
    """The lesson's definitions, with the weights that its cells set."""
    names = definitions("11_alternating_training", goes_on=True)
    for source in CODE:
        if source.startswith("weights = {"):
            exec(source, names)
    return names


def options() -> TUSKOptions:
    """The package's options, as the lesson's own cell states them."""
    for source in CODE:
        for statement in ast.parse(source).body:
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "options":
                return eval(ast.unparse(statement.value), {"TUSKOptions": TUSKOptions})
    raise AssertionError("the lesson states no options")


def scenes(step: int, batch: int = 3, height: int = 24, width: int = 28) -> Tensor:
    return torch.rand(batch, 1, height, width, generator=torch.Generator().manual_seed(step))


def both_ways(seed: int, **shape: object) -> tuple[TUSK, TUSK, list[dict[str, float]], list[dict[str, Tensor]]]:
    """A network trained for some steps by the lesson and one by the package, and the terms that each of them saw."""
    names = lesson()
    ours, theirs = (names["new_model"](seed, **shape) for _ in range(2))
    package = TUSKTraining(theirs, options(), STEPS, seed)
    our_optimizers, package_optimizers = names["optimizers_of"](ours), package.optimizers()
    rows, values = [], []
    for step in range(STEPS):
        rows.append(names["alternate"](ours, scenes(step), our_optimizers, step_generator(seed, step)))
        batch = Batch(scenes(step), torch.arange(len(scenes(step))), step)
        values.append(package.training_step(batch, package_optimizers))
    return ours, theirs, rows, values


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize("standardize", [True, False])
def test_the_loop_is_the_package_s_bit_for_bit(seed: int, standardize: bool) -> None:
    ours, theirs, rows, values = both_ways(seed, standardize=standardize)
    start = lesson()["new_model"](seed, standardize=standardize)
    for (name, mine), package in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        assert torch.equal(mine, package), name
    assert not torch.equal(ours.prototypes.means, start.prototypes.means)
    assert not torch.equal(ours.decoder.out.weight, start.decoder.out.weight)
    for row, value in zip(rows, values, strict=True):
        for name in ("reconstruction", "kmeans", "heatmap_equivariance", "feature_equivariance", "background"):
            assert row[name] == float(value[name])
        for name in ("dead_prototypes", "collapsed_heatmaps", "border_keypoints"):
            assert row[name] == float(value[name])


def test_the_method_has_less_than_fifty_lines() -> None:
    def lines(source: str, node: ast.FunctionDef) -> int:
        docstring, *_ = node.body
        assert isinstance(docstring, ast.Expr)
        whole = ast.get_source_segment(source, node).splitlines()
        return len([line for line in whole if line.strip()]) - len(docstring.value.value.splitlines())

    # The lesson itself has a stub where the reader writes the turns: there the worked solution counts.
    solved = nbformat.read(STORED.parent / "solutions" / STORED.name, as_version=4).cells
    sources = [*CODE, *(cell.source for cell in solved if "def take_turns" in cell.source)]
    functions = {
        node.name: (source, node) for source in sources for node in ast.parse(source).body if is_function(node)
    }
    method = sum(lines(*functions[name]) for name in METHOD)
    loop = next(node for node in ast.walk(functions["train"][1]) if isinstance(node, ast.For))
    method += 1 + len([line for line in loop.body if "images" in ast.unparse(line)])  # the rest of it keeps a log
    assert 40 < method < 50


def is_function(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef)


@pytest.mark.parametrize(("own_gradients", "pace"), list(product([False, True], ["one", "paced"])))
def test_jointly_is_one_step_of_adam_on_the_sum(own_gradients: bool, pace: str) -> None:
    names, step = lesson(), 3
    model, oracle = names["new_model"](1), names["new_model"](1)
    names["jointly"](model, scenes(0), names["optimizers_of"](model), step_generator(0, step), own_gradients, pace)

    generator = step_generator(0, step)
    views = names["two_views"](oracle, scenes(0), generator)
    descriptors, means = views[-1].flatten(0, 1), oracle.prototypes.means
    oracle.prototypes.count(descriptors.detach(), momentum=0.9)
    terms = names["network_terms"](oracle, views, means.detach() if own_gradients else means)
    distance = names["transport"](oracle.prototypes, descriptors.detach() if own_gradients else descriptors, generator)
    total = sum(names["weights"][name] * term for name, term in (terms | {"sliced_wasserstein": distance}).items())
    total.backward()
    for name, weight in oracle.named_parameters():
        rate = 0.05 if pace == "paced" and "prototypes" in name else 2e-3
        expected = weight.detach() - rate * weight.grad / (weight.grad.abs() + 1e-8)  # Adam's first step
        if "prototypes" in name:
            expected = torch.nn.functional.normalize(expected, dim=1)
        torch.testing.assert_close(model.get_parameter(name).detach(), expected, atol=1e-6, rtol=1e-4)


def test_transport_and_descend_are_what_they_say() -> None:
    names = lesson()
    prototypes, descriptors = names["new_model"](2).prototypes, torch.randn(20, 32)
    generators = [torch.Generator().manual_seed(5) for _ in range(2)]
    ours = names["transport"](prototypes, descriptors, generators[0])
    rays = torch.nn.functional.normalize(torch.randn(100, 32, generator=generators[1]), dim=1)
    wanted = sliced_wasserstein(prototypes.sample(20, generators[1]), descriptors, rays)
    torch.testing.assert_close(ours, wanted)
    point = torch.tensor([3.0], requires_grad=True)
    point.grad = torch.tensor([100.0])  # what is left of an earlier step must not count
    names["descend"](point.square().sum(), torch.optim.SGD([point], lr=0.1))
    assert math.isclose(float(point.detach()), 3.0 - 0.1 * 6.0, rel_tol=1e-6)


@pytest.mark.parametrize("own_gradients", [False, True])
def test_the_soft_min_alone_never_sees_the_transport(own_gradients: bool) -> None:
    names = lesson()
    model, oracle = names["new_model"](3, standardize=False), names["new_model"](3, standardize=False)
    optimizers = names["optimizers_of"](model)
    names["softmin_alone"](model, scenes(1), optimizers, step_generator(0, 0), own_gradients=own_gradients)
    views = names["two_views"](oracle, scenes(1), step_generator(0, 0))
    means = oracle.prototypes.means
    (0.1 * kmeans_softmin_loss(views[-1].flatten(0, 1), means, inverse_temperature=20 / 32, squared=True)).backward()
    moved = means.detach() if own_gradients else means.detach() - 2e-3 * means.grad.sign()  # Adam's first step
    expected = torch.nn.functional.normalize(moved, dim=1)
    torch.testing.assert_close(model.prototypes.means.detach(), expected, atol=1e-5, rtol=1e-4)


def test_with_turns_the_transport_is_back() -> None:
    names = lesson()
    model, oracle = names["new_model"](3, standardize=False), names["new_model"](3, standardize=False)
    optimizers = names["optimizers_of"](model)
    way = {"turns": 3, "own_gradients": True}  # then the turns alone move the prototypes
    names["softmin_alone"](model, scenes(1), optimizers, step_generator(0, 0), **way)
    generator, follow = step_generator(0, 0), names["optimizers_of"](oracle)["prototypes"]
    descriptors = names["two_views"](oracle, scenes(1), generator)[-1].flatten(0, 1).detach()
    oracle.prototypes.count(descriptors, momentum=0.9)
    for _ in range(3):
        names["descend"](names["transport"](oracle.prototypes, descriptors, generator), follow)
        oracle.prototypes.project_to_sphere()
    torch.testing.assert_close(model.prototypes.means, oracle.prototypes.means)


def test_the_frame_covers_two_pixels_and_leaves_the_rest() -> None:
    images = scenes(0)
    framed = lesson()["framed"](images)
    assert torch.equal(framed[..., 2:-2, 2:-2], images[..., 2:-2, 2:-2])
    inside = torch.zeros_like(images, dtype=torch.bool)
    inside[..., 2:-2, 2:-2] = True
    assert (framed[~inside] == 1).all()
    assert not (images[~inside] == 1).all()
