"""What a scenario author sees of a conversation: turns, calls, forks, sleep, now, draws.

A Chat is one user's conversation, a Flow one turn of it. Neither knows which clock it lives on,
whether the other side is a mock, or what any wire says.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
import msgspec
from msgspec import structs

from harness import draws
from harness.books import Beliefs
from harness.clock import Clock, ClockName
from harness.faults import USERS, Fault, Faults
from harness.flow.inbox import Inbox, Notice
from harness.flow.retry import Retries
from harness.providers.call import Call, Endpoint, ProviderFault, Unreachable, cause
from harness.providers.told import DrawKey, Told, name_draw
from harness.providers.trace import TRACEPARENT
from harness.record import Outcome
from harness.transport import Measured, MeasuringTransport, measure

T = TypeVar("T")

PATIENCE_S = 30.0
"""How long a call may take before the agent gives it up."""

MOST_PAUSE_S: Mapping[ClockName, float] = {"virtual": 86_400.0, "real": 60.0}
"""Between two tries of what nobody waits for; a run on the real clock ends only after the last."""

NOTIFY = "notify"
"""The stage in which a turn waits for a provider's notice; it is no call of the app's."""

PRECONNECT = "preconnect"
"""The stage in which a connection is opened ahead of the first call."""

NO_CALLS = frozenset({NOTIFY, PRECONNECT, "dns", "tcp", "tls"})
"""The stages of a provider in which nothing is asked of it."""

_DONE = 200
"""The status of what went well and has no status of its own."""


@dataclass(slots=True)
class World:
    """What all conversations of one arm share: its clock, its way out, its luck."""

    clock: Clock
    transport: httpx.AsyncBaseTransport
    seed: int
    round: int
    mocked: bool
    think_scale: float = 1.0
    inbox: Inbox | None = None
    """Where the app is told of payments, if it can be reached at all."""
    leaks: int = 0
    tells_connections: bool = False
    """Whether the opening of a connection is told apart from the call that it was opened for, and
    pre-warming may open one ahead. On mocks it is not: there it takes no time worth telling."""
    patience_s: float = PATIENCE_S
    faults: Faults | None = None
    """What goes wrong, where something is to: of it the agent is told what its user does."""
    retries: Retries | None = None
    """How often calls are sent again; None is never."""
    beliefs: Beliefs | None = None
    """What the app holds of its payments, where it is to be held against the books."""
    struck: Counter[tuple[Fault, str]] = field(default_factory=Counter)
    """How often users did each of what `faults` say, by the stage that they did it in."""
    luck: Callable[..., float] = field(init=False)
    """The draws of scenarios: of a conversation, or of a turn of one, by what is drawn."""

    def __post_init__(self) -> None:
        self.luck = draws.uniforms(self.seed, "scenario", self.round)

    @property
    def most_pause_s(self) -> float:
        """However think times are scaled."""
        return MOST_PAUSE_S[self.clock.name]


class Span(msgspec.Struct, frozen=True, gc=False):
    """One call or local step; times are the clock's seconds."""

    stage: str
    provider: str
    start: float
    first_byte: float
    first_token: float
    end: float
    status: int
    attempt: int
    told: Told | None
    fault: str = ""
    """Why it counts as failed, in words that many calls can share; "" where it does not."""
    whole: bool = False
    """It encloses the others, which say what it waited for: it is no step beside them."""


