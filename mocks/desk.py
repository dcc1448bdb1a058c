"""The desk of one provider: takes a call in or turns it away, and says when its answer leaves.

Every mock's calls pass here, so this is the one place where delays become times, and where mocks
tell what they meant to take. It knows no wire, waits for nothing, and decides nothing that a
provider decides.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import httpx
import msgspec

from harness import draws
from harness.answer import Answer
from harness.clock import Clock
from harness.providers.told import DrawKey, Told, read_draw
from harness.providers.trace import read_trace
from mocks.capacity import Capacity, Turned
from mocks.figures import Limits
from mocks.latency import Delays

KEPT_CALLS = 100_000
"""Of the newest calls; older ones are forgotten, so that serving for days takes no more memory."""


class Guest(msgspec.Struct, frozen=True, gc=False):
    """One call that arrived: when, and which draw it is to be served with. `began` is when its
    mock began to decide."""

    arrived: float
    key: DrawKey
    method: str
    path: str
    began: float
    trace: str = ""
    """The id of the trace that it belongs to, 32 hex digits; "" for none."""


class Served(msgspec.Struct, frozen=True, gc=False):
    """One call as this side saw it; times are the clock's seconds.

    `work_ms` is what it really took to decide it: reading, opening seals, signing, the books. It
    passes within the injected delay, which counts from the arrival, and is no part of it. On the
    virtual clock nothing takes time, and it is 0.
    """

    provider: str
    key: DrawKey
    method: str
    path: str
    arrived: float
    injected_ms: float
    queue_ms: float
    work_ms: float
    status: int
    trace: str = ""


Journal = deque[Served]


class Desk:
    """`limits` None is a server that nobody can overload. The journal may be shared by desks.
    `struck` says whom a fault turns away, where there are faults; `began` is when its world began,
    by the clock, which its limits count from."""

    def __init__(
        self,
        clock: Clock,
        seed: int,
        provider: str,
        limits: Limits | None,
        journal: Journal,
        struck: Callable[[DrawKey], Turned | None] | None,
        began: float,
    ) -> None:
        self.clock = clock
        self._real = clock.name == "real"
        self.delays = Delays(seed, provider)
        self.capacity = Capacity(seed, provider, limits, began)
        self._provider = provider
        self._struck = struck
        self._journal = journal

    def arrive(self, request: httpx.Request) -> Guest:
        trace = read_trace(request)
        key = read_draw(request) or self.delays.key(request, trace)
        # Apart from the clock, which may stand still while a call is decided.
        began = time.perf_counter() if self._real else 0.0
        return Guest(self.clock.now(), key, request.method, request.url.path, began, trace)

    def turned_away(self, guest: Guest, tokens: int = 0) -> Turned | None:
        """Whoever is turned away is not to be served: nothing of what was asked may be done."""
        if self._struck is not None and (turned := self._struck(guest.key)):
            return turned
        luck = self.delays.luck(guest.key, "overload") if self.capacity.bursts else 1.0
        return self.capacity.turned_away(guest.arrived, luck, tokens, guest.key.round)

    def answer(
        self,
        guest: Guest,
        delay_s: float,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        leaks: int = 0,
        queue_s: float | None = None,
    ) -> Answer:
        """The whole answer, after the wait for a slot and then the delay. A caller that has asked
        `capacity` for the wait already, to know when the answer ends, says what it was."""
        if queue_s is None:
            queue_s = self.capacity.wait_s(guest.arrived, delay_s)
        ends = guest.arrived + queue_s + delay_s
        return self._told(guest, queue_s, delay_s, status, headers, leaks, [ends], [body])

    def refuse(self, guest: Guest, status: int, headers: Mapping[str, str], body: bytes) -> Answer:
        """An answer at once, that takes no slot."""
        return self._told(guest, 0.0, 0.0, status, headers, 0, [guest.arrived], [body])

    def stream(
        self,
        guest: Guest,
        queue_s: float,
        times: Sequence[float],
        headers: Mapping[str, str],
        chunks: Sequence[bytes],
        leaks: int = 0,
    ) -> Answer:
        """Each chunk at its time, in seconds after the arrival; the response begins with the first.
        The caller has asked `capacity` for the wait already: it is part of the times."""
        arrived = guest.arrived
        leave = [arrived + time for time in times]
        delay_s = times[-1] - queue_s
        return self._told(guest, queue_s, delay_s, 200, headers, leaks, leave, chunks)

    def _told(
        self,
        guest: Guest,
        queue_s: float,
        delay_s: float,
        status: int,
        headers: Mapping[str, str],
        leaks: int,
        times: Sequence[float],
        chunks: Sequence[bytes],
    ) -> Answer:
        """With what was meant, which is also written into the journal."""
        injected_ms = draws.milliseconds(queue_s + delay_s)
        queue_ms = draws.milliseconds(queue_s) if queue_s else 0.0
        work_ms = draws.milliseconds(time.perf_counter() - guest.began) if self._real else 0.0
        served = Served(
            self._provider, guest.key, guest.method, guest.path, guest.arrived,
            injected_ms, queue_ms, work_ms, status, guest.trace,
        )  # fmt: skip
        self._journal.append(served)
        if len(chunks) == 1 and chunks[0]:
            headers = {**headers, "content-length": str(len(chunks[0]))}
        told = Told(injected_ms, queue_ms, leaks)
        return Answer(status, headers, times, chunks, told, served)
