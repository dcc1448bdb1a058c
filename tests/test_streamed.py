"""A call whose answer is handed on as it comes is measured like any other, whoever reads how."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.answer import Answer
from harness.clock import VirtualClock, run
from harness.in_process import InProcess
from harness.providers.told import Told
from harness.transport import Measured, measure, streamed
from tests.test_transport import Broken, Handler, Slow

BEGIN_S = 10.0
KEEP_ALIVE, TOKEN = b": wait\n\n", b"data: {}\n\n"

Read = Callable[[httpx.Response, VirtualClock], Awaitable[None]]


class Heard:
    """What was told of a call, and when its client had what."""

    def __init__(self) -> None:
        self.calls: list[tuple[Measured, bool]] = []
        self.got: list[tuple[float, bytes]] = []
        self.error: Exception | None = None

    def tell(self, took: Measured, whole: bool) -> None:
        self.calls.append((took, whole))

    def times(self) -> tuple[float, float, float, bool]:
        """First byte, first token and end after the start, and whether it is the whole."""
        ((took, whole),) = self.calls
        times = (took.first_byte, took.first_token, took.end)
        byte, token, end = (round(time - took.start, 6) for time in times)
        return byte, token, end, whole

    async def read(self, response: httpx.Response, clock: VirtualClock) -> None:
        async for chunk in response.aiter_raw():
            self.got.append((round(clock.now() - BEGIN_S, 6), chunk))


def _heard(
    of: Handler | httpx.AsyncBaseTransport, read: Read | None = None, read_s: float | None = None
) -> Heard:
    heard, clock = Heard(), VirtualClock()

    async def main() -> None:
        await clock.sleep_until(BEGIN_S)
        transport = of if isinstance(of, httpx.AsyncBaseTransport) else httpx.MockTransport(of)
        try:
            request = httpx.Request("POST", "http://somewhere.test/pay", content=b"{}")
            response = await streamed(transport, clock, request, read_s, heard.tell)
            await (read or heard.read)(response, clock)
        except (httpx.HTTPError, OSError, KeyError) as error:
            heard.error = error
        await asyncio.sleep(100.0)
        assert len(asyncio.all_tasks()) == 1

    run("virtual", main())
    return heard


def _after(head_s: float, stream: httpx.AsyncByteStream, status: int = 200) -> Handler:
    async def handler(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(head_s)
        return httpx.Response(status, stream=stream)

    return handler


def test_each_piece_is_there_when_it_comes() -> None:
    heard = _heard(_after(1.0, Slow((0.5, KEEP_ALIVE), (1.0, TOKEN), (2.0, b"end"))))
    assert heard.got == [(1.5, KEEP_ALIVE), (2.5, TOKEN), (4.5, b"end")]
    assert heard.times() == (1.5, 2.5, 4.5, True)


def test_a_keep_alive_that_the_network_has_cut_is_no_token() -> None:
    heard = _heard(_after(0.0, Slow((1.0, b": wa"), (1.0, b"it\n\n"), (1.0, TOKEN))))
    assert heard.times() == (1.0, 3.0, 3.0, True)


def test_a_slow_reader_makes_no_answer_slower() -> None:
    async def slowly(response: httpx.Response, clock: VirtualClock) -> None:
        async for _ in response.aiter_raw():
            await asyncio.sleep(7.0)

    heard = _heard(_after(1.0, Slow((0.5, TOKEN), (0.5, TOKEN))), slowly)
    assert heard.times() == (1.5, 1.5, 2.0, True)


async def _first(response: httpx.Response, clock: VirtualClock) -> None:
    async for _ in response.aiter_raw():
        break
    await response.aclose()


async def _nothing(response: httpx.Response, clock: VirtualClock) -> None:
    await response.aclose()


async def _forgotten(response: httpx.Response, clock: VirtualClock) -> None:
    pass


@pytest.mark.parametrize(
    ("read", "times"),
    [
        (_first, (1.5, 1.5, 1.5, False)),
        (_nothing, (1.0, 1.0, 1.0, False)),
        (_forgotten, (1.5, 1.5, 5.5, True)),
    ],
)
def test_a_call_is_as_long_as_its_answer_is_wanted(
    read: Read, times: tuple[float, float, float, bool]
) -> None:
    stream = Slow((0.5, TOKEN), (4.0, b"end"))
    heard = _heard(_after(1.0, stream), read)
    assert heard.times() == times
    assert heard.calls[0][0].fault == "" and stream.closed


def test_a_call_that_is_cancelled_is_told_up_to_then() -> None:
    async def cancelled(response: httpx.Response, clock: VirtualClock) -> None:
        try:
            async with asyncio.timeout(2.0):
                await response.aread()
        except TimeoutError:
            await response.aclose()

    heard = _heard(_after(1.0, Slow((0.5, TOKEN), (9.0, TOKEN))), cancelled)
    assert heard.times() == (1.5, 1.5, 3.0, False)


def test_one_that_is_cancelled_before_it_is_answered_has_no_status() -> None:
    async def main() -> None:
        transport = httpx.MockTransport(_after(50.0, Slow()))
        request = httpx.Request("GET", "http://somewhere.test")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.0):
                await streamed(transport, VirtualClock(), request, None, heard.tell)

    heard = Heard()
    run("virtual", main())
    assert heard.times() == (2.0, 2.0, 2.0, False)
    assert (heard.calls[0][0].status, heard.calls[0][0].fault) == (0, "")


@pytest.mark.parametrize(
    ("handler", "end_s"),
    [
        (_after(50.0, Slow()), 3.0),
        (_after(2.0, Slow((50.0, TOKEN))), 5.0),
        (_after(2.0, Slow((2.0, TOKEN), (2.0, TOKEN), (50.0, TOKEN))), 9.0),
    ],
)
def test_a_client_s_patience_is_for_each_piece(handler: Handler, end_s: float) -> None:
    heard = _heard(handler, read_s=3.0)
    assert isinstance(heard.error, httpx.ReadTimeout)
    assert heard.times()[2:] == (end_s, True)
    assert (heard.calls[0][0].status, heard.calls[0][0].fault) == (0, "nothing came for 3 s")


def test_an_answer_that_breaks_off_is_a_fault_and_raised_where_it_is_read() -> None:
    heard = _heard(_after(1.0, Broken((1.0, TOKEN))))
    assert heard.got == [(2.0, TOKEN)]
    assert isinstance(heard.error, httpx.ReadError)
    assert heard.times()[2:] == (2.0, True)
    assert heard.calls[0][0].fault == "ReadError: connection reset"


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (httpx.ConnectError("refused"), "ConnectError: refused"),
        (TimeoutError("of the network"), "TimeoutError: of the network"),
        (KeyError("a bug"), ""),
    ],
)
def test_what_a_transport_raises_is_raised_and_told(error: Exception, fault: str) -> None:
    async def handler(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0.5)
        raise error

    heard = _heard(handler)
    assert heard.error is error
    assert heard.times() == (0.5, 0.5, 0.5, bool(fault))
    assert heard.calls[0][0].fault == fault


chunks = st.sampled_from([b"", KEEP_ALIVE, b"\n", TOKEN, b"{}", b"a" * 1000])
moments = st.lists(st.integers(0, 5000), min_size=1, max_size=6).map(sorted)
parts_of_answers = moments.flatmap(
    lambda times: st.tuples(*(st.tuples(st.just(time), chunks) for time in times))
)


@settings(max_examples=50, deadline=None)
@given(parts=parts_of_answers)
@example(((500, b"{}"),))
@example(((0, b""),))
@example(((100, KEEP_ALIVE), (400, KEEP_ALIVE), (900, TOKEN), (950, TOKEN)))
def test_it_tells_the_same_of_an_answer_as_a_call_that_is_taken_whole(
    parts: tuple[tuple[int, bytes], ...],
) -> None:
    times = [BEGIN_S + ms / 1e3 for ms, _ in parts]
    answer = Answer(201, {"x-of": "us"}, times, [of for _, of in parts], Told(1.5, 0.5, 2))

    async def whole() -> Measured:
        clock = VirtualClock()
        await clock.sleep_until(BEGIN_S)
        request = httpx.Request("POST", "http://somewhere.test/pay", content=b"{}")
        return await measure(InProcess(lambda request: answer, clock), clock, request, 60.0)

    taken = run("virtual", whole())
    heard = _heard(InProcess(lambda request: answer, VirtualClock()))
    ((told, is_whole),) = heard.calls
    # A wait may take a tick more, which is a nanosecond.
    assert [round(t, 8) for t in (told.start, told.first_byte, told.first_token, told.end)] == [
        round(t, 8) for t in (taken.start, taken.first_byte, taken.first_token, taken.end)
    ]
    assert (told.status, told.told, told.fault, is_whole) == (201, taken.told, "", True)
    assert b"".join(chunk for _, chunk in heard.got) == taken.body