class Flow(msgspec.Struct):
    """One turn: from the moment it is due until the user has the answer."""

    world: World
    conversation: int
    turn: int
    due: float
    start: float
    end: float | None = None
    outcome: Outcome = "error"
    cold: bool = False
    method: str = ""
    amount_minor: int = 0
    currency: str = ""
    fee_minor: int = 0
    wasted_prewarms: int = 0
    stale_tokens: int = 0
    corrections: int = 0
    guarded: int = 0
    """Answers of a model that the guard stopped."""
    token_cost_micro: int = 0
    """What the models' tokens cost, in millionths of a CNY."""
    human: float = 0.0
    """Seconds in which a user, or several at once, took time within the turn to approve a payment;
    no part of any response time."""
    fault: str = ""
    """What ended it, for whoever reads of this one turn."""
    cause: str = ""
    """The same in words that many turns can share; "" where nothing did."""
    traceparent: str = ""
    """Sent with every call, so that whoever serves them knows that they belong together."""
    cancelled: bool = False
    """The user does not want it any more."""
    switched: bool = False
    """The user takes another method, which nobody has heeded yet."""
    storming: bool = False
    """The user's other devices ask for the session that has just run out; nobody has heeded it."""
    spans: list[Span] = []
    _people: int = 0
    _busy_since: float = 0.0
    _attempts: dict[str, int] = {}
    _forks: set[asyncio.Task[Any]] = set()

    async def call(
        self, stage: str, call: Call[T], *, patience_s: float | None = None, whole: bool = False
    ) -> T:
        """Make the call, record its span under this stage, and return what it decodes to. `whole`
        says that it encloses what else is known of the turn.

        Raises ProviderFault when the provider does not keep its side of the wire. A call that is
        cancelled has a span up to then.
        """
        world, attempt = self.world, self._next_attempt(stage)
        key = DrawKey(world.round, self.conversation, self.turn, stage, attempt)
        if world.mocked:
            name_draw(call.request, key)
        faults = world.faults
        meanwhile = () if faults is None else self._meanwhile(faults.at(call.provider, key), stage)
        if self.traceparent:
            call.request.headers[TRACEPARENT] = self.traceparent
        start = world.clock.now()
        try:
            patience_s = world.patience_s if patience_s is None else patience_s
            took = await measure(world.transport, world.clock, call.request, patience_s)
        except asyncio.CancelledError:
            cut = self.now()
            self.spans.append(
                Span(stage, call.provider, start, cut, cut, cut, 0, attempt, None, whole=whole)
            )
            raise
        if meanwhile:
            self.switched |= "switches" in meanwhile
            self.storming |= "storms" in meanwhile
        told = took.told
        start = took.start if took.dialed is None else self.begun(call.provider, took)
        self.spans.append(
            Span(
                stage, call.provider, start, took.first_byte, took.first_token, took.end,
                took.status, attempt, told, whole=whole,
            )
        )  # fmt: skip
        if told is not None:
            world.leaks += told.leaks
        try:
            if took.fault:
                raise Unreachable(took.fault, what=took.fault_kind)
            return call.decode(took.status, took.headers, took.body)
        except ProviderFault as fault:
            self.spans[-1] = structs.replace(self.spans[-1], fault=cause(fault))
            raise

    def attempts(self, stage: str) -> int:
        """How often the turn has called in that stage."""
        return self._attempts.get(stage, 0)

    def begun(self, provider: str, took: Measured) -> float:
        """When a call had its connection, if the world tells that apart: then what opening it took
        is recorded, a span a phase. Else it is when the call began."""
        if not self.world.tells_connections or took.dialed is None:
            return took.start
        for phase in took.dialed.phases:
            end, status = phase.end, _DONE if phase.done else 0
            attempt = self._next_attempt(phase.name)
            self.spans.append(
                Span(phase.name, provider, phase.start, end, end, end, status, attempt, None)
            )
        return took.dialed.ready

    async def connect(self, provider: str, at: Endpoint) -> None:
        """Open a connection to there ahead of the first call, unless one stands open; nobody needs
        to wait for it. That it cannot be opened is no fault of the turn."""
        transport, start = self.world.transport, self.now()
        if not isinstance(transport, MeasuringTransport):
            return
        try:
            took = await transport.connect(self.world.clock, at.url(""), PATIENCE_S)
        except asyncio.CancelledError:
            self._preconnected(provider, start, self.now(), 0)
            raise
        if took is None:
            return
        self.begun(provider, took)
        fault = cause(Unreachable(took.fault, what=took.fault_kind)) if took.fault else ""
        self._preconnected(provider, took.start, took.end, 0 if fault else _DONE, fault)

    def step(self, stage: str) -> AbstractContextManager[None]:
        """Record what the body computes as a local span: it has no provider and no status."""
        return _Step(self, stage)

    async def person(self, stage: str, seconds: float) -> None:
        """The user takes so long, in real-life seconds; recorded, and kept apart from the system's
        time."""
        start = self.now()
        if not self._people:
            self._busy_since = start
        self._people += 1
        await self.sleep(draws.microseconds(seconds * self.world.think_scale))
        end = self.now()
        self._people -= 1
        if not self._people:
            self.human += end - self._busy_since
        self.spans.append(Span(stage, "", start, end, end, end, 0, 1, None))

    async def notice(
        self, provider: str, order_no: str, *, patience_s: float = PATIENCE_S
    ) -> Notice | None:
        """The provider's next notice of that order, or None when none came in time."""
        assert self.world.inbox is not None, "nothing can be told to an app without an inbox"
        start, status, notice = self.now(), _DONE, None
        try:
            async with asyncio.timeout(patience_s):
                notice = await self.world.inbox.next(order_no)
        except TimeoutError:
            status = 0
        end = self.now()
        attempt = self._next_attempt(NOTIFY)
        self.spans.append(Span(NOTIFY, provider, start, end, end, end, status, attempt, None))
        return notice

    def fork(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start `work` beside the turn. What is still running when the turn ends runs on, and is
        recorded, but the user does not wait for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._forks.add(task)
        return task

    async def sleep(self, seconds: float) -> None:
        await self.world.clock.sleep_until(self.now() + seconds)

    async def pause(self, seconds: float) -> None:
        """Wait with a further try of what nobody waits for: real-life seconds, scaled as think
        times are."""
        scaled = draws.microseconds(seconds * self.world.think_scale)
        await self.sleep(min(scaled, self.world.most_pause_s))

    def now(self) -> float:
        return self.world.clock.now()

    def draw(self, *what: int | str) -> float:
        """A number between 0 and 1, the same in every strategy at this turn."""
        return self.world.luck(self.conversation, self.turn, *what)

    def fail(self, fault: ProviderFault) -> None:
        """That fault leaves the user without the answer."""
        self.outcome, self.cause = "error", cause(fault)
        self.fault = f"{type(fault).__name__}: {fault}"

    async def join(self) -> None:
        """Wait for every fork, also those that forks begin. A provider's fault in one that nobody
        awaited is no news, nor is that a scenario cancelled its own."""
        while forks := [fork for fork in self._forks if not fork.done()]:
            await asyncio.wait(forks)
        for fork in self._forks:
            bug = None if fork.cancelled() else fork.exception()
            if bug is not None and not isinstance(bug, ProviderFault):
                raise bug

    def _next_attempt(self, stage: str) -> int:
        attempt = self._attempts[stage] = self._attempts.get(stage, 0) + 1
        return attempt

    def _meanwhile(self, struck: Sequence[Fault], stage: str) -> Sequence[Fault]:
        """What the user does while a call is under way. Once the turn is over it is too late."""
        doing = [fault for fault in struck if fault in USERS] if self.end is None else []
        self.world.struck.update((fault, stage) for fault in doing)
        self.cancelled |= "cancels" in doing
        return doing

    def _preconnected(
        self, provider: str, start: float, end: float, status: int, fault: str = ""
    ) -> None:
        """Its phases say what a call may have waited for, and it encloses them."""
        attempt = self._next_attempt(PRECONNECT)
        self.spans.append(
            Span(
                PRECONNECT, provider, start, end, end, end, status, attempt, None, fault,
                whole=True,
            )
        )  # fmt: skip

    async def cut(self) -> bool:
        """End every fork where it is, also those that forks begin; what they meet is no news.
        Whether anything of the turn was still under way."""
        open_ = self.end is None
        while forks := [fork for fork in self._forks if not fork.done()]:
            open_ = True
            for fork in forks:
                fork.cancel()
            await asyncio.wait(forks)
        for fork in self._forks:
            if not fork.cancelled():
                fork.exception()
        return open_


@dataclass(slots=True)
class Chat:
    """One conversation of one user. The first turn is due when the conversation is; each later
    one is due when the user, having read the last answer, has thought."""

    world: World
    conversation: int
    user: str
    turns: int
    due: float
    flows: list[Flow] = field(default_factory=list)

    async def think(self, seconds: float) -> None:
        """The user's own time, in real-life seconds: part of no response time."""
        self.due += draws.microseconds(seconds * self.world.think_scale)
        await self.world.clock.sleep_until(self.due)

    def turn(self) -> AbstractAsyncContextManager[Flow]:
        """One measured turn. A provider's fault ends it with outcome "error" and the conversation
        goes on; any other exception is a bug and ends the run."""
        return _Turn(self)

    def now(self) -> float:
        return self.world.clock.now()

    def draw(self, *what: int | str) -> float:
        """A number between 0 and 1, the same in every strategy of this conversation."""
        return self.world.luck(self.conversation, *what)

    def draw_whole(self, low: int, high: int, *what: int | str) -> int:
        """A whole number from low to high, each as likely as any other."""
        return low + int(self.draw(*what) * (high - low + 1))

    def draw_one(self, options: Sequence[T], *what: int | str) -> T:
        return options[int(self.draw(*what) * len(options))]


# What `with` and `async with` take: classes, as a generator for each turn costs far more.


class _Step:
    """A local span of that flow. One whose body fails is not recorded."""

    __slots__ = ("_flow", "_stage", "_start")

    def __init__(self, flow: Flow, stage: str) -> None:
        self._flow, self._stage = flow, stage

    def __enter__(self) -> None:
        self._start = self._flow.now()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            end = self._flow.now()
            self._flow.spans.append(Span(self._stage, "", self._start, end, end, end, 0, 1, None))


class _Turn:
    """The next turn of that chat."""

    __slots__ = ("_chat", "_flow")

    def __init__(self, chat: Chat) -> None:
        self._chat = chat

    async def __aenter__(self) -> Flow:
        chat, turn = self._chat, len(self._chat.flows)
        if turn >= chat.turns:
            raise RuntimeError(f"the scenario began more than the {chat.turns} turns it was given")
        await chat.world.clock.sleep_until(chat.due)
        self._flow = Flow(chat.world, chat.conversation, turn, chat.due, chat.now())
        chat.flows.append(self._flow)
        return self._flow

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        """Whether it has ended: then nothing is raised any more."""
        if isinstance(error, ProviderFault):
            self._flow.fail(error)
        elif error is not None:
            return False
        self._flow.end = self._chat.due = self._chat.now()
        return True
