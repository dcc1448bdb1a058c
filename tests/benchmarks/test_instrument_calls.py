"""What a call costs the instrument, in process and over sockets, and a whole turn on the virtual
clock; on this machine's clock, and it asserts no time."""

import pytest

from harness import clock as clocks
from harness.answer import Answer
from harness.cli.problems import Problems
from harness.cli.rounds import one_virtual_round
from harness.cli.setup import Options, checked
from harness.clock import Clock, RealClock, VirtualClock
from harness.flow.strategy import Strategy
from harness.http1 import Sockets
from harness.in_process import InProcess
from harness.load.engine import Tally
from harness.providers.call import Endpoint, request_of
from harness.transport import Measured, MeasuringTransport, measure
from tests.benchmarks.fixture import Timed, timed
from tests.http1.far import asked, far

CALLS, TURNS = 100, 40
HI = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


async def _calls(transport: MeasuringTransport, clock: Clock, url: str) -> list[Measured]:
    """One after another."""
    at = Endpoint(url, "key").url("/pay")
    return [
        await measure(transport, clock, request_of("POST", at, {}, b"{}"), 30.0)
        for _ in range(CALLS)
    ]


@timed("transport")
def test_100_calls_in_process(benchmark: Timed) -> None:
    def calls() -> list[Measured]:
        clock = VirtualClock()
        server = InProcess(lambda _: Answer(200, {}, [clock.now() + 0.25], [b"hi"]), clock)
        return clocks.run("virtual", _calls(server, clock, "http://mocks"))

    took = benchmark(calls)
    assert [round(one.end - one.start, 6) for one in took] == [0.25] * CALLS


@pytest.mark.socket
@timed("transport")
def test_100_calls_over_one_connection(benchmark: Timed) -> None:
    async def ask(sockets: Sockets, url: str) -> tuple[list[Measured], int]:
        return await _calls(sockets, RealClock(), url), sockets.opened

    def calls() -> tuple[list[Measured], int]:
        return asked(far(*[HI] * CALLS), ask)

    took, opened = benchmark(calls)
    assert [(one.status, one.body) for one in took] == [(200, b"hi")] * CALLS
    assert opened == 1


@timed("turn")
@pytest.mark.parametrize("strategy", [Strategy(), Strategy(True, True, True)], ids=lambda s: s.name)
def test_40_turns_on_the_virtual_clock(strategy: Strategy, benchmark: Timed) -> None:
    setup = checked(Options(), Problems(), [strategy], turns=TURNS)

    def turns() -> Tally:
        return one_virtual_round(setup, 0)

    assert benchmark(turns).finished == TURNS
