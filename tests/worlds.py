"""Worlds to test in: mocks in process behind a door that records and can fail; it asserts nothing.

Delays are as exact as a profile can make them: its median and its 99th percentile are equal, so
every draw is the same and a response time is a sum that a test can write down.
"""

import asyncio
import datetime
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

import httpx

from harness.clock import VirtualClock, run
from harness.flow.agent import Agent, Cast, Receipt
from harness.flow.flow import Chat, Flow, World
from harness.flow.model import Models, Voice
from harness.flow.payers.wechat_ai import WechatAi
from harness.flow.strategy import Strategy, all_strategies
from harness.flow.wish import QueryWish, RefundWish, SplitWish, Wish
from harness.load.engine import BOOT, Arm, Tally, round_schedule, run_round
from harness.providers import MODELS, wechat_ai
from harness.providers.chat import Reply, ToolCall
from harness.providers.told import DrawKey, decode_draw
from mocks.figures import (
    Fee,
    KeyTerms,
    Overhead,
    Provenance,
    SessionTerms,
    Structure,
    TokenLatency,
)
from mocks.host import IN_PROCESS_URL, Host, MockConfig, endpoints
from mocks.ledger import Entry
from mocks.profile import ModelProfile, PaymentProfile, load
from scenarios.conversation import Conversation

USUAL = "balance"
WISH = Wish(4580, "CNY", "noodles", USUAL)
BY_CARD = Wish(4580, "CNY", "noodles", "card")
BLOCKED = Wish(4580, "CNY", "payee-blocked", USUAL)

BASELINE = Strategy()
PREWARM = Strategy(prewarm=True)
TOKEN_CACHE = Strategy(token_cache=True)
PARALLEL = Strategy(parallel_confirm=True)
ALL_THREE = Strategy(True, True, True)


class _Source(TypedDict):
    provenance: Provenance
    source: str
    date: datetime.date


