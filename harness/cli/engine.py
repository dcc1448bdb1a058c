"""The engine as a child process of Locust, run by `python -m harness.cli.engine`; no user's verb.

It reads lines of JSON: first what to run (Begin), then orders: {"rate": turns_per_s}, and
{"stop": true}. It answers with a line a finished turn, {"type": "turn", "flow": {..}, "spans":
[..], "fault": ".."}, and at its end with {"type": "account", "due": .., "started": .., "finished":
..}. The end of its input is a stop too, so it cannot outlive whoever started it.

`python -m harness.cli.engine check` reads an Asked instead, and answers with the configuration of
the mocks that it needs; input that cannot be used is a line on standard error and exit code 2.
"""

import asyncio
import sys

import httpx
import msgspec

from harness import clock as clocks
from harness.cli.exits import PASS, USAGE, BadInput
from harness.cli.problems import Problems
from harness.cli.rounds import WARM_UP_ROUND
from harness.cli.setup import LEAST_RATE, MOST_RATE, Options, checked
from harness.cli.wiring import Setup, socket_arms
from harness.load.arrivals import poisson
from harness.load.engine import Arm, Tally, boot, round_schedule, run_round
from harness.load.live import Live
from harness.providers.call import ProviderFault
from harness.record import FlowRow, SpanRow
from harness.transport import socket_transport


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The options of the `locust` command that are ours, as the user wrote them."""

    scenario: str
    strategy: str
    seed: str
    flow_rate: str
    think_scale: str | None
    param: list[str] | None
    pay: str
    intent: str
    confirm: str


class Begin(msgspec.Struct, frozen=True, kw_only=True):
    """The first line. `worker` numbers the engines that share the mocks."""

    asked: Asked
    mocks_url: str
    worker: int


class Order(msgspec.Struct, frozen=True):
    """Any later line."""

    rate: float | None = None
    stop: bool = False


def main() -> int:
    try:
        if sys.argv[1:] == ["check"]:
            setup = setup_of(msgspec.json.decode(sys.stdin.buffer.read(), type=Asked))
            sys.stdout.buffer.write(msgspec.json.encode(setup.mocks))
        else:
            clocks.run("real", _main())
    except BadInput as error:
        for problem in error.problems:
            print(f"tollbench: {problem}", file=sys.stderr)
        return USAGE
    return PASS


def setup_of(asked: Asked) -> Setup:
    """The setup, or BadInput with all that is wrong."""
    problems = Problems()
    problems.number("--flow-rate", asked.flow_rate, LEAST_RATE, MOST_RATE)
    strategy = problems.strategy("--strategy", asked.strategy)
    options = Options(
        scenario=asked.scenario,
        parameters=asked.param or [],
        clock="real",
        seed=asked.seed,
        rate="1",  # the rate is told from outside, and changes
        think_scale=asked.think_scale or None,
        pay=asked.pay,
        intent=asked.intent,
        confirm=asked.confirm,
    )
    return checked(options, problems, [strategy])


async def _main() -> None:
    orders, out = await _orders(), await _Out.open()
    begin = msgspec.json.decode(await orders.readline(), type=Begin)
    setup, clock = setup_of(begin.asked), clocks.RealClock()
    async with socket_transport() as transport:
        live = Live(
            clock,
            await _ready_arm(setup, begin, clock, transport),
            poisson(setup.seed, "live", begin.worker, rate=1.0),
            name=f"w{begin.worker}",
            turns_each=setup.scenario.turns,
            tell=out.turn,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(_obey(orders, live))
            await live.run()
    await out.close(live)


async def _ready_arm(
    setup: Setup, begin: Begin, clock: clocks.Clock, transport: httpx.AsyncBaseTransport
) -> Arm:
    """Warmed up by one turn that nobody hears of: it opens a connection and loads code. The rounds'
    numbers keep the draws and the orders of one worker apart from those of another."""
    warm_up = WARM_UP_ROUND - begin.worker
    try:
        warm = socket_arms(setup, warm_up, clock, [transport], begin.mocks_url)
        one = round_schedule(setup.seed, warm_up, warm, turns=1, turns_each=1, rate=100.0)
        await run_round(clock, warm, one, Tally())
        (arm,) = socket_arms(setup, begin.worker, clock, [transport], begin.mocks_url)
        await boot(clock, arm)
    except ProviderFault as fault:
        raise BadInput([f"no mocks at {begin.mocks_url}: {fault}"]) from None
    return arm


async def _orders() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    return reader


async def _obey(orders: asyncio.StreamReader, live: Live) -> None:
    async for line in orders:
        order = msgspec.json.decode(line, type=Order)
        if order.stop:
            break
        if order.rate is not None:
            live.set_rate(order.rate)
    live.stop()


class _Out(asyncio.Protocol):
    """Standard output that never blocks the loop: a slow reader must not slow what is measured."""

    def __init__(self) -> None:
        self._closed = asyncio.Event()
        self._pipe = asyncio.WriteTransport()

    @staticmethod
    async def open() -> "_Out":
        loop = asyncio.get_running_loop()
        pipe, out = await loop.connect_write_pipe(_Out, sys.stdout)
        out._pipe = pipe
        return out

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set()

    def turn(self, flow: FlowRow, spans: list[SpanRow], fault: str) -> None:
        named = [msgspec.structs.asdict(span) for span in spans]
        flow_ = msgspec.structs.asdict(flow)
        self._write({"type": "turn", "flow": flow_, "spans": named, "fault": fault})

    async def close(self, live: Live) -> None:
        """Tell the account, and wait until all is written or nobody reads any more."""
        counts = {"due": live.due, "started": live.started, "finished": live.finished}
        self._write({"type": "account", **counts})
        self._pipe.close()
        await self._closed.wait()

    def _write(self, line: dict[str, object]) -> None:
        if not self._closed.is_set():
            self._pipe.write(msgspec.json.encode(line) + b"\n")


if __name__ == "__main__":
    sys.exit(main())
