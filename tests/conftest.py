"""What holds for all tests: one thread, no window, an empty folder, the same examples, each device and precision."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

# Before torch is imported, which looks at the first of them only then.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

# A shell that starts the suite in the background has Ctrl-C ignored, and every process of the tests would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest
import torch
from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir
from torch import Tensor

# The toy registers itself when it is imported, and its tests do that in processes of their own; files of fixtures share
# one name, and have no doctests.
collect_ignore = [
    "hosts",  # a script that makes environments
    *("experiments/toy_experiment.py", "sweeps/counted_experiment.py"),  # whoever loads them makes them known
    *("conftest.py", "browser/conftest.py", "cli/conftest.py", "data/conftest.py", "sweeps/conftest.py"),
]
if not os.environ.get("TUSKLITE_BROWSER"):
    collect_ignore.append("browser")  # what needs Chromium is run by `make test-browser`

settings.register_profile("suite", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")
set_hypothesis_home_dir(Path(__file__).resolve().parents[1] / ".hypothesis")  # which is relative otherwise

# A test that takes `device` runs on each of these; one that takes `dtype`, in each of those.
DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
# How far a result may be from that of float64, as a share of the largest number in it: rounding, and a few sums.
TOLERANCES = {torch.float64: 1e-10, torch.float32: 2e-5, torch.bfloat16: 1e-2, torch.float16: 1e-3}


class EmptyFolder:
    """Every test and doctest starts in an empty folder, and leaves it empty: nothing depends on the current folder."""

    @pytest.fixture(autouse=True)
    def _current_folder(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        folder = tmp_path_factory.getbasetemp() / "current"
        folder.mkdir(exist_ok=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            yield
        left = sorted(path.name for path in folder.iterdir())
        if left:
            folder.rename(tmp_path_factory.mktemp("left") / "current")  # the next test's folder is empty again
        assert not left, f"left in the current folder: {', '.join(left)}"


def pytest_configure(config: pytest.Config) -> None:
    # Doctests lie outside this folder: a plugin's fixtures reach them, this file's do not.
    config.pluginmanager.register(EmptyFolder(), "empty-folder")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for name, values in (("device", DEVICES), ("dtype", DTYPES)):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, values, ids=lambda value: str(value).removeprefix("torch."))


@pytest.fixture
def close() -> Callable[[Tensor, Tensor], None]:
    """Compare a tensor with the exact one, at the tolerance of its own type."""

    def compare(found: Tensor, exact: Tensor) -> None:
        assert found.shape == exact.shape
        found, tolerance = found.detach().cpu().double(), TOLERANCES[found.dtype]
        exact = exact.detach().cpu().double()
        largest = float(exact.abs().max())
        assert torch.isfinite(found).all()
        torch.testing.assert_close(found, exact, rtol=0, atol=tolerance * max(largest, 1e-6))

    return compare
