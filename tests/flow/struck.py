"""One conversation in which faults are placed one by one, in process and on the virtual clock, with
a client that sends again what is safe to send again. It asserts nothing.

Delays are as exact as in tests.worlds: 0.5 s an intent, 0.4 s a session, 0.6 s a payment or what
undoes one, 0.7 s a confirmation, 1.1 s a reason.
"""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from harness.books import Beliefs
from harness.clock import VirtualClock, run
from harness.faults import Fault, Placed, Script
from harness.flow.agent import Agent, Cast, Receipt
from harness.flow.flow import Chat, Flow, World
from harness.flow.inbox import Inbox
from harness.flow.payers.careful import Careful
from harness.flow.retry import Retries
from harness.flow.strategy import Strategy
from harness.flow.wish import SplitWish, Wish
from harness.in_process import InProcess
from harness.load.engine import BOOT
from harness.providers.told import DrawKey
from harness.reconcile import reconcile
from mocks.audit import accounts
from mocks.brain import claim_of
from mocks.host import IN_PROCESS_URL, Host, MockConfig, endpoints
from mocks.profile import PaymentProfile, load
from tests.flow.payers.stand import CLIENTS
from tests.worlds import USUAL, Turn, Weather, mock_cast

SURE = Retries(most=2, pause_s=0.0, left=1000.0, saved=1000.0)
"""Sent again at once and whenever it may be, so that times and calls can be written down."""


@dataclass(slots=True)
class Struck:
    """What came of it: the turns, what the user was told in each, and all that anybody keeps."""

    host: Host
    world: World
    agent: Agent
    flows: list[Flow]
    told: list[str]

    @property
    def outcomes(self) -> list[str]:
        return [flow.outcome for flow in self.flows]

    @property
    def receipts(self) -> list[Receipt]:
        return self.agent.receipts

    @property
    def response_ms(self) -> list[float]:
        ends = [(flow.due, flow.end) for flow in self.flows if flow.end is not None]
        return [round((end - due) * 1e3, 3) for due, end in ends]

    @property
    def breaches(self) -> list[str]:
        assert self.world.beliefs is not None
        found = reconcile(accounts(self.host), self.world.beliefs, leaks=self.world.leaks)
        return [f"{of.rule}: {of.order_no} {of.why}" for of in found.breaches]

    @property
    def beliefs(self) -> list[tuple[str, str, bool]]:
        """Order number, outcome, and whether it was reported as unknown."""
        assert self.world.beliefs is not None
        return [(of.order_no, of.outcome, of.reported) for of in self.world.beliefs]

    def books(self, lane: str = "wechat-ai") -> list[tuple[str, str]]:
        """Order number and state, in the order of their booking."""
        return [(entry.order_no, entry.state) for entry in self.host.payments[lane].ledger]

    def stages(self, turn: int = 0) -> list[str]:
        """Of the turn's calls, in the order of their beginning."""
        spans = sorted(self.flows[turn].spans, key=lambda span: span.start)
        return [span.stage for span in spans if span.provider]


def play_struck(
    strategy: Strategy,
    turns: Sequence[Turn],
    *placed: Placed,
    lanes: Sequence[str] = ("wechat-ai",),
    retries: Retries | None = SURE,
    weather: Weather | None = None,
    meanwhile: Callable[[Agent, Chat], Coroutine[Any, Any, None]] | None = None,
    think_scale: float = 1.0,
) -> Struck:
    """Play the turns and let all end that runs on beside them. `meanwhile` is what else happens,
    before the first turn."""
    clock = VirtualClock()

    async def main() -> Struck:
        faults = _InTurns(placed)
        config = _config(weather or Weather(), lanes)
        inbox = Inbox("http://app/notices")
        host = Host(clock, config, inbox, faults)
        own = retries and replace(retries)
        world = World(
            clock, InProcess(host.decide, clock), 1, 0, True, think_scale, inbox=inbox,
            faults=faults, retries=own, beliefs=Beliefs(claim_of),
        )  # fmt: skip
        cast = _cast(config, lanes, inbox)
        boot = Flow(world, BOOT, 0, clock.now(), clock.now())
        for payer in cast.payers:
            await payer.start(boot)
        chat = Chat(world, 0, "alice", len(turns), clock.now())
        agent = Agent(cast, strategy, chat.user, USUAL)
        if meanwhile is not None:
            await meanwhile(agent, chat)
        told = [await _turn(agent, chat, turn) for turn in turns]
        for flow in chat.flows:
            await flow.join()
        return Struck(host, world, agent, chat.flows, [text for text in told if text is not None])

    return run("virtual", main())


async def _turn(agent: Agent, chat: Chat, turn: Turn) -> str | None:
    match turn:
        case Wish():
            return await agent.pay(chat, turn)
        case SplitWish():
            return await agent.split(chat, turn)
        case int() | float():
            await chat.think(turn)
            return None
        case _:
            return await turn(agent, chat)


class _InTurns(Script):
    """The start of the app is spared."""

    def at(self, provider: str, key: DrawKey) -> Sequence[Fault]:
        return super().at(provider, key) if key.conversation != BOOT else ()


def _config(weather: Weather, lanes: Sequence[str]) -> MockConfig:
    mocks = weather.mocks()
    (exact,) = mocks.pay.values()
    pay = {lane: exact if lane == "wechat-ai" else _like(lane, exact) for lane in lanes}
    return msgspec.structs.replace(mocks, pay=pay)


def _like(provider: str, exact: PaymentProfile) -> PaymentProfile:
    """Another provider whose calls take as long as those of that one's."""
    return msgspec.structs.replace(load(provider, PaymentProfile), overhead=exact.overhead)


def _cast(config: MockConfig, lanes: Sequence[str], inbox: Inbox) -> Cast:
    at = endpoints(IN_PROCESS_URL, config)
    make = {lane: CLIENTS[config.pay[lane].provider].make for lane in lanes}
    payers = [Careful(make[lane](at[lane], inbox), lane) for lane in lanes]
    return Cast(mock_cast(config).models, payers, lanes)
