"""Samples of a served mock held against the law of its profile; it knows no profile and no wire.

Two things can be wrong, and are told apart: what the mock meant to take, which it tells, and what
the network and this machine added to that, which is measured.
"""

import asyncio
import gc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import httpx
import numpy as np

from harness.clock import Clock
from harness.laws import Law
from harness.record import FloatArray
from harness.stats.fit import QUANTILES, Held, hold
from harness.stats.kolmogorov import distance, p_of_known
from harness.stats.quantiles import enough
from harness.transport import Measured, measure

Verdict = Literal["PASS", "DOES NOT HOLD", "CANNOT TELL"]

BARS = (0.02, 0.03, 0.05)
"""How far p50, p95 and p99 may be off."""
REFUTED = 0.001
"""The p below which what was told is not drawn from the law: one check in a thousand is wrong."""
TOLD_STEP_S = 2e-6
"""Of two delays in microseconds, what is told is a sum or a difference."""
MOST_FAILED = 0.01
PATIENCE_S = 120.0
_WARM_UP = 20


@dataclass(frozen=True, slots=True)
class Timed:
    """One law of a mock, and what calls to it took, in seconds. `told` is None where the mock does
    not tell it apart from other times."""

    name: str
    times: str
    law: Law
    told: FloatArray | None
    seen: FloatArray
    error: FloatArray
    """What was seen less what was told, of whole answers."""
    failed: int


@dataclass(frozen=True, slots=True)
class Against:
    distance: float
    p: float
    held: tuple[Held, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    timed: Timed
    told: Against | None
    seen: Against | None
    error_p50: float
    error_p99: float
    verdict: Verdict
    because: str


async def sample(
    transport: httpx.AsyncBaseTransport,
    clock: Clock,
    requests: Sequence[httpx.Request],
    per_s: float,
) -> list[Measured]:
    """Each at its time, whatever became of those before, so that as many are under way as it
    takes; no garbage is collected meanwhile. The first few, which open connections, are sent once
    before, and not returned."""
    first = requests[:_WARM_UP]
    await asyncio.gather(*(measure(transport, clock, one, PATIENCE_S) for one in first))
    began = clock.now()

    async def one(request: httpx.Request, due: float) -> Measured:
        await clock.sleep_until(due)
        return await measure(transport, clock, request, PATIENCE_S)

    gc.collect()
    gc.disable()
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(one(request, began + n / per_s))
                for n, request in enumerate(requests)
            ]
    finally:
        gc.enable()
    return [task.result() for task in tasks]


def check(timed: Timed) -> Checked:
    told = None if timed.told is None else _against(timed.law, timed.told, TOLD_STEP_S)
    seen = _against(timed.law, timed.seen)
    p50, p99 = _quantiles(timed.error)
    verdict, because = _verdict(timed, told, seen, p50, p99)
    return Checked(timed, told, seen, p50, p99, verdict, because)


def _against(law: Law, times: FloatArray, step_s: float = 0.0) -> Against | None:
    if not times.size:
        return None
    p = p_of_known(law, times, step_s)
    return Against(distance(law, times, step_s), p, hold(law, times))


def _verdict(
    timed: Timed, told: Against | None, seen: Against | None, error_p50: float, error_p99: float
) -> tuple[Verdict, str]:
    """First what no noise of this machine explains."""
    if told is not None and told.p < REFUTED:
        return "DOES NOT HOLD", "what the mock means to take is not drawn from this law"
    asked = timed.seen.size + timed.failed
    if timed.failed > MOST_FAILED * asked:
        return "CANNOT TELL", f"{timed.failed:,} of {asked:,} calls had no whole answer"
    if seen is None or not enough(timed.seen.size, QUANTILES[-1]):
        return "CANNOT TELL", f"{timed.seen.size:,} calls are too few to tell p99"
    law_p50, law_p99 = timed.law.quantile(0.5), timed.law.quantile(0.99)
    if error_p50 > BARS[0] * law_p50 or error_p99 > BARS[-1] * law_p99:
        meant = "it means to take the right times, but " if told is not None else ""
        return "CANNOT TELL", f"{meant}this machine adds more than may be off"
    for held, bar in zip(seen.held, BARS, strict=True):
        if not _within(held, bar):
            return "DOES NOT HOLD", f"p{100 * held.q:g} was seen to be more than {bar:.0%} off"
    return "PASS", ""


def _within(held: Held, bar: float) -> bool:
    """Whether the true quantile may lie as near to the law's as it must."""
    if held.lo is None or held.hi is None:
        return True
    return held.lo <= held.law * (1 + bar) and held.hi >= held.law * (1 - bar)


def _quantiles(error: FloatArray) -> tuple[float, float]:
    if not error.size:
        return 0.0, 0.0
    p50, p99 = np.quantile(error, (0.5, 0.99)).tolist()
    return p50, p99
