"""A process that can harm nothing but itself, on Linux: what starts it, watches it and ends it, and what locks it in.

Loading the libraries takes seconds, so one process does that once, by `start_on_demand`, and is copied for each
notebook. Three processes come of a copy. The first stays outside and watches; the second leaves the namespaces of the
system; the third, whose child it is, locks itself in by `confine`, and then runs what nobody trusts.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import select
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path

__all__ = ["PROTECTIONS", "confine", "main", "start_on_demand"]

# What can be held, and what it means.
PROTECTIONS = {
    "files": "nothing is read or written outside its folder and the libraries (Landlock, since Linux 5.13)",
    "processes": "no process but its own can be seen or ended, and all of its own end with it (a PID namespace)",
    "network": "no network (a network namespace)",
    "limits": "memory, processor time, processes and the size of files are limited (POSIX)",
}
EVERY = 0.2  # seconds between two looks at what a process uses
CLONE = {"processes": 0x20000000, "network": 0x40000000}
CLONE_NEWUSER, CLONE_NEWIPC = 0x10000000, 0x08000000
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 4, 8, 36, 38
CAP_DAC_READ_SEARCH = 2
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446
READ = 1 << 0 | 1 << 2 | 1 << 3  # execute, read a file, list a folder
READ_A_FILE = 1 << 0 | 1 << 2
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")


class NotHeld(OSError):
    """The system refused to lock the process in."""


def _call(function: str, *words: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    done = getattr(libc, function)(*words)
    if done < 0:
        number = ctypes.get_errno()
        raise NotHeld(number, f"{function}: {os.strerror(number)}")
    return int(done)


def confine(job: dict) -> list[str]:
    """Lock this process in for good; from here on it is one that nobody has to trust.

    Args:
        job: `folder` that it may write to, `read`, the places that it may read, `limits` by name, and `uid` to become
            where it is root's.

    Returns:
        What is held of `PROTECTIONS`, but for the namespaces.

    Raises:
        OSError: a limit could not be set.
    """
    import resource

    held = ["limits"]
    if job["uid"] is not None:
        _become(job["uid"], job["keep_reading"])
    else:
        _drop_capabilities(0)
    limits = job["limits"]
    for kind, most in (
        (resource.RLIMIT_CPU, int(limits["seconds"]) + 5),
        (resource.RLIMIT_DATA, limits["memory"]),
        (resource.RLIMIT_FSIZE, limits["files"] // 2),
        (resource.RLIMIT_NPROC, limits["processes"]),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))
    _call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    with contextlib.suppress(NotHeld):
        _landlock(job["folder"], job["read"])
        held.append("files")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    return held


def _become(uid: int, keep_reading: bool) -> None:
    """Leave root, but for reading what root alone can, where the libraries lie there; Landlock says what of it."""
    _call("prctl", PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    _drop_capabilities(1 << CAP_DAC_READ_SEARCH if keep_reading else 0)
    _call("prctl", PR_SET_DUMPABLE, 1, 0, 0, 0)
    _call("prctl", PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)  # which a change of user takes back


def _drop_capabilities(but: int) -> None:
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    _call("capset", header, (ctypes.c_uint32 * 6)(but, but, 0, 0, 0, 0))


def _landlock(folder: str, read: list[str]) -> None:
    """Allow reading in some places and everything in one; nothing else, from here on, whatever is started."""
    libc = ctypes.CDLL(None, use_errno=True)
    abi = libc.syscall(LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    if abi < 1:
        raise NotHeld("no Landlock")
    rights = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(abi, 16)) - 1
    attributes = (ctypes.c_uint64 * 3)(rights, 3 if abi >= 4 else 0, 3 if abi >= 6 else 0)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    ruleset = libc.syscall(LANDLOCK_CREATE_RULESET, attributes, ctypes.c_size_t(size), ctypes.c_uint32(0))
    if ruleset < 0:
        raise NotHeld("no Landlock")
    own = [f"/proc/{os.readlink('/proc/self')}"] if os.path.islink("/proc/self") else []
    wanted = [(path, READ) for path in [*read, *own]] + [(path, READ_A_FILE | 2) for path in DEVICES]
    for path, allowed in [*wanted, (folder, rights)]:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:  # what is not there needs no leave
            continue
        if not os.path.isdir(path):
            allowed &= READ_A_FILE | 2
        rule = ctypes.create_string_buffer(allowed.to_bytes(8, sys.byteorder) + place.to_bytes(4, sys.byteorder), 12)
        done = libc.syscall(LANDLOCK_ADD_RULE, ruleset, ctypes.c_int(1), rule, ctypes.c_uint32(0))
        os.close(place)
        if done < 0:
            raise NotHeld(f"no Landlock for {path}")
    done = libc.syscall(LANDLOCK_RESTRICT_SELF, ruleset, ctypes.c_uint32(0))
    os.close(ruleset)
    if done < 0:
        raise NotHeld("no Landlock")


def _leave_namespaces(as_root: bool) -> list[str]:
    """Have what this process starts see no process of the system, and no network; says which of both was had."""
    uid, gid = os.getuid(), os.getgid()
    shared = CLONE_NEWIPC | (0 if as_root else CLONE_NEWUSER)
    for names in (("processes", "network"), ("processes",), ("network",)):
        try:
            _call("unshare", ctypes.c_int(shared | sum(CLONE[name] for name in names)))
        except NotHeld:
            continue
        if not as_root:  # it stays who it is; without this it would be nobody
            Path("/proc/self/setgroups").write_bytes(b"deny")
            Path("/proc/self/uid_map").write_bytes(f"{uid} {uid} 1".encode())
            Path("/proc/self/gid_map").write_bytes(f"{gid} {gid} 1".encode())
        return list(names)
    return []


def start_on_demand(control: socket.socket) -> None:
    """Be copied for each job that is sent, until nobody sends any more.

    Args:
        control: gets each job as JSON, with four descriptors: the socket for the process inside, one that closes where
            the grader is gone, one for the report, one for errors; the watching process's number is sent back.
    """
    while True:
        content, descriptors, _, _ = socket.recv_fds(control, 1 << 20, 4)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not content:
            return
        pid = os.fork()
        if pid == 0:
            try:
                control.close()
                job = json.loads(content) | {"socket": descriptors[0]}
                os.setsid()
                for place, descriptor in enumerate(descriptors[1:]):
                    os.dup2(descriptor, place)
                    os.close(descriptor)
                main(job)
            finally:
                os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)
        control.sendall(pid.to_bytes(8, "little"))


def main(job: dict) -> None:
    """Start a process, watch it, end it, and print as JSON why it ended.

    Args:
        job: as for `confine`; also `module`, whose `main(job)` is run locked in, `socket`, a descriptor for it, and
            `environment`, all of it.
    """
    _call("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # whoever loses its parent becomes a child of this process
    began = time.monotonic()
    middle = os.fork()
    if middle == 0:
        _in_the_middle(job)
    os.close(job["socket"])
    ended, code = "", None
    looked = 0.0
    while not ended:
        if select.select([0], [], [], EVERY)[0] and not os.read(0, 1):
            ended = "the grader"
        with contextlib.suppress(ChildProcessError):
            gone, status = os.waitpid(middle, os.WNOHANG)
            if gone:
                ended, code = "itself", os.waitstatus_to_exitcode(status)
        if not ended and time.monotonic() - began > job["limits"]["seconds"]:
            ended = "seconds"
        if not ended:
            own = _below(os.getpid())
            most = job["limits"]["memory"]
            if sum(map(_resident, own)) > most and sum(map(_proportional, own)) > most:
                ended = "memory"
            elif len(own) > 2 * job["limits"]["processes"]:
                ended = "processes"
        if not ended and time.monotonic() - looked > 5 * EVERY:
            looked = time.monotonic()
            if _size_of(job["folder"]) > job["limits"]["files"]:
                ended = "files"
    _end_all()
    os.write(1, json.dumps({"ended": ended, "code": code}).encode())


def _in_the_middle(job: dict) -> None:
    """Leave the namespaces, start the process inside, and end as it does."""
    try:
        _call("prctl", PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 0)
        os.dup2(nowhere, 1)
        job["held"] = _leave_namespaces(job["uid"] is not None)
        inside = os.fork()
        if inside == 0:
            _call("prctl", PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
            os.setsid()  # a signal to its group is for its own processes
            os.environ.clear()
            os.environ.update(job["environment"])
            os.chdir(job["folder"])
            tempfile.tempdir = None
            importlib.import_module(job["module"]).main(job)
            os._exit(0)
        os.close(job["socket"])
        code = os.waitstatus_to_exitcode(os.waitpid(inside, 0)[1])
        os._exit(code if code >= 0 else 128 - code)
    except BaseException as error:  # whatever happens here, it must not come back to where the first process goes on
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.flush()
        os._exit(99)


def _end_all() -> None:
    """End all that came of this process, until there is nobody left."""
    while True:
        for pid in _below(os.getpid()):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        time.sleep(0.01)


def _below(root: int) -> list[int]:
    """Every process that came of one, those that came last first."""
    children = _children if os.path.exists(f"/proc/{root}/task/{root}/children") else _parents().get
    found: list[int] = []
    asked = [root]
    while asked:
        own = children(asked.pop(), []) or []
        found += own
        asked += own
    return found[::-1]


def _children(pid: int, otherwise: list[int]) -> list[int]:
    """The children of all threads of a process, as newer systems list them."""
    found: list[int] = []
    with contextlib.suppress(OSError, ValueError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_bytes().split())
    return found or otherwise


def _parents() -> dict[int, list[int]]:
    """The children of each process of the system."""
    found: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                fields = Path("/proc", entry, "stat").read_bytes().rpartition(b")")[2].split()
                found.setdefault(int(fields[1]), []).append(int(entry))
    return found


def _proportional(pid: int) -> int:
    """Bytes of memory that a process holds, and its part of what it shares; that takes a while to find out."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) << 10
    except (OSError, ValueError, IndexError):
        pass
    return _resident(pid)


def _resident(pid: int) -> int:
    """Bytes of memory that a process holds alone or shares; 0 where it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def _size_of(folder: str) -> int:
    """Bytes on the disk below a folder; what cannot be looked into counts as too much."""
    found = 0

    def refuse(error: OSError) -> None:
        nonlocal found
        if isinstance(error, PermissionError):
            found += 1 << 62

    for place, _, names in os.walk(folder, onerror=refuse):
        for name in names:
            with contextlib.suppress(OSError):
                found += os.lstat(os.path.join(place, name)).st_blocks * 512
    return found