_SOURCE = _Source(provenance="assumed", source="tests", date=datetime.date(2026, 1, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """How long each call takes, in seconds, and how long tokens and keys live. A query, a void and
    a refund take as long as a payment. `structure` is how weak the models that are asked for a
    tool call or a schema are; `lanes` are the payment providers, all alike."""

    intent: float = 0.5
    session: float = 0.4
    pay: float = 0.6
    confirm: float = 0.7
    reason: float = 1.1
    score: float = 0.3
    key: float = 0.06
    lifetime: float = 900.0
    rotation_days: float = 30.0
    overlap: float = 3600.0
    structure: Structure | None = None
    lanes: tuple[str, ...] = ("wechat-ai",)

    def mocks(self) -> MockConfig:
        return MockConfig(
            seed=1,
            pay={lane: self._payments() for lane in self.lanes},
            models={
                "reader": _model(self.intent, self.structure),
                "teller": _model(self.confirm),
                "reasoner": _model(self.reason, self.structure),
                "scorer": _model(self.score, self.structure),
            },
        )

    def _payments(self) -> PaymentProfile:
        whole = self.session + self.pay
        return PaymentProfile(
            provider="wechat-ai",
            overhead=Overhead(p50_ms=whole * 1e3, p99_ms=whole * 1e3, **_SOURCE),
            session=SessionTerms(share=self.session / whole, lifetime_s=self.lifetime, **_SOURCE),
            key=KeyTerms(
                fetch_ms=self.key * 1e3,
                rotation_days=self.rotation_days,
                overlap_s=self.overlap,
                **_SOURCE,
            ),
            fee=Fee(rate=0.006, minimum_minor=10, currency="CNY", **_SOURCE),
        )


Answer = Callable[[httpx.Request], Awaitable[httpx.Response]]
Trouble = Callable[[httpx.Request, Answer], Awaitable[httpx.Response]]
"""What may happen to one call: it gets the request and the mock that would have answered it."""

Troubles = dict[tuple[int, str, int], Trouble]
"""By turn, stage and attempt."""


def weak(breaks: float = 0.0, leaks: float = 0.0) -> Structure:
    """How often a model breaks its schema, and how often it writes a field that it must not."""
    return Structure(breaks_share=breaks, leaks_share=leaks, **_SOURCE)


@dataclass(slots=True)
class Seen:
    """One call as it passed the door."""

    key: DrawKey
    path: str
    request: bytes
    answer: bytes


@dataclass(slots=True)
class Door:
    """The way to the mocks. It keeps every call, and lets a test spoil some."""

    host: Host
    troubles: Troubles = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        key = decode_draw(request.headers)
        assert key is not None
        seen = Seen(key, request.url.path, request.content, b"")
        self.seen.append(seen)
        trouble = self.troubles.get((key.turn, key.stage, key.attempt), _none)
        response = await trouble(request, self.host)
        if isinstance(response.stream, httpx.ByteStream):
            seen.answer = response.content
        else:
            response.stream = _Overheard(response.stream, seen)
        return response

    def stages(self, turn: int | None = None) -> list[str]:
        """Of the calls of one turn or of all, in the order of their sending; the boot apart."""
        keys = [seen.key for seen in self.seen if seen.key.conversation != BOOT]
        return [key.stage for key in keys if turn in (None, key.turn)]

    def bodies(self, stage: str) -> list[bytes]:
        return [seen.request for seen in self.seen if seen.key.stage == stage]


class _Overheard(httpx.AsyncByteStream):
    """A body as it comes, kept by the door."""

    def __init__(self, stream: httpx.AsyncByteStream | httpx.SyncByteStream, seen: Seen) -> None:
        assert isinstance(stream, httpx.AsyncByteStream)
        self._stream, self._seen = stream, seen

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._seen.answer += chunk
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


@dataclass(slots=True)
class Played:
    """What came of one conversation: its turns, what the user was told in each, what the agent
    remembers, and the other side's books."""

    door: Door
    flows: list[Flow]
    told: list[str]
    receipts: list[Receipt] = field(default_factory=list)

    @property
    def response_ms(self) -> list[float]:
        """To the microsecond: every wait may end one nanosecond late."""
        ends = [(flow.due + flow.human, flow.end) for flow in self.flows if flow.end is not None]
        return [round((end - due) * 1e3, 3) for due, end in ends]

    @property
    def outcomes(self) -> list[str]:
        return [flow.outcome for flow in self.flows]

    @property
    def books(self) -> list[tuple[str, str]]:
        """Order number ("" where no payment came) and state, in the order of their booking."""
        entries = self.entries()
        return [(entry.order_no if entry.terms else "", entry.state) for entry in entries]

    def entries(self, lane: str = "wechat-ai") -> list[Entry]:
        return list(self.door.host.payments[lane].ledger)


Act = Callable[[Agent, Chat], Awaitable[str]]
"""A turn that hangs on what came before, as a refund does."""

Turn = Wish | SplitWish | float | Act
"""A payment, a shared bill, a pause of so many seconds before the next, or an act."""


def refund_of(receipt: int = 0, amount_minor: int = WISH.amount_minor) -> Act:
    return lambda agent, chat: agent.refund(
        chat,
        RefundWish(amount_minor, "CNY", agent.receipts[receipt].reference, "The tea was cold."),
    )


def query_of(receipt: int = 0) -> Act:
    return lambda agent, chat: agent.query(chat, QueryWish(agent.receipts[receipt].reference))


def scored(wish: Wish = WISH, most_score: int = 80) -> Act:
    return lambda agent, chat: agent.pay(chat, wish, most_score=most_score)


def by_lane(lane: int, wish: Wish | SplitWish = WISH) -> Act:
    def act(agent: Agent, chat: Chat) -> Awaitable[str]:
        if isinstance(wish, SplitWish):
            return agent.split(chat, wish, lane=lane)
        return agent.pay(chat, wish, lane=lane)

    return act


def play(
    strategy: Strategy,
    turns: Sequence[Turn],
    *,
    weather: Weather | None = None,
    troubles: Troubles | None = None,
    after_s: float = 0.0,
) -> Played:
    """One conversation on a virtual clock of its own. After it, wait `after_s` for stragglers."""
    clock = VirtualClock()

    async def main() -> Played:
        door = Door(Host(clock, (weather or Weather()).mocks()), troubles or {})
        world = World(clock, httpx.MockTransport(door), seed=1, round=0, mocked=True)
        cast = mock_cast(door.host.config)
        boot = Flow(world, BOOT, 0, clock.now(), clock.now())
        for payer in cast.payers:
            await payer.start(boot)
        chat = Chat(world, 0, "alice", len(turns), clock.now())
        agent = Agent(cast, strategy, chat.user, USUAL)
        told = []
        for turn in turns:
            match turn:
                case Wish():
                    told.append(await agent.pay(chat, turn))
                case SplitWish():
                    told.append(await agent.split(chat, turn))
                case int() | float():
                    await chat.think(turn)
                case _:
                    told.append(await turn(agent, chat))
        for flow in chat.flows:
            await flow.join()
        await asyncio.sleep(after_s)
        return Played(door, chat.flows, told, agent.receipts)

    return run("virtual", main())


_PHRASES = {
    "All done!": "paid",
    "was declined": "declined",
    "took it back": "reversed",
    "was given back": "refunded",
    "do not know yet": "unknown",
}


def said(told: str) -> str:
    """The outcome that the user was told, "" when nothing: in a model's words, or as facts."""
    if told.startswith("Payment "):
        return told.rpartition(": ")[2].removesuffix(".")
    outcomes = [outcome for phrase, outcome in _PHRASES.items() if phrase in told]
    assert len(outcomes) == bool(told), told
    return "".join(outcomes)


# What may happen to a call


async def never_sent(request: httpx.Request, answer: Answer) -> httpx.Response:
    raise httpx.ConnectError("connection refused")


async def answer_lost(request: httpx.Request, answer: Answer) -> httpx.Response:
    """The provider acts, and its answer never comes."""
    await answer(request)
    await asyncio.sleep(1e6)
    raise AssertionError("the client was to give up long ago")


async def overloaded(request: httpx.Request, answer: Answer) -> httpx.Response:
    return httpx.Response(503)


@dataclass(slots=True)
class Straggler:
    """The network holds the request back until the client has given it up, then delivers it."""

    after_s: float = 100.0
    answers: list[bytes] = field(default_factory=list)
    _deliveries: list[asyncio.Task[None]] = field(default_factory=list)

    async def __call__(self, request: httpx.Request, answer: Answer) -> httpx.Response:
        self._deliveries.append(asyncio.create_task(self._deliver(request, answer)))
        await asyncio.sleep(1e6)
        raise AssertionError("the client was to give up long ago")

    async def _deliver(self, request: httpx.Request, answer: Answer) -> None:
        await asyncio.sleep(self.after_s)
        self.answers.append((await answer(request)).content)


def model_says(*calls: tuple[str, str], text: str | None = None) -> Trouble:
    """The model answers with these tool calls, each a name and its arguments, or with this text."""

    async def speak(request: httpx.Request, answer: Answer) -> httpx.Response:
        await answer(request)
        asked = tuple(ToolCall(f"call_{n}", *call) for n, call in enumerate(calls))
        reply = Reply(
            id="id", model="reader", created=0, text=text, tool_calls=asked, finish="tool_calls",
            usage=None,
        )  # fmt: skip
        return httpx.Response(200, content=MODELS["openai"].encode_reply(reply))

    return speak


def refuses(code: wechat_ai.RefusalCode) -> Trouble:
    return _says(wechat_ai.Refusal(code, ""))


def receipts(state: wechat_ai.State) -> Trouble:
    """The provider answers that the order stands so, whatever its books say."""
    return _says(wechat_ai.Receipt("alice-0", "wx0", state, WISH.amount_minor, "CNY", 27))


def _says(reply: wechat_ai.Refusal | wechat_ai.Receipt) -> Trouble:
    async def say(request: httpx.Request, answer: Answer) -> httpx.Response:
        status, body = wechat_ai.encode_reply(reply)
        return httpx.Response(status, content=body)

    return say


# Whole rounds


def one_round(
    round_: int = 0,
    *,
    turns: int = 20,
    seed: int = 1,
    rate: float = 10.0,
    scenario: Conversation | None = None,
    strategies: Sequence[Strategy] | None = None,
) -> Tally:
    """A round of the shipped scenario on the shipped profiles, on a virtual clock of its own."""
    clock, tally = VirtualClock(), Tally()

    async def main() -> None:
        arms = [
            shipped_arm(clock, strategy, round_, seed, scenario or Conversation())
            for strategy in strategies or all_strategies()
        ]
        await begin_round(clock, arms, tally, round_=round_, turns=turns, seed=seed, rate=rate)

    run("virtual", main())
    return tally


async def begin_round(
    clock: VirtualClock,
    arms: Sequence[Arm],
    tally: Tally,
    *,
    round_: int = 0,
    turns: int,
    turns_each: int = 5,
    seed: int = 1,
    rate: float = 10.0,
) -> None:
    schedule = round_schedule(seed, round_, arms, turns=turns, turns_each=turns_each, rate=rate)
    await run_round(clock, arms, schedule, tally)


def shipped_arm(
    clock: VirtualClock, strategy: Strategy, round_: int, seed: int, scenario: Conversation
) -> Arm:
    config = MockConfig(
        seed=seed,
        pay={"wechat-ai": load("wechat-ai", PaymentProfile)},
        models={"reader": load("gpt-4o", ModelProfile), "teller": load("gpt-4o", ModelProfile)},
    )
    cast = mock_cast(config)

    async def converse(chat: Chat) -> None:
        await scenario.run(chat, Agent(cast, strategy, chat.user, scenario.usual_method))

    world = World(clock, httpx.MockTransport(Host(clock, config)), seed, round_, mocked=True)
    return Arm(strategy.name, world, cast.payers[0].start, converse)


def mock_cast(config: MockConfig) -> Cast:
    at = endpoints(IN_PROCESS_URL, config)
    voices = {name: Voice(MODELS["openai"], at["openai"], name) for name in config.models}
    models = Models(
        voices["reader"], voices["teller"], voices.get("reasoner"), voices.get("scorer")
    )
    return Cast(models, [WechatAi(at[lane]) for lane in config.pay])


async def _none(request: httpx.Request, answer: Answer) -> httpx.Response:
    return await answer(request)


def _model(whole_s: float, structure: Structure | None = None) -> ModelProfile:
    # So many tokens a second that only the time to the first one is left.
    latency = TokenLatency(
        ttft_p50_ms=whole_s * 1e3, ttft_p99_ms=whole_s * 1e3, tokens_per_s=1e9, **_SOURCE
    )
    return ModelProfile(provider="openai", latency=latency, structure=structure)
