"""An async function of the user's own, played as a turn: its stages, its calls, how it ended.

Where a call goes is routing.py's to know, how it is caught rerouted.py's. It names no provider.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import cast, get_args

import httpx

from harness.flow.flow import Chat, Flow, Span, World
from harness.flow.own_calls import NOT_FOUND, REFUSED, SERVED, TURN, Answered, Calls
from harness.flow.own_door import Door, Place, shared_stage
from harness.flow.own_faults import fault_in, mistake_in
from harness.flow.own_function import OwnFlow, wants_turn, what_is_wrong
from harness.flow.own_stage import STAGE, Stage, wrong_name
from harness.flow.own_tasks import Tasks
from harness.flow.routing import BadFlow, Client, Routes
from harness.flow.strategy import Strategy
from harness.providers.call import Endpoint, ProviderFault, fault_of
from harness.providers.environment import environment_at
from harness.record import Outcome

OUTCOMES: tuple[Outcome, ...] = tuple(of for of in get_args(Outcome) if of != "running")

_CANCELLED = (
    "the function is ended by asyncio.CancelledError and nobody has cancelled it: it awaits a task "
    "that it has cancelled itself; catch that there"
)


def current_turn() -> "OwnTurn | None":
    """The turn that this code runs in, also in a task or thread that was begun in it."""
    return TURN.get()


def served() -> httpx.Request | None:
    """What a server of the user's own is being asked, in its code or its transport's."""
    return SERVED.get()


TraceOf = Callable[[Flow], str]
"""The traceparent of a turn, "" for none."""


def converse_with(
    function: OwnFlow,
    strategy: Strategy,
    routes: Routes,
    door: Door | None = None,
    trace_of: TraceOf = lambda flow: "",
) -> Callable[[Chat], Awaitable[None]]:
    """What a conversation does: each of its turns plays the function. Raises BadFlow for one that
    cannot be played, now, and in a turn for what it does there. At the `door` calls come in that no
    client of httpx makes."""
    if wrong := what_is_wrong(function):
        raise BadFlow(wrong)
    by_turn = wants_turn(function)

    async def converse(chat: Chat) -> None:
        for _ in range(chat.turns):
            async with chat.turn() as flow:
                flow.traceparent = trace_of(flow)
                turn = OwnTurn(flow, chat.user, strategy, routes, door)
                await turn.play(function, by_turn)

    return converse


class OwnTurn:
    """What a function of the user's own may ask of its turn.

    Every call that a httpx client makes in it is a span of the stage that it is made in, or else of
    one by the provider's name.
    """

    def __init__(
        self,
        flow: Flow,
        user: str,
        strategy: Strategy,
        routes: Routes,
        door: Door | None = None,
    ) -> None:
        self.user = user
        self.conversation = flow.conversation
        self.strategy = strategy
        """Nothing is done about it here: it is the function's to heed."""
        self.routes = routes
        self.door = door
        """On the real clock, where a comparison plays it."""
        self.ahead_ns: dict[object, int] = {}
        """Of the clocks of Python's `time`; see own_time.py."""
        self._flow = flow
        self._outcome: Outcome = "ok"
        self._calls = Calls(self, flow)
        self._tasks = Tasks()
        self._mistake: BadFlow | None = None
        self._stages: list[Stage] = []

    @property
    def outcome(self) -> Outcome:
        """How the turn ends, unless the function fails; "ok" until it is set."""
        return self._outcome

    @outcome.setter
    def outcome(self, outcome: Outcome) -> None:
        if outcome not in OUTCOMES:
            raise ValueError(f"no turn ends {outcome!r}: take one of {', '.join(OUTCOMES)}")
        self._outcome = outcome

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Calls made within are of this stage, the innermost where there are several. What it does
        between them is a local step of the same name: all of its time is told as its own."""
        if wrong := wrong_name(name):
            raise self.mistaken(wrong)
        stage = Stage(name, STAGE.get(), self.now())
        period = None if stage.around is None else stage.around.begin(stage.start)
        STAGE.set(stage)
        self._stages.append(stage)
        try:
            yield
        finally:
            STAGE.set(stage.around)
            self._stages = [of for of in self._stages if of is not stage]
            end = self.now()
            if period:
                period.end = end
            for since, until in stage.rest(end):
                self._flow.spans.append(Span(name, "", since, until, until, until, 0, 1, None))

    def endpoint(self, provider: str) -> Endpoint:
        """Where the mock of that provider is, and what opens it: for a client that is told a base
        URL, and for one that signs. On the real clock in `tollbench compare` the address is of this
        turn, and of the stage that it is asked for in: what any client calls there, also one in a
        thread or another process, is a span as any other."""
        try:
            there = self.routes.endpoint(provider)
        except BadFlow as mistake:
            raise self.mistaken(str(mistake)) from None
        return there if self.door is None else self._below_door()[provider]

    def environment(self) -> dict[str, str]:
        """The same of every provider, as the variables of the environment that SDKs read: for a
        process that the turn starts."""
        at = self.routes.at if self.door is None else self._below_door()
        return environment_at(at) | ({"TRACEPARENT": self.traceparent} if self.traceparent else {})

    @property
    def traceparent(self) -> str:
        """The W3C trace context of the turn, to begin a trace of its own from; "" where no run is
        kept that could be joined with it."""
        return self._flow.traceparent

    async def sleep(self, seconds: float) -> None:
        """As `asyncio.sleep`, which does as well."""
        await self._flow.sleep(seconds)

    def now(self) -> float:
        """Seconds from an arbitrary origin."""
        return self._flow.now()

    def draw(self, *what: int | str) -> float:
        """A number between 0 and 1, the same in every strategy at this turn. Python's own `random`
        is seeded anew where a turn begins and where a call is over, by which call that was: a
        client that then draws how long it waits waits as long in every run. After any other wait
        it gives by what else was drawn, in all turns."""
        return self._flow.draw(*what)

    # For those who play it

    @property
    def virtual(self) -> bool:
        return self._flow.world.clock.name == "virtual"

    @property
    def world(self) -> World:
        return self._flow.world

    def mistaken(self, told: str) -> BadFlow:
        """What is to be raised for something that cannot be played. It is kept too: a client may
        take it for trouble on the wire, and a function may go on after that."""
        mistake = BadFlow(told)
        self._mistake = self._mistake or mistake
        return mistake

    def keep(self, task: asyncio.Task[object]) -> None:
        """The task is the turn's."""
        self._tasks.keep(task)

    async def send(
        self, method: str, url: str, client: Client, timeouts: Mapping[str, float | None]
    ) -> Answered:
        """Make the call that a client in the function wants to make."""
        if self.door is not None and self.door.is_at(httpx.URL(url)):
            url = self._behind(self.door.behind(httpx.URL(url)))
        return await self._calls.make(method, url, client, timeouts, STAGE.get())

    async def send_in(
        self, asked_in: Stage | None, method: str, path: str, client: Client
    ) -> Answered:
        """The same for a call that came in at the door, by an address that was asked for in that
        stage. Its client has patience of its own."""
        stage = shared_stage(self._stages, asked_in)
        return await self._calls.make(method, self._behind(path), client, {}, stage)

    def _behind(self, path: str) -> str:
        try:
            return self.routes.behind(path)
        except BadFlow as mistake:
            raise self.mistaken(str(mistake)) from None

    def _below_door(self) -> dict[str, Endpoint]:
        assert self.door is not None
        return self.routes.below(self.door.address(Place(self, STAGE.get())))

    async def play(self, function: OwnFlow, wants_turn: bool) -> None:
        """Call the function, and say how the turn ended. Raises a ProviderFault where a provider
        was the cause, BadFlow for what cannot be played, and a bug as it is."""
        inside = TURN.set(self), STAGE.set(None)
        self._calls.seed()
        try:
            self._flow.outcome = await self._called(function, wants_turn)
        except ProviderFault:
            raise
        except BaseException:
            await self._tasks.cut()
            raise
        finally:
            TURN.reset(inside[0])
            STAGE.reset(inside[1])
            if not self._tasks.are_over:
                self._flow.fork(self._rest())
            elif self.door is not None:
                self.door.close(self)

    async def _called(self, function: OwnFlow, wants_turn: bool) -> Outcome:
        call = cast(Callable[..., Awaitable[object]], function)
        try:
            told = await (call(self) if wants_turn else call())
        except Exception as error:
            return self._ended_by(error)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and not task.cancelling():
                raise self.mistaken(_CANCELLED) from None
            raise
        mistake = self._wrong()
        if mistake is not None:
            raise mistake
        if not isinstance(told, str):
            return self._outcome
        return next((outcome for outcome in OUTCOMES if outcome == told), self._outcome)

    def _wrong(self) -> BadFlow | None:
        """What the turn did that cannot be played, or somebody at its door."""
        return self._mistake or (self.door.mistake if self.door else None)

    def _ended_by(self, error: Exception) -> Outcome:
        """What the exception that left the function says of the turn, where it does not fail it."""
        mistake = self._wrong() or mistake_in(error)
        if mistake is not None:
            raise mistake from None
        fault = fault_in(error)
        if fault is None:
            raise error
        if fault.status == REFUSED and self._calls.refused:
            return "declined"
        if fault.status == NOT_FOUND and self._calls.unknown:
            fault = fault_of(NOT_FOUND, f"{fault}; {self._calls.unknown}", fault.code)
        raise fault from error

    async def _rest(self) -> None:
        """Wait for what the function has left. Raises what is wrong with it, and what was said of
        the turn after its function had ended."""
        try:
            await self._tasks.finish()
        finally:
            if self.door is not None:
                self.door.close(self)
        wrong = self._tasks.bug() or self._mistake
        if wrong is not None:
            raise wrong
