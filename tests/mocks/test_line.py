"""The wire between workers and books: whatever is said is heard, in order, however it is cut."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.clock import run
from mocks.asgi import Asked
from mocks.line import (
    AT_ONCE,
    Ask,
    Begin,
    Decided,
    End,
    FromBooks,
    FromWorker,
    Hello,
    Line,
    TurnedDown,
)

times = st.floats(allow_nan=False)
headers = st.lists(st.tuples(st.binary(max_size=9), st.binary(max_size=9)), max_size=3)
numbers = st.integers(0, 2**63 - 1)
asked = st.builds(Asked, st.text(), st.text(), st.binary(), headers, st.binary(), times)
from_worker = st.one_of(
    st.builds(Hello, times),
    st.builds(Ask, numbers, asked),
    st.builds(TurnedDown, st.text(), st.text(), st.integers(100, 599)),
)
parts = st.lists(st.binary(max_size=300), min_size=1)
from_books = st.one_of(
    st.builds(Begin, st.integers(0, 600)),
    st.builds(
        Decided,
        numbers,
        st.integers(0, 599),
        st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3),
        st.lists(times, min_size=1),
        parts,
        st.sampled_from(["whole", "reset", "silence"]),
    ),
    st.builds(End),
)


class _Cut(asyncio.Transport):
    """Keeps what is written, as one stream of bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)


def _heard(
    kind: object, said: Sequence[FromWorker | FromBooks], cuts: Sequence[int]
) -> list[object]:
    heard: list[object] = []

    async def main() -> None:
        wire = _Cut()
        speaker: Line[object] = Line(kind, heard.append)
        speaker.connection_made(wire)
        for message in said:
            speaker.say(message)
        hearer: Line[object] = Line(kind, heard.append)
        places = sorted(cut % (len(wire.written) + 1) for cut in cuts)
        for begin, end in zip([0, *places], [*places, len(wire.written)], strict=True):
            hearer.data_received(wire.written[begin:end])
        while len(heard) < len(said):
            await asyncio.sleep(0)

    run("virtual", main())
    return heard


@settings(max_examples=60, deadline=None)
@given(said=st.lists(from_worker, max_size=5), cuts=st.lists(st.integers(0, 10_000), max_size=6))
@example(said=[Hello(1.0)] * (3 * AT_ONCE), cuts=[])
def test_what_a_worker_says_is_heard_by_the_books(said: list[FromWorker], cuts: list[int]) -> None:
    assert _heard(FromWorker, said, cuts) == said


@settings(max_examples=60, deadline=None)
@given(said=st.lists(from_books, max_size=5), cuts=st.lists(st.integers(0, 10_000), max_size=6))
def test_what_the_books_say_is_heard_by_a_worker(said: list[FromBooks], cuts: list[int]) -> None:
    assert _heard(FromBooks, said, cuts) == said


def test_a_burst_on_one_line_lets_others_be_heard_in_between() -> None:
    heard: list[str] = []

    async def main() -> None:
        wire = _Cut()
        burst: Line[FromWorker] = Line(FromWorker, lambda message: heard.append("burst"))
        burst.connection_made(wire)
        for _ in range(2 * AT_ONCE):
            burst.say(Hello(0.0))
        asyncio.get_running_loop().call_soon(heard.append, "other")
        burst.data_received(wire.written)
        while len(heard) <= 2 * AT_ONCE:
            await asyncio.sleep(0)

    run("virtual", main())
    assert heard == ["burst"] * AT_ONCE + ["other"] + ["burst"] * AT_ONCE


def test_the_end_of_a_line_is_told() -> None:
    gone: list[bool] = []
    line: Line[FromBooks] = Line(FromBooks, lambda _: pytest.fail(), lambda: gone.append(True))
    line.connection_lost(None)
    assert gone == [True]
