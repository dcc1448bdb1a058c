"""Packed times come back exactly, and nothing else is taken for them."""

import zlib
from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.record import TurnTimes
from harness.record.packed_times import MAGIC, BadTimes, packed, sha256_of, unpacked

NAMES = tuple(TurnTimes.__dataclass_fields__)


def times(us: Sequence[int], stages: int = 2, rounds: int = 3, failed: int = 0) -> TurnTimes:
    """As many turns, which took so long, the last of them to fail; all but a microsecond of it in
    the last stage."""
    n = len(us)
    critical_us = np.ones((n, stages), dtype=np.int64)
    critical_us[:, -1] = np.array(us, dtype=np.int64) - (stages - 1)
    return TurnTimes(
        round=np.arange(n) % rounds,
        conversation=np.arange(n) * 7,
        turn=np.zeros(n, dtype=np.int64),
        answered=np.arange(n) < n - failed,
        stages=tuple(f"stage {place}" for place in range(stages)),
        critical_us=critical_us,
        busy_us=critical_us * 2 + np.arange(stages),
        calls=np.arange(n * stages).reshape(n, stages) % 3,
    )


ONE = times([1, 2_000_000, 7], failed=1)


@given(
    st.lists(st.integers(-1, 2**50), max_size=20),
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(0, 3),
)
def test_what_was_packed_comes_back_to_the_last_bit(
    us: list[int], stages: int, rounds: int, failed: int
) -> None:
    before = times(us, stages, rounds, failed)
    after = unpacked(packed(before))
    for name in NAMES:
        assert np.array_equal(getattr(before, name), getattr(after, name)), name
    assert sha256_of(after) == sha256_of(before)
    assert packed(after) == packed(before)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "stages"])
def test_whatever_differs_has_another_hash(name: str) -> None:
    column = getattr(ONE, name).copy()
    column.flat[0] = not column.flat[0] if column.dtype.kind == "b" else column.flat[0] + 1
    assert sha256_of(replace(ONE, **{name: column})) != sha256_of(ONE)


def test_other_names_of_stages_have_another_hash() -> None:
    assert sha256_of(replace(ONE, stages=("stage 0", "stage 2"))) != sha256_of(ONE)


def wrong(**changed: object) -> bytes:
    """Packed like times, with other columns."""
    told = msgspec.msgpack.decode(
        zlib.decompress(packed(ONE)[len(MAGIC) :]), type=dict[str, object]
    )
    return MAGIC + zlib.compress(msgspec.msgpack.encode({**told, **changed}))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no file of times"),
        (b"PK\x03\x04", "no file of times"),
        (MAGIC.replace(b"1", b"2") + packed(ONE)[len(MAGIC) :], "another tollbench"),
        (MAGIC, "cut off"),
        (packed(ONE)[:-1], "cut off"),
        (packed(ONE) + b"x", "too long"),
        (MAGIC + b"not zlib", "spoiled"),
        (MAGIC + zlib.compress(b"not msgpack"), "spoiled"),
        (wrong(stages=[1]), "spoiled"),
        (wrong(turn=b"12345"), "spoiled"),
        (wrong(turn=b""), "differ in length"),
        (wrong(answered=b""), "differ in length"),
        (wrong(answered=b"\2" + bytes(23)), "answered or not"),
        (wrong(stages=["stage 0"]), "spoiled"),
        (MAGIC + zlib.compress(b"\x81\xa1x" + b"\x91" * 100_000), "spoiled"),
        (wrong(calls=b""), "spoiled"),
    ],
)
def test_other_bytes_are_refused_with_what_is_wrong(content: bytes, why: str) -> None:
    with pytest.raises(BadTimes, match=why) as told:
        unpacked(content)
    assert "\n" not in str(told.value)


@given(st.binary(max_size=200))
def test_no_bytes_end_in_anything_but_times_or_a_reason(content: bytes) -> None:
    with pytest.raises(BadTimes):
        unpacked(MAGIC + content)


def test_a_grid_of_hundreds_of_turns_takes_some_kilobytes() -> None:
    rng = np.random.default_rng(1)
    us = [int(us) for us in rng.integers(10**6, 10**7, 400)]
    assert len(packed(times(us, stages=8, rounds=20))) < 25_000


def test_what_would_unpack_to_too_much_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.record.packed_times.MOST_BYTES", 1000)
    with pytest.raises(BadTimes, match="too long"):
        unpacked(packed(times([0] * 10_000)))
