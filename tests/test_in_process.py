"""A mock in process: the call that costs one wait is the call that is watched chunk by chunk."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import structs

from harness.answer import RESET, Answer, Ending, plain, play
from harness.clock import VirtualClock, run
from harness.in_process import InProcess
from harness.transport import Measured, measure

BEGIN_MS = 7000
KEEP_ALIVE, TOKEN = b": wait\n\n", b"data: {}\n\n"

Way = Callable[[VirtualClock, Answer], httpx.AsyncBaseTransport]


def _request() -> httpx.Request:
    return httpx.Request("POST", "http://mocks/pay", content=b"{}")


def _fast(clock: VirtualClock, answer: Answer) -> httpx.AsyncBaseTransport:
    return InProcess(lambda request: answer, clock)


def _watched(clock: VirtualClock, answer: Answer) -> httpx.AsyncBaseTransport:
    async def handler(request: httpx.Request) -> httpx.Response:
        return await play(clock, answer)

    return httpx.MockTransport(handler)


def _measured(way: Way, answer: Answer, patience_s: float = 60.0) -> tuple[Measured, float]:
    """The call, and when it was over."""

    async def main() -> tuple[Measured, float]:
        clock = VirtualClock()
        await clock.sleep_until(BEGIN_MS / 1e3)
        seen = await measure(way(clock, answer), clock, _request(), patience_s)
        return seen, clock.now()

    return run("virtual", main())


def _answer(*parts: tuple[int, bytes]) -> Answer:
    """Its chunks leave so many milliseconds after the call's begin. One that is whole tells its
    length, as the desk does."""
    headers = {"x-told": "yes", "x-more": "\xe9"}
    if len(parts) == 1 and parts[0][1]:
        headers["content-length"] = str(len(parts[0][1]))
    times = [(BEGIN_MS + ms) / 1e3 for ms, _ in parts]
    return Answer(201, headers, times, [chunk for _, chunk in parts])


chunks = st.sampled_from([b"", KEEP_ALIVE, b"\n", TOKEN, b"{}", b"a" * 1000])
moments = st.lists(st.integers(0, 5000), min_size=1, max_size=6).map(sorted)
endings = st.sampled_from(["whole", "whole", "reset", "silence"])
answers = st.builds(
    lambda parts, ending: structs.replace(_answer(*parts), ending=ending),
    moments.flatmap(lambda times: st.tuples(*(st.tuples(st.just(time), chunks) for time in times))),
    endings,
)


def _told(seen: Measured, over: float) -> tuple[object, ...]:
    """All of it. A wait may take a tick more, which is a nanosecond."""
    times = [round(t, 8) for t in (seen.start, seen.first_byte, seen.first_token, seen.end, over)]
    return times, seen.status, seen.headers, seen.body, seen.fault, seen.fault_kind


def _nothing(ms: int, ending: Ending) -> Answer:
    return Answer(0, {}, [(BEGIN_MS + ms) / 1e3], [b""], ending=ending)


# Half a millisecond: who gives up at the very moment of a chunk may have seen it or not.
@settings(max_examples=100, deadline=None)
@given(answer=answers, patience_s=st.integers(1, 6000).map(lambda ms: ms / 1e3 + 0.0005))
@example(_answer((500, b"{}")), 60.0)
@example(_answer((0, b"{}")), 60.0)
@example(_answer((500, b"")), 60.0)
@example(_answer((100, KEEP_ALIVE), (400, KEEP_ALIVE), (900, TOKEN), (950, TOKEN)), 60.0)
@example(_answer((100, KEEP_ALIVE), (400, KEEP_ALIVE)), 60.0)
@example(_answer((100, b""), (400, b"")), 60.0)
@example(_answer((900, TOKEN), (950, TOKEN)), 0.1005)
@example(_answer((100, TOKEN), (950, TOKEN)), 0.5005)
@example(_nothing(500, "reset"), 60.0)
@example(_nothing(500, "reset"), 0.1005)
@example(_nothing(500, "silence"), 60.0)
def test_both_ways_tell_the_same_call(answer: Answer, patience_s: float) -> None:
    fast, watched = _measured(_fast, answer, patience_s), _measured(_watched, answer, patience_s)
    assert _told(*fast) == _told(*watched)


def test_a_stream_is_timed_by_its_first_byte_its_first_token_and_its_last() -> None:
    seen, _ = _measured(_fast, _answer((100, KEEP_ALIVE), (400, TOKEN), (900, b""), (950, TOKEN)))
    assert (seen.start, seen.first_byte, seen.first_token, seen.end) == (7.0, 7.1, 7.4, 7.95)
    assert (seen.status, seen.body, seen.fault) == (201, KEEP_ALIVE + TOKEN + TOKEN, "")
    assert (seen.headers["x-told"], seen.headers["X-More"]) == ("yes", "\xe9")


@pytest.mark.parametrize("ms", [100, 800])
def test_patience_runs_out_before_an_answer_or_in_the_middle_of_it(ms: int) -> None:
    answer = _answer((500, TOKEN), (900, TOKEN))
    seen, over = _measured(_fast, answer, ms / 1e3)
    assert (seen.status, seen.body) == (0, b"")
    assert (seen.end, over) == ((BEGIN_MS + ms) / 1e3,) * 2
    assert seen.fault == f"no whole answer within {ms / 1e3:g} s"


@pytest.mark.parametrize("way", [_fast, _watched])
def test_an_answer_that_breaks_off_is_told_when_it_does(way: Way) -> None:
    half = structs.replace(_answer((500, TOKEN), (900, b"")), ending="reset")
    for answer, end in ((half, 7.9), (_nothing(500, "reset"), 7.5)):
        seen, _ = _measured(way, answer)
        assert (seen.status, seen.body, seen.end) == (0, b"", end)
        assert (seen.fault, seen.fault_kind) == (f"ConnectionResetError: {RESET}", RESET)


@pytest.mark.parametrize("way", [_fast, _watched])
def test_an_answer_that_falls_silent_takes_all_the_patience_there_is(way: Way) -> None:
    half = structs.replace(_answer((500, TOKEN)), ending="silence")
    for answer in (half, _nothing(0, "silence")):
        seen, over = _measured(way, answer, 60.0)
        assert (seen.fault, over) == ("no whole answer within 60 s", BEGIN_MS / 1e3 + 60.0)


def test_an_answer_that_was_due_before_its_call_takes_no_time() -> None:
    seen, over = _measured(_fast, _answer((-200, KEEP_ALIVE), (-100, TOKEN)))
    assert {seen.start, seen.first_byte, seen.first_token, seen.end, over} == {BEGIN_MS / 1e3}


@pytest.mark.parametrize("way", [_fast, _watched])
def test_a_cancelled_call_ends_at_once_and_leaves_no_timer(way: Way) -> None:
    async def main() -> float:
        clock = VirtualClock()
        await clock.sleep_until(BEGIN_MS / 1e3)
        transport = way(clock, _answer((500, TOKEN), (900, TOKEN)))
        call = asyncio.create_task(measure(transport, clock, _request(), 60.0))
        await clock.sleep_until(7.6)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert len(asyncio.all_tasks()) == 1
        return clock.now()

    assert run("virtual", main()) == 7.6


def test_what_a_mock_raises_is_no_fault_of_the_wire() -> None:
    def broken(request: httpx.Request) -> Answer:
        raise ZeroDivisionError

    async def main() -> None:
        clock = VirtualClock()
        await measure(InProcess(broken, clock), clock, _request(), 1.0)

    with pytest.raises(ZeroDivisionError):
        run("virtual", main())


@pytest.mark.parametrize(
    "times", [[(500, b"whole")], [(100, b"w"), (300, b""), (500, b"hole")]], ids=["whole", "stream"]
)
def test_httpx_s_own_client_is_answered_in_time(times: list[tuple[int, bytes]]) -> None:
    async def main() -> tuple[list[float], bytes]:
        clock = VirtualClock()
        await clock.sleep_until(BEGIN_MS / 1e3)
        async with httpx.AsyncClient(transport=_fast(clock, _answer(*times))) as client:
            came, body = [], b""
            async with client.stream("POST", "http://mocks/pay", content=_asked()) as answer:
                came.append(clock.now())
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    came.append(clock.now())
        return came, body

    came, body = run("virtual", main())
    assert (came[0], came[-1], body) == ((BEGIN_MS + times[0][0]) / 1e3, 7.5, b"whole")


async def _asked() -> AsyncIterator[bytes]:
    """A body as a foreign client may send it."""
    yield b"{}"


def test_a_host_s_own_words_leave_at_once() -> None:
    async def main() -> httpx.Response:
        clock = VirtualClock()
        return await play(clock, plain(clock, 404, "no such mock", {"connection": "close"}))

    answer = run("virtual", main())
    assert (answer.status_code, answer.text) == (404, "no such mock")
    assert answer.headers["content-length"] == "12"
    assert answer.headers["connection"] == "close"
