"""What measuring costs the process that measures: its core, and how late its loop comes to things.

A probe of its own tells, not the calls: a loop that is late for the probe is late for every answer
that it times. Nothing here judges.
"""

import array
import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from harness.clock import Clock

PROBE_S = 0.01
"""A hundred times a second the probe is due."""

LEAST_SPELL_S = 1.0
"""Over less than this, a share of a core says little."""


@runtime_checkable
class Counting(Protocol):
    """A transport that counts."""

    opened: int
    """Connections so far."""
    calls: int
    """Requests so far."""


@dataclass(slots=True)
class Strain:
    """Of one or more rounds, in one or more processes; all is empty on the virtual clock."""

    loop_lags_ms: "array.array[float]" = field(default_factory=lambda: array.array("d"))
    """How late the loop came to each probe."""
    cpu_share: float | None = None
    """Of one core; the largest of any round and process."""
    connections: int | None = None
    calls: int | None = None
    """Null where a transport does not count them."""

    def add(self, other: "Strain") -> None:
        self.loop_lags_ms.extend(other.loop_lags_ms)
        self.note(other.cpu_share, other.connections, other.calls)

    def note(self, cpu_share: float | None, connections: int | None, calls: int | None) -> None:
        if cpu_share is not None:
            self.cpu_share = max(cpu_share, self.cpu_share or 0.0)
        if connections is not None and calls is not None:
            self.connections = (self.connections or 0) + connections
            self.calls = (self.calls or 0) + calls


class CpuShare:
    """Of one core, since this was made; CPU that another process of the machine took is its own."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        self._noted: float | None = None

    def load_is_over(self) -> None:
        """What comes now is only waiting, and must not make the share look smaller."""
        if time.perf_counter() - self._wall >= LEAST_SPELL_S:
            self._noted = self._now()

    def share(self) -> float:
        return self._now() if self._noted is None else self._noted

    def _now(self) -> float:
        wall = time.perf_counter() - self._wall
        return (time.process_time() - self._cpu) / max(wall, 1e-9)


@contextlib.asynccontextmanager
async def straining(
    clock: Clock, transports: Iterable[object], strain: Strain
) -> AsyncIterator[CpuShare]:
    """Note what the body costs, on the real clock. On the virtual one nothing is late and the core
    is always busy."""
    cpu = CpuShare()
    if clock.name == "virtual":
        yield cpu
        return
    counting = [of for of in transports if isinstance(of, Counting)]
    opened, calls = _opened(counting), _calls(counting)
    probe = asyncio.create_task(_probe(clock, strain))
    try:
        yield cpu
    finally:
        probe.cancel()
        if counting:
            strain.note(cpu.share(), _opened(counting) - opened, _calls(counting) - calls)
        else:
            strain.note(cpu.share(), None, None)


async def _probe(clock: Clock, strain: Strain) -> None:
    """On an absolute grid: one long pause is the lateness of every probe that was due in it."""
    due = clock.now()
    while True:
        due += PROBE_S
        if (left := due - clock.now()) > 0:
            await asyncio.sleep(left)
        # uvloop's timers may be a little early, which is no lateness.
        strain.loop_lags_ms.append(max(0.0, clock.now() - due) * 1e3)


def _opened(counting: Iterable[Counting]) -> int:
    return sum(of.opened for of in counting)


def _calls(counting: Iterable[Counting]) -> int:
    return sum(of.calls for of in counting)
