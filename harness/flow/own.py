"""An async function of the user's own, played as a turn: its stages, its calls, how it ended.

Where a call goes is routing.py's to know, how it is caught rerouted.py's. It names no provider.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar, cast, get_args

import httpx

from harness.flow.flow import PATIENCE_S, Chat, Flow, Span, World
from harness.flow.own_faults import fault_in, fault_of_call, mistake_in
from harness.flow.own_function import OwnFlow, wants_turn, what_is_wrong
from harness.flow.own_stage import RESERVED, STAGE, Stage, wrong_name
from harness.flow.routing import BadFlow, Client, Route, Routes
from harness.flow.strategy import Strategy
from harness.providers.call import Endpoint, ProviderFault, fault_of
from harness.providers.told import DrawKey, name_draw
from harness.record import Outcome
from harness.transport import Measured, Streamed, Tell, streamed

T = TypeVar("T")

OUTCOMES: tuple[Outcome, ...] = tuple(of for of in get_args(Outcome) if of != "running")

_REFUSED, _NOT_FOUND = 402, 404
_CANCELLED = (
    "the function is ended by asyncio.CancelledError and nobody has cancelled it: it awaits a task "
    "that it has cancelled itself; catch that there"
)

_TURN: ContextVar["OwnTurn | None"] = ContextVar("tollbench turn", default=None)
_SERVED: ContextVar[httpx.Request | None] = ContextVar("tollbench served", default=None)


def current_turn() -> "OwnTurn | None":
    """The turn that this code runs in, also in a task or thread that was begun in it."""
    return _TURN.get()


def served() -> httpx.Request | None:
    """What a server of the user's own is being asked, in its code or its transport's."""
    return _SERVED.get()


def converse_with(
    function: OwnFlow, strategy: Strategy, routes: Routes
) -> Callable[[Chat], Awaitable[None]]:
    """What a conversation does: each of its turns plays the function. Raises BadFlow for one that
    cannot be played, now, and in a turn for what it does there."""
    if wrong := what_is_wrong(function):
        raise BadFlow(wrong)
    by_turn = wants_turn(function)

    async def converse(chat: Chat) -> None:
        for _ in range(chat.turns):
            async with chat.turn() as flow:
                turn = OwnTurn(flow, chat.user, strategy, routes)
                await turn.play(function, by_turn)

    return converse


class OwnTurn:
    """What a function of the user's own may ask of its turn.

    Every call that a httpx client makes in it is a span of the stage that it is made in, or else of
    one by the provider's name.
    """

    def __init__(self, flow: Flow, user: str, strategy: Strategy, routes: Routes) -> None:
        self.user = user
        self.conversation = flow.conversation
        self.strategy = strategy
        """Nothing is done about it here: it is the function's to heed."""
        self.routes = routes
        self.ahead_ns: dict[object, int] = {}
        """Of the clocks of Python's `time`; see own_time.py."""
        self._flow = flow
        self._outcome: Outcome = "ok"
        self._attempts: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[object]] = set()
        self._broken: list[asyncio.Task[object]] = []
        self._mistake: BadFlow | None = None
        self._refused = False
        self._unknown = ""

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
        try:
            yield
        finally:
            STAGE.set(stage.around)
            end = self.now()
            if period:
                period.end = end
            for since, until in stage.rest(end):
                self._flow.spans.append(Span(name, "", since, until, until, until, 0, 1, None))

    def endpoint(self, provider: str) -> Endpoint:
        """Where the mock of that provider is, and what opens it: for a client that is told a base
        URL, and for one that signs."""
        try:
            return self.routes.endpoint(provider)
        except BadFlow as mistake:
            raise self.mistaken(str(mistake)) from None

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
        """The task is the turn's: what it still does when the function has ended is recorded."""
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def send(
        self, method: str, url: str, client: Client, timeouts: Mapping[str, float | None]
    ) -> tuple[httpx.Response, Callable[[], None]]:
        """Make the call that a client in the function wants to make, and record its span when it
        is over. The response comes with its head, its body as it comes. What else is returned is to
        be called when the client goes on after reading that."""
        try:
            route = self.routes.to(url)
        except BadFlow as mistake:
            raise self.mistaken(str(mistake)) from None
        stage = STAGE.get()
        period = None if stage is None else stage.begin(self.now())
        name = route.provider if stage is None else stage.name
        if name in RESERVED:
            raise self.mistaken(f"{wrong_name(name)}, or make the call to that host in a stage")
        self._attempts[name] += 1
        attempt = self._attempts[name]
        request = route.request(method, url, client)
        request.extensions["timeout"] = {"connect": timeouts.get("connect")}
        if route.mocked:
            flow = self._flow
            key = DrawKey(flow.world.round, flow.conversation, flow.turn, name, attempt)
            name_draw(request, key)

        def tell(took: Measured, whole: bool) -> None:
            if period:
                period.end = took.end
            if route.mocked and took.status == _NOT_FOUND:
                self._unknown = _unknown(method, url, route.provider)
            self._record(name, route, attempt, took, whole)

        def seed() -> None:
            self._seed(name, attempt)

        try:
            return await self._streamed(route, request, timeouts.get("read"), tell), seed
        finally:
            seed()

    async def _streamed(
        self, route: Route, request: httpx.Request, read_s: float | None, tell: Tell
    ) -> httpx.Response:
        """A server of the user's own is code of the turn; a mock is not, nor are its tasks."""
        with _holding(_TURN, None) if route.mocked else _holding(_SERVED, request):
            clock = self._flow.world.clock
            response = await streamed(route.transport, clock, request, read_s, tell)
        reader = cast(Streamed, response.stream).reader
        if reader is not None:
            self.keep(reader)
        return response

    async def play(self, function: OwnFlow, wants_turn: bool) -> None:
        """Call the function, and say how the turn ended. Raises a ProviderFault where a provider
        was the cause, BadFlow for what cannot be played, and a bug as it is."""
        inside = _TURN.set(self), STAGE.set(None)
        self._seed()
        try:
            self._flow.outcome = await self._called(function, wants_turn)
        except ProviderFault:
            raise
        except BaseException:
            await self._cut()
            raise
        finally:
            _TURN.reset(inside[0])
            STAGE.reset(inside[1])
            if self._tasks or self._broken:
                self._flow.fork(self._rest())

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
        if self._mistake is not None:
            raise self._mistake
        if not isinstance(told, str):
            return self._outcome
        return next((outcome for outcome in OUTCOMES if outcome == told), self._outcome)

    def _ended_by(self, error: Exception) -> Outcome:
        """What the exception that left the function says of the turn, where it does not fail it."""
        mistake = self._mistake or mistake_in(error)
        if mistake is not None:
            raise mistake from None
        fault = fault_in(error)
        if fault is None:
            raise error
        if fault.status == _REFUSED and self._refused:
            return "declined"
        if fault.status == _NOT_FOUND and self._unknown:
            fault = fault_of(_NOT_FOUND, f"{fault}; {self._unknown}", fault.code)
        raise fault from error

    def _record(
        self,
        stage: str,
        route: Route,
        attempt: int,
        took: Measured,
        whole: bool,
    ) -> None:
        fault = fault_of_call(took)
        # Where the client did not wait for the end, it has not seen the delay that was meant.
        told = took.told if whole else None
        self._flow.spans.append(
            Span(
                stage, route.provider, took.start, took.first_byte, took.first_token, took.end,
                took.status, attempt, told, fault,
            )
        )  # fmt: skip
        self._refused = self._refused or (route.pays and took.status == _REFUSED)
        if took.told is not None:
            self._flow.world.leaks += took.told.leaks

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task._log_traceback:
            self._broken.append(task)

    async def _rest(self) -> None:
        """Wait for the tasks that the function has left, as long as for a call, then end them. A
        provider's fault in one is no news; a bug is, also in one that ended before the function did
        and that nobody has awaited."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while self._tasks:
                    await asyncio.wait(self._tasks)
        except TimeoutError:
            pass
        finally:
            await self._cut()
        for task in self._broken:
            # What asyncio itself goes by where it complains of an exception that nobody took.
            bug = task.exception() if task._log_traceback else None
            if bug is not None and (mistake_in(bug) or fault_in(bug) is None):
                raise mistake_in(bug) or bug
        if self._mistake is not None:
            raise self._mistake

    def _seed(self, *of: int | str) -> None:
        world, flow = self._flow.world, self._flow
        random.seed(f"{(world.seed, world.round, flow.conversation, flow.turn, *of)}")

    async def _cut(self) -> None:
        """End every task of the turn where it is, so that what it has waited for is recorded."""
        while left := set(self._tasks):
            for task in left:
                task.cancel()
            await asyncio.wait(left)


@contextmanager
def _holding(variable: ContextVar[T], value: T) -> Iterator[None]:
    before = variable.set(value)
    try:
        yield
    finally:
        variable.reset(before)


def _unknown(method: str, url: str, provider: str) -> str:
    path = httpx.URL(url).path
    return f"{method} {path}: the mock of {provider} knows no such URL, or nothing of that name"
