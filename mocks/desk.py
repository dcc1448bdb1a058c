"""The desk of one provider: takes a call in or turns it away, and answers when its time has come.

Every mock's calls pass here, so this is the one place where mocks wait and where they tell what
they meant to take. It knows no wire and decides nothing that a provider decides.
"""

from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

import httpx

from harness.clock import Clock
from harness.providers.told import TOLD_HEADER, DrawKey, Told, encode_told
from mocks.capacity import Capacity, Turned
from mocks.figures import Limits
from mocks.latency import Delays, hold

KEPT_CALLS = 100_000
"""Of the newest calls; older ones are forgotten, so that serving for days takes no more memory."""


@dataclass(frozen=True, slots=True)
class Guest:
    """One call that arrived: when, and which draw it is to be served with."""

    arrived: float
    key: DrawKey
    method: str
    path: str


@dataclass(frozen=True, slots=True)
class Served:
    """One call as this side saw it; times are the clock's seconds. `told` is when it was to end."""

    provider: str
    key: DrawKey
    method: str
    path: str
    arrived: float
    injected_ms: float
    queue_ms: float
    status: int


Journal = deque[Served]

SERVED = "tollbench.served"
"""The extension of an httpx response under which the call's entry in the journal is found."""

_Noted = tuple[dict[str, str], dict[str, Served]]


class Desk:
    """`limits` None is a server that nobody can overload. The journal may be shared by desks."""

    def __init__(
        self,
        clock: Clock,
        seed: int,
        provider: str,
        limits: Limits | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.clock = clock
        self.delays = Delays(seed, provider)
        self.capacity = Capacity(seed, provider, limits, clock.now())
        self._provider = provider
        self._journal: Journal = deque(maxlen=KEPT_CALLS) if journal is None else journal

    def arrive(self, request: httpx.Request) -> Guest:
        key = self.delays.key(request)
        return Guest(self.clock.now(), key, request.method, request.url.path)

    def turned_away(self, guest: Guest, tokens: int = 0) -> Turned | None:
        luck = self.delays.luck(guest.key, "overload") if self.capacity.bursts else 1.0
        return self.capacity.turned_away(guest.arrived, luck, tokens, guest.key.round)

    async def answer(
        self,
        guest: Guest,
        delay_s: float,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        leaks: int = 0,
        queue_s: float | None = None,
    ) -> httpx.Response:
        """The whole answer, after the wait for a slot and then the delay. A caller that has asked
        `capacity` for the wait already, to know when the answer ends, says what it was."""
        if queue_s is None:
            queue_s = self.capacity.wait_s(guest.arrived, delay_s)
        told, noted = self._note(guest, queue_s, delay_s, status, leaks)
        await hold(self.clock, guest.arrived, queue_s + delay_s)
        return httpx.Response(status, headers={**headers, **told}, content=body, extensions=noted)

    async def refuse(
        self, guest: Guest, status: int, headers: Mapping[str, str], body: bytes
    ) -> httpx.Response:
        """An answer at once, that takes no slot."""
        told, noted = self._note(guest, 0.0, 0.0, status, 0)
        return httpx.Response(status, headers={**headers, **told}, content=body, extensions=noted)

    async def stream(
        self,
        guest: Guest,
        queue_s: float,
        times: Sequence[float],
        headers: Mapping[str, str],
        chunks: Sequence[bytes],
        leaks: int = 0,
    ) -> httpx.Response:
        """Each chunk at its time, in seconds after the arrival; the response begins with the first.
        The caller has asked `capacity` for the wait already: it is part of the times."""
        told, noted = self._note(guest, queue_s, times[-1] - queue_s, 200, leaks)
        await self.clock.sleep_until(guest.arrived + times[0])
        stream = _Timed(self.clock, [guest.arrived + time for time in times], chunks)
        return httpx.Response(200, headers={**headers, **told}, stream=stream, extensions=noted)

    def _note(
        self, guest: Guest, queue_s: float, delay_s: float, status: int, leaks: int
    ) -> _Noted:
        """Written into the journal; as the header that tells the client, and the extension that
        tells whoever carries the answer."""
        injected_ms, queue_ms = round((queue_s + delay_s) * 1e3, 3), round(queue_s * 1e3, 3)
        served = Served(
            self._provider, guest.key, guest.method, guest.path, guest.arrived,
            injected_ms, queue_ms, status,
        )  # fmt: skip
        self._journal.append(served)
        told = encode_told(Told(injected_ms, queue_ms, leaks))
        return {TOLD_HEADER: told}, {SERVED: served}


class _Timed(httpx.AsyncByteStream):
    """Chunks that leave at their times, never before."""

    def __init__(self, clock: Clock, times: Sequence[float], chunks: Sequence[bytes]) -> None:
        self._clock, self._times, self._chunks = clock, times, chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for time, chunk in zip(self._times, self._chunks, strict=True):
            await self._clock.sleep_until(time)
            yield chunk
