"""What ends an order at one provider, and what a step of it comes to; it knows no provider.

A step looks where the order stands and does what is next. It is safe to repeat: what it does acts
once however often it is sent.
"""

import asyncio
import itertools
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

import httpx

from harness.clock import Clock
from harness.providers.call import Call, Unreachable
from harness.real.journal import Entry
from harness.transport import measure

T = TypeVar("T")

PATIENCE_S = 30.0
GIVEN_UP_S = 60.0
"""Who has answered nobody for so long is asked no more: there may be hundreds to ask about."""


@dataclass(frozen=True, slots=True)
class Over:
    """Nothing of it is open."""

    how: str


@dataclass(frozen=True, slots=True)
class Stays:
    """It is open, or nobody could tell. `again` is whether it may help to try again in a moment."""

    why: str
    again: bool = True


Absent = Literal["absent"]
"""The provider knows no such order: it never came, or is still on its way."""

Step = Over | Stays | Absent

ANOTHERS = Stays("it is of another amount there, so it is no order of the run's", again=False)
"""Of an order that has the number of one of ours, and is somebody else's."""


class Caller:
    """Asks one provider, through a transport that checks what may be asked."""

    def __init__(self, transport: httpx.AsyncBaseTransport, clock: Clock, at_once: int) -> None:
        self._transport = transport
        self._clock = clock
        self._places = asyncio.Semaphore(at_once)
        self._calls = itertools.count()
        self._heard_s: float | None = None

    async def call(self, call: Call[T]) -> T:
        async with self._places:
            now_s = self._clock.now()
            self._heard_s = now_s if self._heard_s is None else self._heard_s
            if now_s - self._heard_s >= GIVEN_UP_S:
                raise Unreachable("given up", what="no answer to what was asked before")
            took = await measure(self._transport, self._clock, call.request, PATIENCE_S)
            if not took.fault:
                self._heard_s = self._clock.now()
        if took.fault:
            raise Unreachable(took.fault, what=took.fault_kind)
        return call.decode(took.status, took.headers, took.body)

    def now_s(self) -> float:
        """The time of day."""
        return self._clock.unix_s()

    def nonce(self) -> str:
        """32 digits, others for each request."""
        return f"{int(self.now_s() * 1e6):016x}{next(self._calls):016x}"


class Closer(Protocol):
    """One provider. It may raise ProviderFault and Unsafe."""

    async def step(self, caller: Caller, entry: Entry) -> Step: ...
