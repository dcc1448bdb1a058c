"""Turn times as a few exact bytes, and back; whatever is read is checked, and none of it is run.

A first line, then a MessagePack map in zlib. Columns are little-endian 64-bit integers, times whole
microseconds. What packs well is kept: the keys of the turns as steps from one to the next, times
stage by stage, and of what a stage was busy only what is off the critical path.
"""

import hashlib
import zlib

import msgspec
import numpy as np
import numpy.typing as npt

from harness.record.columns import IntArray, wide
from harness.record.turn_times import TurnTimes

MAGIC = b"tollbench times 1\n"
MOST_BYTES = 1 << 28
"""Unpacked: some million turns. What claims to be more is not read."""

Ints = npt.NDArray[np.int64]


class BadTimes(Exception):
    """Bytes that hold no times; the message says why."""


class _Packed(msgspec.Struct, frozen=True):
    """The columns as bytes; of stages one after another."""

    stages: list[str]
    round: bytes
    conversation: bytes
    turn: bytes
    answered: bytes
    """1 where a turn was, else 0."""
    critical_us: bytes
    off_us: bytes
    """What a stage was busy, less what a turn waited for it."""
    calls: bytes


def packed(times: TurnTimes) -> bytes:
    return MAGIC + zlib.compress(_content(times), 9)


def sha256_of(times: TurnTimes) -> str:
    """Of what is packed: equal times have it whatever packed them."""
    return hashlib.sha256(_content(times)).hexdigest()


def unpacked(content: bytes) -> TurnTimes:
    """Raises BadTimes for anything but what `packed` made."""
    if not content.startswith(MAGIC):
        raise BadTimes("it is no file of times, or one of another tollbench")
    try:
        opened = zlib.decompressobj()
        inner = opened.decompress(content[len(MAGIC) :], MOST_BYTES)
        if not opened.eof or opened.unused_data:
            raise BadTimes("it is cut off, or too long")
        return _times(msgspec.msgpack.decode(inner, type=_Packed))
    except (zlib.error, msgspec.DecodeError, ValueError, RecursionError) as error:
        raise BadTimes(f"it is spoiled: {error}") from None


def _content(times: TurnTimes) -> bytes:
    critical_us = wide(times.critical_us)
    return msgspec.msgpack.encode(
        _Packed(
            stages=list(times.stages),
            round=_bytes(_steps(times.round)),
            conversation=_bytes(_steps(times.conversation)),
            turn=_bytes(_steps(times.turn)),
            answered=_bytes(times.answered.astype(np.int64)),
            critical_us=_bytes(critical_us.T),
            off_us=_bytes((wide(times.busy_us) - critical_us).T),
            calls=_bytes(times.calls.T),
        )
    )


def _times(of: _Packed) -> TurnTimes:
    """Raises ValueError where lengths do not fit."""
    answered = _ints(of.answered)
    columns = [np.cumsum(_ints(column)) for column in (of.round, of.conversation, of.turn)]
    if any(column.size != answered.size for column in columns):
        raise ValueError("its columns differ in length")
    if not np.isin(answered, (0, 1)).all():
        raise ValueError("a turn is answered or not, and nothing else")
    by_stage = len(of.stages), answered.size
    critical_us, off_us, calls = (
        _ints(column).reshape(by_stage).T for column in (of.critical_us, of.off_us, of.calls)
    )
    return TurnTimes(
        round=columns[0],
        conversation=columns[1],
        turn=columns[2],
        answered=answered == 1,
        stages=tuple(of.stages),
        critical_us=critical_us,
        busy_us=critical_us + off_us,
        calls=calls,
    )


def _steps(values: IntArray) -> Ints:
    return np.diff(wide(values), prepend=0)


def _bytes(values: IntArray) -> bytes:
    return np.ascontiguousarray(values, dtype="<i8").tobytes()


def _ints(content: bytes) -> Ints:
    return np.frombuffer(content, dtype="<i8").astype(np.int64)
