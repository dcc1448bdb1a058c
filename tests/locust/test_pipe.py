"""Frames survive a pipe that cuts them anywhere, and a reader takes more than it knows."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.pipe import (
    Account,
    Close,
    Closed,
    Counts,
    Frames,
    FromCollector,
    FromEngine,
    Go,
    Gone,
    Heard,
    Look,
    Opened,
    Order,
    Part,
    Planned,
    Ready,
    Refused,
    Sample,
    Step,
    Stop,
    ToCollector,
    framed,
)

COUNTS = Counts(due=5, started=4, finished=2, failed=1, running=1)
SAMPLE = Sample("CALL", "pay", 1.5, "RateLimited 429")
TOLD: list[tuple[object, object]] = [
    (Order, Go(0.1)),
    (Order, Step(3.0, 12.5, 1, 2)),
    (Order, Stop()),
    (FromEngine, Ready()),
    (FromEngine, Refused(["--seed: no"])),
    (FromEngine, Part(1.0, COUNTS, b"\x00\x01", [SAMPLE], [0.5], [("pay", "RateLimited 429", 2)])),
    (FromEngine, Part(1.0, COUNTS)),
    (FromEngine, Account(9.0, COUNTS, 0.5, None, None, 0, "Overloaded: 503")),
    (ToCollector, Heard("w1", b"\x81")),
    (ToCollector, Planned(2.0, 10.0, ["w1", "w2"])),
    (ToCollector, Gone("w1", "signal 9", 4.0)),
    (ToCollector, Close(9.0)),
    (FromCollector, Opened("20260101-x", "results/20260101-x")),
    (FromCollector, Look(b"{}")),
    (FromCollector, Closed(["VALID"], None)),
]


@given(st.lists(st.binary(max_size=300)))
def test_frames_come_whole_and_in_order_out_of_single_bytes(bodies: list[bytes]) -> None:
    frames = Frames()
    pipe = b"".join(map(framed, bodies))
    found = [frame for byte in pipe for frame in frames.feed(bytes([byte]))]
    assert found == bodies


@given(st.lists(st.binary(max_size=300)), st.integers(1, 400))
def test_frames_come_whole_and_in_order_out_of_pieces_of_any_size(
    bodies: list[bytes], size: int
) -> None:
    frames = Frames()
    pipe = b"".join(map(framed, bodies))
    pieces = [pipe[start : start + size] for start in range(0, len(pipe), size)]
    assert [frame for piece in pieces for frame in frames.feed(piece)] == bodies


def test_a_frame_that_is_not_whole_is_kept_until_it_is() -> None:
    frames = Frames()
    assert list(frames.feed(framed(b"one") + framed(b"another")[:-1])) == [b"one"]
    assert list(frames.feed(b"")) == []
    assert list(frames.feed(b"r" + framed(b""))) == [b"another", b""]


@pytest.mark.parametrize(("kind", "told"), TOLD, ids=[type(told).__name__ for _, told in TOLD])
def test_what_is_told_is_heard(kind: type[object], told: object) -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(told), type=kind) == told


def test_a_reader_takes_more_than_it_knows() -> None:
    step = {"type": "step", "from_s": 1.0, "rate": 2.0, "share": 0, "of": 1, "why": "a later one"}
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(step), type=Order) == Step(1.0, 2.0, 0, 1)


def test_a_reader_refuses_what_it_was_not_sent() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(msgspec.msgpack.encode(Ready()), type=Order)
