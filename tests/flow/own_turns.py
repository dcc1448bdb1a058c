"""Plays a function of a user's own on the virtual clock, against servers that are written here."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from harness import clock as clocks
from harness.answer import Answer
from harness.clock import VirtualClock
from harness.flow.flow import Flow, World
from harness.flow.own import converse_with
from harness.flow.own_function import OwnFlow
from harness.flow.rerouted import begin_round, rerouted
from harness.flow.routing import Routes
from harness.flow.strategy import Strategy
from harness.in_process import InProcess
from harness.load.engine import Arm, Tally, round_schedule, run_round
from harness.providers.call import Endpoint
from harness.providers.told import DrawKey, Told, read_draw
from harness.record import FlowRow, SpanRow

OPENAI = "https://api.openai.com/v1/chat/completions"
STRIPE = "https://api.stripe.com/v1/payment_intents"
AT = {
    "openai": Endpoint("http://mocks/openai/v1", "mock-openai"),
    "gemini": Endpoint("http://mocks/gemini", "mock-gemini"),
    "stripe": Endpoint("http://mocks/stripe", "sk_test_mock"),
    "wechat-ai": Endpoint("http://mocks/wechat-ai", "mock-wechat"),
}


BASELINE = Strategy()


@dataclass
class Servers:
    """Answer every call after `takes_s`, or as `pieces` say: so many seconds after the call, these
    bytes. A query `?takes=2` or `?status=503` asks for another answer."""

    takes_s: float = 1.0
    pieces: tuple[tuple[float, bytes], ...] = ()
    asked: list[httpx.Request] = field(default_factory=list)
    draws: list[DrawKey | None] = field(default_factory=list)
    clock: VirtualClock = field(default_factory=VirtualClock)

    def decide(self, request: httpx.Request) -> Answer:
        self.asked.append(request)
        self.draws.append(read_draw(request))
        now, asked = self.clock.now(), request.url.params
        pieces = self.pieces or ((float(asked.get("takes", self.takes_s)), b"{}"),)
        told = Told(round(pieces[-1][0] * 1e3, 3))
        status = int(asked.get("status", 200))
        times = [now + after for after, _ in pieces]
        return Answer(status, {"x-of": "us"}, times, [chunk for _, chunk in pieces], told)


@dataclass(frozen=True)
class Seen:
    """What was recorded; times of spans are from the start of their turn."""

    tally: Tally

    @property
    def flows(self) -> list[FlowRow]:
        return self.tally.rows.flows

    @property
    def flow(self) -> FlowRow:
        (one,) = self.flows
        return one

    @property
    def spans(self) -> list[SpanRow]:
        return self.tally.rows.spans

    def stages(self) -> list[tuple[str, float, float]]:
        """Each span's stage, with the seconds into its turn when it began and ended."""
        start_s = {(of.round, of.conversation, of.turn): of.start_s for of in self.flows}
        return [
            (of.stage, round(of.start_s - since, 6), round(of.end_s - since, 6))
            for of in self.spans
            for since in [start_s[of.round, of.conversation, of.turn]]
        ]


def play(
    function: OwnFlow,
    servers: Servers | None = None,
    *,
    turns: int = 1,
    others: Mapping[str, httpx.AsyncBaseTransport] = {},
    strategy: Strategy = BASELINE,
    seed: int = 1,
    round_: int = 0,
    drain_s: float | None = None,
    tells_connections: bool = False,
) -> Seen:
    """One round. What ended it is raised as it is, out of its group."""
    servers = servers or Servers()
    tally, clock = Tally(), servers.clock
    mocks = InProcess(servers.decide, clock)
    routes = Routes(AT, mocks, others)

    async def boot(flow: Flow) -> None:
        begin_round(seed, round_)

    async def main() -> None:
        world = World(clock, mocks, seed, round_, True, tells_connections=tells_connections)
        arm = Arm("own", world, boot, converse_with(function, strategy, routes))
        due = round_schedule(seed, round_, [arm], turns=turns, turns_each=1, rate=1)
        await run_round(clock, [arm], due, tally, drain_s=drain_s)

    with rerouted():
        try:
            clocks.run("virtual", main())
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
    return Seen(tally)


async def ask(url: str = OPENAI, *, timeout: float = 60.0, **params: float) -> httpx.Response:
    """As a user's code does it: with a client of its own, that knows nothing of any turn."""
    async with httpx.AsyncClient(timeout=timeout) as client:
        return await client.post(url, params=params or None, json={})
