"""The calls of a turn of a user's own function: each goes where its route says, and is a span of
the stage that it is made in when it is over. How they are caught is rerouted.py's and own_door.py's
to know.
"""

import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar, cast

import httpx

from harness.flow.flow import Flow, Span
from harness.flow.own_faults import fault_of_call
from harness.flow.own_stage import RESERVED, Stage, wrong_name
from harness.flow.routing import BadFlow, Client, Route
from harness.providers.told import DrawKey, name_draw
from harness.providers.trace import TRACEPARENT
from harness.transport import Measured, Streamed, Tell, streamed

if TYPE_CHECKING:
    from harness.flow.own import OwnTurn

T = TypeVar("T")

REFUSED, NOT_FOUND = 402, 404

TURN: ContextVar["OwnTurn | None"] = ContextVar("tollbench turn", default=None)
SERVED: ContextVar[httpx.Request | None] = ContextVar("tollbench served", default=None)
"""What a server of the user's own is being asked."""

Answered = tuple[httpx.Response, Callable[[], None]]
"""A response with its head, its body as it comes, and what is to be called when the client goes on
after reading that."""


class Calls:
    """Those that a turn has made."""

    def __init__(self, turn: "OwnTurn", flow: Flow) -> None:
        self._turn, self._flow = turn, flow
        self._attempts: Counter[str] = Counter()
        self.refused = False
        """Whether a payment provider has refused to take the money."""
        self.unknown = ""
        """What a mock did not know, in words."""

    def seed(self, *of: int | str) -> None:
        """Python's own `random` gives the same from here on in every strategy."""
        world, flow = self._flow.world, self._flow
        random.seed(f"{(world.seed, world.round, flow.conversation, flow.turn, *of)}")

    async def make(
        self,
        method: str,
        url: str,
        client: Client,
        timeouts: Mapping[str, float | None],
        stage: Stage | None,
    ) -> Answered:
        """Make the call that a client in the function wants to make. Raises BadFlow for one that
        cannot be played."""
        route = self._route(url)
        period = None if stage is None else stage.begin(self._flow.now())
        name = self._name(route, stage)
        self._attempts[name] += 1
        attempt = self._attempts[name]
        request = route.request(method, url, client)
        request.extensions["timeout"] = {"connect": timeouts.get("connect")}
        if route.mocked:
            self._mark(request, name, attempt)

        def tell(took: Measured, whole: bool) -> None:
            if period:
                period.end = took.end
            if route.mocked and took.status == NOT_FOUND:
                self.unknown = _unknown(method, url, route.provider)
            self._record(name, route, attempt, took, whole)

        def seed() -> None:
            self.seed(name, attempt)

        try:
            read_s = self._patience_s(timeouts.get("read"))
            return await self._streamed(route, request, read_s, tell), seed
        finally:
            seed()

    def _patience_s(self, own_s: float | None) -> float | None:
        """A client that would wait without end has the world's patience, where that has an end."""
        most_s = self._flow.world.patience_s
        return own_s if own_s is not None or most_s == math.inf else most_s

    def _route(self, url: str) -> Route:
        try:
            return self._turn.routes.to(url)
        except BadFlow as mistake:
            raise self._turn.mistaken(str(mistake)) from None

    def _name(self, route: Route, stage: Stage | None) -> str:
        """What its span is called: its stage, or the provider where it is in none."""
        name = route.provider if stage is None else stage.name
        if name in RESERVED:
            raise self._turn.mistaken(
                f"{wrong_name(name)}, or make the call to that host in a stage"
            )
        return name

    def _mark(self, request: httpx.Request, name: str, attempt: int) -> None:
        """Tell a mock which draw it is to serve the call with, and of which turn it is."""
        flow = self._flow
        key = DrawKey(flow.world.round, flow.conversation, flow.turn, name, attempt)
        name_draw(request, key)
        if flow.traceparent:
            request.headers.setdefault(TRACEPARENT, flow.traceparent)

    async def _streamed(
        self, route: Route, request: httpx.Request, read_s: float | None, tell: Tell
    ) -> httpx.Response:
        """A server of the user's own is code of the turn; a mock is not, nor are its tasks."""
        with _holding(TURN, None) if route.mocked else _holding(SERVED, request):
            clock = self._flow.world.clock
            response = await streamed(route.transport, clock, request, read_s, tell)
        reader = cast(Streamed, response.stream).reader
        if reader is not None:
            self._turn.keep(reader)
        return response

    def _record(self, stage: str, route: Route, attempt: int, took: Measured, whole: bool) -> None:
        fault = fault_of_call(took)
        # Where the client did not wait for the end, it has not seen the delay that was meant.
        told = took.told if whole else None
        start = self._flow.begun(route.provider, took)
        self._flow.spans.append(
            Span(
                stage, route.provider, start, took.first_byte, took.first_token, took.end,
                took.status, attempt, told, fault,
            )
        )  # fmt: skip
        self.refused = self.refused or (route.pays and took.status == REFUSED)
        if took.told is not None:
            self._flow.world.leaks += took.told.leaks


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
