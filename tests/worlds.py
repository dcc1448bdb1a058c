"""Worlds to test in: mocks in process behind a door that records and can fail; it asserts nothing.

Delays are as exact as a profile can make them: its median and its 99th percentile are equal, so
every draw is the same and a response time is a sum that a test can write down.
"""

import asyncio
import datetime
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

import httpx

from harness.clock import VirtualClock, run
from harness.flow.agent import Agent, Cast
from harness.flow.flow import Chat, Flow, World
from harness.flow.model import Models, Voice
from harness.flow.payers.wechat_ai import WechatAi
from harness.flow.strategy import Strategy, all_strategies
from harness.flow.wish import Wish
from harness.load.engine import BOOT, Arm, Tally, round_schedule, run_round
from harness.providers import MODELS, wechat_ai
from harness.providers.chat import Reply, ToolCall
from harness.providers.told import DrawKey, decode_draw
from mocks.figures import Fee, KeyTerms, Overhead, Provenance, SessionTerms, TokenLatency
from mocks.host import IN_PROCESS_URL, Host, MockConfig, endpoints
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
    """How long each call takes, in seconds, and how long tokens and keys live."""

    intent: float = 0.5
    session: float = 0.4
    pay: float = 0.6
    confirm: float = 0.7
    key: float = 0.06
    lifetime: float = 900.0
    rotation_days: float = 30.0
    overlap: float = 3600.0

    def mocks(self) -> MockConfig:
        return MockConfig(
            seed=1,
            pay={"wechat-ai": self._payments()},
            models={"reader": _model(self.intent), "teller": _model(self.confirm)},
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


@dataclass(slots=True)
class Seen:
    """One call as it passed the door."""

    key: DrawKey
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
        seen = Seen(key, request.content, b"")
        self.seen.append(seen)
        trouble = self.troubles.get((key.turn, key.stage, key.attempt), _none)
        response = await trouble(request, self.host)
        if not isinstance(response.stream, httpx.ByteStream):
            return response
        seen.answer = response.content
        return response

    def stages(self, turn: int | None = None) -> list[str]:
        """Of the calls of one turn or of all, in the order of their sending; the boot apart."""
        keys = [seen.key for seen in self.seen if seen.key.conversation != BOOT]
        return [key.stage for key in keys if turn in (None, key.turn)]

    def bodies(self, stage: str) -> list[bytes]:
        return [seen.request for seen in self.seen if seen.key.stage == stage]


@dataclass(slots=True)
class Played:
    """What came of one conversation: its turns, what the user was told in each, and the other
    side's books."""

    door: Door
    flows: list[Flow]
    told: list[str]

    @property
    def response_ms(self) -> list[float]:
        """To the microsecond: every wait may end one nanosecond late."""
        ends = [(flow.due, flow.end) for flow in self.flows if flow.end is not None]
        return [round((end - due) * 1e3, 3) for due, end in ends]

    @property
    def outcomes(self) -> list[str]:
        return [flow.outcome for flow in self.flows]

    @property
    def books(self) -> list[tuple[str, str]]:
        """Order number ("" where no payment came) and state, in the order of their booking."""
        entries = self.door.host.payments["wechat-ai"].ledger
        return [(entry.order_no if entry.terms else "", entry.state) for entry in entries]


Turn = Wish | float
"""A payment, or a pause of so many seconds before the next."""


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
        await cast.payers[0].start(boot)
        chat = Chat(world, 0, "alice", len(turns), clock.now())
        agent = Agent(cast, strategy, chat.user, USUAL)
        told = []
        for turn in turns:
            if isinstance(turn, Wish):
                told.append(await agent.pay(chat, turn))
            else:
                await chat.think(turn)
        for flow in chat.flows:
            await flow.join()
        await asyncio.sleep(after_s)
        return Played(door, chat.flows, told)

    return run("virtual", main())


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
    """The model answers with these tool calls, each a name and its arguments."""

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
    wire = MODELS["openai"]
    reader, teller = (Voice(wire, at["openai"], name) for name in ("reader", "teller"))
    return Cast(Models(reader, teller), [WechatAi(at[wechat_ai.NAME])])


async def _none(request: httpx.Request, answer: Answer) -> httpx.Response:
    return await answer(request)


def _model(whole_s: float) -> ModelProfile:
    # So many tokens a second that only the time to the first one is left.
    latency = TokenLatency(
        ttft_p50_ms=whole_s * 1e3, ttft_p99_ms=whole_s * 1e3, tokens_per_s=1e9, **_SOURCE
    )
    return ModelProfile(provider="openai", latency=latency)
