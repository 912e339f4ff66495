"""What lies beside the code: the commands of the Makefile, the workflow that runs them, hooks, and how to cite."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import yaml
from oldest_versions import requirements
from packaging.requirements import Requirement

from tusklite import __version__

ROOT = Path(__file__).resolve().parents[1]
IGNORED = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
TARGETS = dict(re.findall(r"^([a-z-]+):.*## (.+)$", MAKEFILE, re.MULTILINE))
WORKFLOW, SITE = (
    yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8"))
    for name in ("test", "site")
)
HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
JOBS = [job for workflow in (WORKFLOW, SITE) for job in workflow["jobs"].values()]
STEPS = [step for job in JOBS for step in job["steps"]]


# Modules that Python finds by their names alone: tests, and the scripts of the site


def test_no_two_modules_outside_the_package_share_a_name_nor_one_with_a_folder():
    names = [path.stem for folder in ("tests", "site") for path in (ROOT / folder).rglob("*.py")]
    counts = Counter(name for name in names if name != "conftest")
    assert [name for name, count in counts.items() if count > 1] == []
    folders = {path.name for path in ROOT.iterdir() if path.is_dir()} | {
        line.rstrip("/") for line in IGNORED if line.endswith("/")
    }
    assert sorted(folders & {*counts}) == []


# The Makefile


def test_every_target_says_what_it_does():
    phony = re.search(r"^\.PHONY: ((?:.|\\\n)+?)$(?<!\\)", MAKEFILE, re.MULTILINE).group(1)
    assert set(TARGETS) == set(phony.replace("\\", " ").split())
    assert set(TARGETS) >= {
        *("setup", "lab", "run", "test", "test-quick", "test-oldest", "lint", "types", "outputs", "bench", "record"),
        *("record-gpu", "departures", "results", "equations", "teach", "bootstrap", "site", "mutants", "lock", "clean"),
        "test-browser",
    }


def commands(target: str, *words: str) -> str:
    """What make would run for a target, if everything had to be made."""
    done = subprocess.run(
        ["make", "--dry-run", "--always-make", *words, target], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_every_target_can_be_made(target):
    assert commands(target)


def test_the_environment_is_found_on_every_system():
    assert ".venv/Scripts/python -m tusklite run mnist-hard --profile ci" in commands(
        "run", "OS=Windows_NT", "PROFILE=ci"
    )
    assert ".venv/bin/python -m tusklite run mnist-hard --profile lite" in commands("run", "OS=")
    assert "python -m venv --clear .venv-oldest" in commands("test-oldest", "OS=Windows_NT")
    assert "python3.10 -m venv --clear .venv-oldest" in commands("test-oldest", "OLDEST_PYTHON=python3.10")


def test_the_lessons_are_opened_by_one_command_and_overwritten_by_another():
    assert re.search(r"-m jupyterlab notebooks/00_start_here\.ipynb$", commands("lab"), re.MULTILINE)
    assert re.search(r"-m jupyterlab notebooks/04_\w+\.ipynb$", commands("lab", "LESSON=04"), re.MULTILINE)
    assert "--inplace" not in commands("lab") + commands("notebooks")
    assert "--execute --inplace" in commands("outputs")
    meant = subprocess.run(["make", "notebooks"], cwd=ROOT, capture_output=True, text=True)
    assert meant.returncode != 0
    assert "make lab opens the lessons; make outputs runs all of them" in meant.stdout


def test_a_lesson_that_is_not_there_is_refused_with_those_that_are():
    (check,) = [line for line in commands("lab", "LESSON=99").splitlines() if "LESSON:" in line]
    done = subprocess.run(["sh", "-c", check], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout.startswith("LESSON: '99' was given; allowed are 00 01 02 ")


def test_torch_without_cuda_is_taken_as_a_pair_and_nothing_of_cuda_with_it(tmp_path):
    told = commands("setup", "TORCH=cpu")
    assert "about 2 GB" in told
    pair, others = [line for line in told.splitlines() if "-m pip install" in line and "--editable" not in line]
    assert pair.endswith(
        "pip install --no-deps --index-url https://download.pytorch.org/whl/cpu --requirement .venv/torch.txt"
    )
    # The second command names torch again, which is there then: so that pip adds what those wheels require themselves.
    assert others.endswith("pip install --requirement .venv/torch.txt --requirement .venv/others.txt")
    (tmp_path / ".venv").mkdir()
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    (tmp_path / "requirements.lock").write_text(lock, encoding="utf-8")
    for line in told.splitlines():
        if line.startswith("grep "):
            subprocess.run(["sh", "-c", line], cwd=tmp_path, check=True)
    kept = [
        (tmp_path / ".venv" / name).read_text(encoding="utf-8").splitlines() for name in ("torch.txt", "others.txt")
    ]
    wanted, rest = ([Requirement(line) for line in lines if not line.startswith("#")] for lines in kept)
    assert {each.name for each in wanted} == {"torch", "torchvision"}
    for each in wanted:
        assert each.specifier.contains(f"{next(iter(each.specifier)).version}+cpu")  # as those wheels call themselves
    every = {Requirement(line).name for line in lock.splitlines() if not line.startswith("#")}
    gone = every - {each.name for each in rest} - {"torch", "torchvision"}
    assert gone
    assert all(name == "triton" or name.startswith(("nvidia-", "cuda-")) for name in gone)
    assert {each.name for each in rest} >= {"numpy", "filelock", "jinja2", "sympy", "networkx", "fsspec"}  # torch's own


def test_torch_as_it_is_locked_is_taken_where_nothing_is_said():
    assert "pip install --requirement requirements.lock" in commands("setup")
    assert "index-url" not in commands("setup")
    assert "about 6 GB" in commands("setup")
    done = subprocess.run(["make", "--dry-run", "setup", "TORCH=gpu"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert "TORCH: 'gpu' was given; allowed are cpu, or nothing" in done.stderr


def test_every_command_in_the_readme_is_a_target():
    named = re.findall(r"\bmake ([a-z-]+)", README)
    assert {"run", "test"} <= set(named) <= set(TARGETS)


# The workflow


def test_the_workflow_runs_the_two_commands_of_the_readme_on_three_systems():
    job = WORKFLOW["jobs"]["two-commands"]
    systems = {system.split("-")[0] for system in job["strategy"]["matrix"]["system"]}
    assert systems == {"ubuntu", "macos", "windows"}
    assert job["runs-on"] == "${{ matrix.system }}"
    run = [step["run"] for step in job["steps"] if "run" in step and "if" not in step]
    assert run == ["make run PROFILE=ci", "make test"]
    assert all(f"\n{command.split(' PROFILE')[0]} " in README for command in run)
    assert "`make run PROFILE=ci`" in README


def test_the_workflow_runs_the_oldest_and_the_newest_python():
    job = WORKFLOW["jobs"]["two-commands"]
    assert job["strategy"]["matrix"]["python"] == ["3.10", "3.14"]
    (setup,) = [step for step in job["steps"] if step.get("uses", "").startswith("actions/setup-python")]
    assert setup["with"]["python-version"] == "${{ matrix.python }}"


def test_the_workflow_tests_the_oldest_versions():
    job = WORKFLOW["jobs"]["oldest-versions"]
    assert "make test-oldest" in [step.get("run") for step in job["steps"]]


def test_the_workflow_calls_targets_that_there_are():
    called = {match for step in STEPS for match in re.findall(r"^make ([a-z-]+)", step.get("run", ""))}
    assert called <= set(TARGETS)


def test_every_action_is_pinned_to_a_version():
    actions = [step["uses"] for step in STEPS if "uses" in step]
    assert actions
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+\.\d+\.\d+", action) for action in actions)


def test_the_workflows_may_only_read_but_for_the_pages_that_one_job_publishes():
    assert WORKFLOW["permissions"] == SITE["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] <= 120 for job in JOBS)
    assert [job["permissions"] for job in JOBS if "permissions" in job] == [{"pages": "write", "id-token": "write"}]
    assert SITE["jobs"]["publish"]["if"] == "github.ref == 'refs/heads/main'"


def test_the_site_is_opened_in_a_browser_before_it_is_published():
    run = [step["run"] for step in SITE["jobs"]["build"]["steps"] if "run" in step and "name" not in step]
    assert run == ["make site OUTSIDE=1", "make test-browser"]
    assert SITE["jobs"]["publish"]["needs"] == "build"
    assert "site/make_site.py --outside" in commands("site", "OUTSIDE=1")
    assert "-m pytest tests/browser" in commands("test-browser")


# Hooks before a commit


def test_hooks_are_pinned_and_call_the_ruff_of_the_environment():
    for repository in HOOKS["repos"]:
        assert repository["repo"] == "local" or re.fullmatch(r"v\d+\.\d+\.\d+", repository["rev"])
    hooks = {hook["id"]: hook for repository in HOOKS["repos"] for hook in repository["hooks"]}
    assert {"ruff-format", "ruff-check", "end-of-file-fixer", "check-added-large-files"} <= hooks.keys()
    assert "ruff" in {requirement.name for requirement in requirements(("test",))}
    for name in ("ruff-format", "ruff-check"):
        assert hooks[name]["language"] == "system"
        assert hooks[name]["entry"].startswith(f"python -m {name.replace('-', ' ')}")


def test_hooks_leave_the_outputs_of_the_lessons():
    assert "nbstripout" not in (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")


# How to cite


def test_the_citation_is_of_this_version():
    assert CITATION["cff-version"] == "1.2.0"
    assert CITATION["version"] == __version__
    assert CITATION["license"] == "MIT"
    assert CITATION["authors"] == [{"name": "The tusklite authors"}]


def test_the_citation_names_the_papers_of_the_readme():
    assert len(CITATION["references"]) == 3
    for paper in CITATION["references"]:
        families = ", ".join(author["family-names"] for author in paper["authors"])
        venue = re.search(r"\((\w+)\)", paper["collection-title"]).group(1)
        assert f"- {families}. *{paper['title']}.* {venue} {paper['year']}." in README
