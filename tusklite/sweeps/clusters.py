"""Where the runs of a sweep go: workers of this machine, of a Dask scheduler that is there, or of SLURM."""

from __future__ import annotations

import importlib.util
import logging
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tusklite.sweeps.execute import places_here
from tusklite.sweeps.plan import Plan

# Of each distribution that sweeps need the module that it brings.
NEEDED = {
    "distributed": "distributed",
    "fsspec": "fsspec",
    "psutil": "psutil",
    "pyyaml": "yaml",
    "rich": "rich",
}


def require_sweep_libraries(slurm: bool = False) -> None:
    """Refuse to go on without what sweeps need.

    Args:
        slurm: also what asks SLURM for jobs.

    Raises:
        ImportError: something is missing; the message has the command that adds it.
    """
    needed = NEEDED | ({"dask-jobqueue": "dask_jobqueue"} if slurm else {})
    missing = [name for name, module in needed.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise ImportError(
            f"sweeps need {', '.join(missing)}; `pip install '.[sweep]'` in a clone or `make setup` installs what they "
            "want"
        )


def workers_of(plan: Plan) -> int:
    """How many runs go at one time where nobody says so: as many as the processors allow."""
    if plan.limits.workers is not None:
        return plan.limits.workers
    return max(1, (os.cpu_count() or 1) // plan.limits.threads)


@contextmanager
def _quiet() -> Iterator[None]:
    """What Dask says of connections that end is no news to who ends them."""
    loggers = [logging.getLogger(name) for name in ("distributed", "tornado", "asyncio", "dask_jobqueue")]
    loggers += [logging.getLogger(name) for name in list(logging.root.manager.loggerDict) if "distributed" in name]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


@contextmanager
def client_of(plan: Plan, scheduler: str | None, slurm: Mapping[str, Any] | None) -> Iterator[Any]:
    """A client of Dask's, with workers that run one run at a time each.

    Args:
        plan: the sweep.
        scheduler: the address of one that is there, such as "tcp://host:8786".
        slurm: how jobs are asked for.

    Raises:
        ValueError: no scheduler at that address, or workers without tusklite.
    """
    import distributed

    with _quiet():
        if scheduler is not None:
            try:
                client = distributed.Client(scheduler, timeout=20, set_as_default=False)
            except (OSError, ValueError, TimeoutError) as reason:
                said = " ".join(str(reason).split()) or type(reason).__name__
                raise ValueError(
                    f"scheduler: {scheduler!r} was given; allowed is the address of a Dask scheduler that runs, as in "
                    f"tcp://host:8786 ({said})"
                ) from reason
            with client:
                _require_workers(client, scheduler)
                yield client
            return
        cluster = _local(workers_of(plan)) if slurm is None else slurm_cluster(plan, slurm)
        with cluster, distributed.Client(cluster, set_as_default=False) as client:
            if slurm is not None:
                cluster.scale(jobs=workers_of(plan))
            yield client


def _local(workers: int) -> Any:
    """Workers of this process: what they start are processes of their own, which end when this one does."""
    from distributed import LocalCluster

    return LocalCluster(
        n_workers=1,
        threads_per_worker=workers,
        processes=False,
        memory_limit=0,
        dashboard_address="127.0.0.1:0",  # any port that is free; None takes a fixed one
        silence_logs=logging.CRITICAL,
    )


def _tusklite_there() -> str:
    from tusklite import __version__

    return __version__


def _require_workers(client: Any, scheduler: str) -> None:
    """Refuse workers that could not run anything; none at all may still come."""
    try:
        client.run(_tusklite_there)
    except ImportError as reason:
        raise ValueError(
            f"scheduler: workers of {scheduler} lack {reason.name or 'tusklite'}; allowed are workers that have "
            "tusklite installed"
        ) from reason


def slurm_cluster(plan: Plan, slurm: Mapping[str, Any]) -> Any:
    """A scheduler here, whose workers are jobs of SLURM's; no job is asked for yet.

    Args:
        plan: the sweep.
        slurm: as the sweep's file has it: queue, account, walltime, memory, interface, directives, prologue.
    """
    from dask_jobqueue.slurm import SLURMCluster

    limits = plan.limits
    memory = slurm.get("memory") or f"{(limits.memory_gb or 3) + 1:g}GB"  # a run's own, and the worker's
    given = {name: slurm[name] for name in ("queue", "account", "walltime", "interface") if name in slurm}
    places = [f"export {name}={shlex.quote(value)}" for name, value in places_here().items()]
    return SLURMCluster(
        cores=1,  # one run at a time
        processes=1,
        job_cpu=limits.threads,
        memory=memory,
        job_name=f"tusklite-{plan.name}",
        python=sys.executable,
        job_extra_directives=list(slurm.get("directives", [])),
        job_script_prologue=[*places, *slurm.get("prologue", [])],
        scheduler_options={"dashboard_address": ":0"},
        **given,
    )


def job_script(plan: Plan, slurm: Mapping[str, Any]) -> str:
    """The script that SLURM gets for each job."""
    with _quiet(), slurm_cluster(plan, slurm) as cluster:
        return str(cluster.job_script())
