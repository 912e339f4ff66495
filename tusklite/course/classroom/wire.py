"""Values that go to a process that nobody trusts, and come back from it: plain data alone, of limited size.

What goes there is pickled. What comes back is JSON with numbers as bytes: reading it runs nothing of the sender's.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import pickle
import select
import socket
import struct
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tusklite.geometry import ThinPlateSpline

__all__ = ["Channel", "ChannelClosed", "ChannelEnded", "by_value", "decode", "encode"]

LONGEST = 64 << 20  # bytes of a message
TYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.complex128),
        *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
    )
}


class ChannelClosed(OSError):
    """The other end is gone, too late, or says what is no message."""


class ChannelEnded(ChannelClosed):
    """The other end is gone."""


class Channel:
    """One end of a conversation: requests go out pickled, replies come back as JSON.

    Args:
        end: of a pair of sockets.
    """

    def __init__(self, end: socket.socket) -> None:
        self.end = end

    def send(self, content: bytes) -> None:
        """Send a message.

        Raises:
            ChannelClosed: nobody is there.
        """
        try:
            self.end.sendall(struct.pack("<Q", len(content)) + content)
        except OSError as reason:
            raise ChannelEnded(str(reason)) from reason

    def receive(self, until: float | None = None) -> bytes:
        """Wait for a message, until a moment of `time.monotonic()`.

        Raises:
            ChannelClosed: nobody is there, it took too long, or the message is too long.
        """
        (length,) = struct.unpack("<Q", self._exactly(8, until))
        if length > LONGEST:
            raise ChannelClosed(f"a message of {length} bytes; allowed are {LONGEST}")
        return self._exactly(length, until)

    def _exactly(self, length: int, until: float | None) -> bytes:
        parts, missing = [], length
        while missing:
            left = None if until is None else max(0.0, until - time.monotonic())
            try:
                if not select.select([self.end], [], [], left)[0]:
                    raise ChannelClosed("no answer in time")
                part = self.end.recv(min(missing, 1 << 20))
            except ChannelClosed:
                raise
            except (OSError, ValueError) as reason:
                raise ChannelEnded(str(reason)) from reason
            if not part:
                raise ChannelEnded("the other end is closed")
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def ask(self, request: Mapping[str, object], until: float | None = None) -> dict[str, Any]:
        """Send a request and wait for what is said to it.

        Raises:
            ChannelClosed: as `receive`, or what comes is no reply.
        """
        self.send(pickle.dumps(dict(request)))
        try:
            reply = json.loads(self.receive(until))
        except (ValueError, RecursionError) as reason:
            raise ChannelClosed(f"what came is no reply ({type(reason).__name__})") from reason
        if not isinstance(reply, dict):
            raise ChannelClosed("what came is no reply")
        return reply


def by_value(value: object) -> bool:
    """Whether a value is plain data, so that a copy in another process is as good.

    Example:
        >>> by_value([torch.zeros(2), {"steps": 3}]), by_value(torch.zeros(2).requires_grad_()), by_value(len)
        (True, False, False)
    """
    if isinstance(value, Tensor):
        return type(value) is Tensor and not value.requires_grad and value.layout is torch.strided
    if isinstance(value, list | tuple):
        return type(value) in (list, tuple) and all(map(by_value, value))
    if isinstance(value, Mapping):
        return type(value) is dict and all(map(by_value, value)) and all(map(by_value, value.values()))
    if isinstance(value, ThinPlateSpline):
        return all(by_value(getattr(value, field.name)) for field in dataclasses.fields(value))
    return value is None or type(value) in (bool, int, float, complex, str)


def encode(value: object) -> object:
    """A value as JSON can hold it; of what is no plain data, the name of its type alone.

    Example:
        >>> decode(encode((torch.tensor([1, 2]), 0.5)))
        (tensor([1, 2]), 0.5)
    """
    if value is None or isinstance(value, bool) or type(value) is str:
        return value
    if value is ...:
        return {"dots": 0}
    if type(value) is int:
        return {"int": hex(value)}
    if type(value) is float:
        return {"float": value.hex()}
    if isinstance(value, torch.nn.Parameter):
        return encode(value.detach())
    if type(value) is Tensor:
        return _encode_tensor(value)
    if isinstance(value, np.generic | np.ndarray) and str(value.dtype) in TYPES:
        return {"numpy": _encode_tensor(torch.from_numpy(np.array(value))), "scalar": isinstance(value, np.generic)}
    if type(value) in (list, tuple):
        return {type(value).__name__: [encode(part) for part in value]}
    if type(value) is dict:
        return {"dict": [[encode(key), encode(part)] for key, part in value.items()]}
    if type(value) is ThinPlateSpline:
        return {"spline": [encode(getattr(value, field.name)) for field in dataclasses.fields(ThinPlateSpline)]}
    return {"other": type.__dict__["__name__"].__get__(type(value))}


def _encode_tensor(value: Tensor) -> object:
    value = value.detach()
    if value.layout is not torch.strided or str(value.dtype).removeprefix("torch.") not in TYPES:
        return {"sparse": list(value.shape)[:8]}
    if value.device.type != "cpu":
        return {"elsewhere": str(value.device.type)}
    if value.numel() * value.element_size() > LONGEST // 2:
        return {"other": "Tensor of more numbers than can be looked at"}
    plain = value.resolve_conj().resolve_neg().contiguous().reshape(-1)
    content = plain.view(torch.uint8).numpy().tobytes() if plain.numel() else b""
    return {
        "tensor": base64.b64encode(content).decode(),
        "dtype": str(value.dtype).removeprefix("torch."),
        "shape": list(value.shape),
    }


def decode(value: object) -> Any:
    """What `encode` was given, or an object of a type of that name.

    Raises:
        ValueError: this is nothing that `encode` gives.

    Example:
        >>> type(decode(encode(len))).__name__
        'builtin_function_or_method'
    """
    if value is None or isinstance(value, bool | str):
        return value
    if not isinstance(value, dict) or not value:
        raise ValueError("no value")
    try:
        return _DECODERS[next(iter(value))](value)
    except (LookupError, TypeError, ValueError, RuntimeError, ArithmeticError) as reason:
        raise ValueError(f"no value ({type(reason).__name__})") from reason


def _decode_tensor(value: dict[str, Any]) -> Tensor:
    dtype, shape = TYPES[value["dtype"]], [int(size) for size in value["shape"]]
    content = base64.b64decode(value["tensor"], validate=True)
    if not content:
        return torch.zeros(shape, dtype=dtype) if 0 in shape else _refuse()
    flat = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    if dtype is torch.bool:
        flat = flat.clamp_max(1)  # another byte is no bool
    return flat.view(dtype).reshape(shape)


def _refuse() -> Any:
    raise ValueError("no value")


def _decode_numpy(value: dict[str, Any]) -> object:
    array = _decode_tensor(value["numpy"]).numpy()
    return array[()] if value["scalar"] and array.ndim == 0 else array


def _of_another_type(value: dict[str, Any]) -> object:
    return type(str(value["other"])[:100].replace("\0", "") or "object", (), {})()


_DECODERS: dict[str, Callable[[dict[str, Any]], object]] = {
    "dots": lambda value: ...,
    "int": lambda value: int(value["int"], 16),
    "float": lambda value: float.fromhex(value["float"]),
    "tensor": _decode_tensor,
    "numpy": _decode_numpy,
    "list": lambda value: [decode(part) for part in value["list"]],
    "tuple": lambda value: tuple(decode(part) for part in value["tuple"]),
    "dict": lambda value: {decode(key): decode(part) for key, part in value["dict"]},
    "spline": lambda value: ThinPlateSpline(*(decode(part) for part in value["spline"])),
    "sparse": lambda value: torch.zeros([min(int(size), 64) for size in value["sparse"]]).to_sparse(),
    "elsewhere": lambda value: torch.zeros(1, device="meta"),
    "other": _of_another_type,
}
