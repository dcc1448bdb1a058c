"""The engine as a child process of Locust, run by `python -m harness.cli.engine`; no user's verb.

Standard input and output are pipes that carry lines of harness.load.pipe: in comes what to run
(Begin) and then orders, {"rate": turns_per_s} or {"stop": true}; out goes a line a finished turn,
its rows whole, and an account at the end. The end of its input is a stop too, so it cannot outlive
whoever started it.

`python -m harness.cli.engine check` reads an Asked instead, and answers with the configuration of
the mocks that it needs; input that cannot be used is a line on standard error and exit code 2.
"""

import asyncio
import sys
from dataclasses import replace
from typing import TextIO

import msgspec

from harness import clock as clocks
from harness.cli.exits import PASS, USAGE, BadInput
from harness.cli.problems import Problems
from harness.cli.rounds import one_virtual_round
from harness.cli.setup import LEAST_RATE, MOST_RATE, Options, checked
from harness.cli.ways import socket_way
from harness.cli.wiring import Setup, Way, socket_arms
from harness.load.arrivals import poisson
from harness.load.engine import Arm, boot
from harness.load.live import Live
from harness.load.pipe import Account, Order
from harness.providers.call import ProviderFault
from harness.record import FlowRow, SpanRow


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The options of the `locust` command that are ours, as the user wrote them."""

    scenario: str
    strategy: str
    seed: str
    flow_rate: str
    think_scale: str | None
    param: list[str] | None
    pay: str | None
    intent: str | None
    confirm: str | None
    reason: str | None
    score: str | None
    gateway: str | None
    fallback: str | None


class Begin(msgspec.Struct, frozen=True, kw_only=True):
    """The first line. `worker` numbers the engines that share the mocks."""

    asked: Asked
    mocks_url: str
    worker: int


def main() -> int:
    # A scenario may print; what is read from our output must stay ours.
    out, sys.stdout = sys.stdout, sys.stderr
    try:
        if sys.argv[1:] == ["check"]:
            setup = setup_of(msgspec.json.decode(sys.stdin.buffer.read(), type=Asked))
            out.buffer.write(msgspec.json.encode(setup.mocks))
        else:
            clocks.run("real", _main(out))
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
        pay=asked.pay or None,
        models={
            "intent": asked.intent or None,
            "confirm": asked.confirm or None,
            "reason": asked.reason or None,
            "score": asked.score or None,
        },
        gateway=asked.gateway or None,
        fallback=asked.fallback or None,
    )
    return checked(options, problems, [strategy])


async def _main(standard_output: TextIO) -> None:
    orders, out = await _orders(), await _Out.open(standard_output)
    begin = msgspec.json.decode(await orders.readline(), type=Begin)
    setup, clock = setup_of(begin.asked), clocks.RealClock()
    # All engines load the same mocks, as the app's servers would: one world for all.
    async with socket_way(setup, begin.mocks_url) as way:
        live = Live(
            clock,
            await _ready_arm(setup, begin, clock, way),
            poisson(setup.seed, "live", begin.worker, rate=1.0),
            name=f"w{begin.worker}",
            turns_each=setup.scenario.turns,
            tell=out.turn,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(_obey(orders, live))
            await live.run()
    await out.close(live)


async def _ready_arm(setup: Setup, begin: Begin, clock: clocks.Clock, way: Way) -> Arm:
    """Booted over the first connection. Each worker has a round number of its own, which keeps its
    draws and its mocks' answers apart from those of the others."""
    # A turn on the virtual clock loads the code in no time; on this one it would take seconds.
    await asyncio.to_thread(one_virtual_round, replace(setup, rounds=1, turns=1), 0)
    (arm,) = socket_arms(setup, begin.worker, clock, [way])
    try:
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
    async def open(standard_output: TextIO) -> "_Out":
        loop = asyncio.get_running_loop()
        pipe, out = await loop.connect_write_pipe(_Out, standard_output)
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
        self._write(Account(live.due, live.started, live.finished))
        self._pipe.close()
        await self._closed.wait()

    def _write(self, line: Account | dict[str, object]) -> None:
        if not self._closed.is_set():
            self._pipe.write(msgspec.json.encode(line) + b"\n")


if __name__ == "__main__":
    sys.exit(main())
