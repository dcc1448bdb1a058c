"""May this run be believed? Its own error, the generator's lateness and strain, and whether all
turns are accounted for.

On mocks every call tells the delay that was meant, so what was seen beyond it is the instrument's
own error. The limits are the constants here, and a run past one of them is INVALID.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from harness.clock import ClockName
from harness.load.engine import Tally
from harness.record import Columns, EngineSummary, FloatArray, Health, blocks
from harness.record.reconciliation import ReconciliationSummary
from harness.stats.quantiles import quantile

ERROR_P50_LIMIT_MS = {"virtual": 0.01, "real": 5.0}
"""Median of what a call took beyond the injected delay, either way."""

ERROR_P99_LIMIT_MS = {"virtual": 0.01, "real": 50.0}
"""The 99th percentile of the same."""

LAG_P99_LIMIT_MS = {"virtual": 0.01, "real": 5.0}
"""How late turns start. On the real clock 1 % of the median response is allowed if that is more."""

LOOP_LAG_P99_LIMIT_MS = 10.0
"""How late the event loop comes to its probe, and so to any answer; 1 % of the median response is
allowed if that is more."""

LAG_LIMIT_SHARE = 0.01

CPU_SHARE_LIMIT = 0.9
"""Of its core that a generator process may use. A queue before a server that is busy for 90 % of
the time is nine times as long as what it serves, and here the server is the instrument."""

EVERY_TURN_FAILED = "every turn failed"
"""So begins the one reason that may well lie with the system and not with the instrument."""

BOOKS_BROKEN = "the books do not hold"
"""So begins the one that lies with the app, at whatever rate."""

EXACT = "the virtual clock is exact, so the scenario or a mock waits for something real"
LOWER, SPREAD = "lower --rate", "lower --rate, or take more --workers"
CONDUCTED = "take fewer users or a lower --flow-rate, or more workers of Locust"


def examine(
    tally: Tally,
    columns: Columns,
    clock: ClockName,
    *,
    spreads: bool = False,
    engines: Sequence[EngineSummary] = (),
) -> tuple[Health, list[str]]:
    """The figures, and one sentence for each reason not to believe the run, with its mend.

    `columns` are the rows of the tally. `spreads` says whether whoever ran it can take more
    workers. `engines` are the processes that the tally is of, where they are told apart: one that
    died is a reason, which says what is missing by it.
    """
    turns, strain = columns.turns, tally.strain
    errors = _errors_ms(columns)
    lags = np.sort((turns.start_s - turns.due_s) * 1e3)
    loop_lags = np.sort(np.array(strain.loop_lags_ms, dtype=np.float64))
    health = Health(
        error_p50_ms=_quantile(errors, 0.5),
        error_p99_ms=_quantile(errors, 0.99),
        lag_p50_ms=_quantile(lags, 0.5),
        lag_p99_ms=_quantile(lags, 0.99),
        due=tally.due,
        started=tally.started,
        finished=tally.finished,
        failed=tally.failed,
        fault=tally.fault if tally.failed else "",
        running=tally.running,
        lost=tally.lost,
        leaks=tally.leaks,
        loop_lag_p99_ms=_quantile(loop_lags, 0.99),
        loop_lag_max_ms=_quantile(loop_lags, 1.0),
        cpu_share=None if strain.cpu_share is None else round(strain.cpu_share, 4),
        workers=tally.workers,
        connections=strain.connections,
        calls=strain.calls,
    )
    response_ms = _quantile(np.sort(turns.response_ms), 0.5) or 0.0
    mend = EXACT if clock == "virtual" else SPREAD if spreads else LOWER
    mend = CONDUCTED if engines else mend
    return health, [
        *(f"{reason}: {mend}" for reason in past_limits(health, clock, response_ms)),
        *missing_by(engines),
        *_unaccounted(health, len(turns), engines),
        *_unreconciled(tally.books),
        *_useless(health, tally.fault),
    ]


def past_limits(health: Health, clock: ClockName, response_ms: float) -> Iterator[str]:
    """A sentence for each figure that is over its limit; `response_ms` is the median response."""
    allowed_ms = LAG_LIMIT_SHARE * response_ms if clock == "real" else 0.0
    limits = (
        ("measurement error p50", health.error_p50_ms, ERROR_P50_LIMIT_MS[clock]),
        ("measurement error p99", health.error_p99_ms, ERROR_P99_LIMIT_MS[clock]),
        ("start lag p99", health.lag_p99_ms, max(LAG_P99_LIMIT_MS[clock], allowed_ms)),
        ("loop lag p99", health.loop_lag_p99_ms, max(LOOP_LAG_P99_LIMIT_MS, allowed_ms)),
    )
    for what, figure, limit in limits:
        if figure is not None and figure > limit:
            yield f"{what} {figure:.2f} ms is over the limit of {limit:g} ms"
    if health.cpu_share is not None and health.cpu_share > CPU_SHARE_LIMIT:
        yield f"the generator used {health.cpu_share:.0%} of its core, over {CPU_SHARE_LIMIT:.0%}"


def missing_by(engines: Sequence[EngineSummary]) -> Iterator[str]:
    """A sentence for each engine that died."""
    for engine in engines:
        if engine.died:
            yield (
                f"{engine.name} was lost ({engine.died}): {engine.lost} of its turns are lost, and "
                f"{engine.due - engine.started} that were due of it never began"
            )


def _unaccounted(health: Health, rows: int, engines: Sequence[EngineSummary]) -> Iterator[str]:
    """What does not add up, but for what is told already of an engine that died."""
    dead = [engine for engine in engines if engine.died]
    never_began = sum(engine.due - engine.started for engine in dead)
    if health.due - never_began != health.started:
        yield f"{health.due} turns were due, {health.started} started"
    if health.lost != sum(engine.lost for engine in dead):
        yield f"{health.lost} turns are lost: nobody knows how they ended"
    if health.started != health.finished + health.failed + health.running + health.lost:
        lost = f", {health.lost} are lost" if health.lost else ""
        yield (
            f"{health.started} turns started, but {health.finished} finished, "
            f"{health.failed} failed{lost} and {health.running} were running"
        )
    if health.started - health.lost != rows:
        yield f"{health.started - health.lost} turns started, but {rows} were recorded"


def _unreconciled(books: ReconciliationSummary | None) -> Iterator[str]:
    """That a client is fast is worth nothing where it loses money."""
    if books is not None and books.breached:
        first, many = books.breaches[0], books.breached > 1
        of = f" of {first.order_no}" if first.order_no else ""
        breaches = f"{books.breached:,} breaches, first" if many else "1 breach"
        yield f"{BOOKS_BROKEN}: {breaches}: {first.rule}{of}: {first.why}"


def _useless(health: Health, fault: str) -> Iterator[str]:
    if health.leaks:
        yield f"{health.leaks} secrets were found in prompts"
    if health.finished:
        return
    if health.failed and not health.running:
        yield EVERY_TURN_FAILED + (f": {fault}" if fault else "")
    elif health.running:
        yield f"no turn finished: {health.failed} failed, {health.running} were cut off in flight"
    else:
        yield "no turn finished"


def _errors_ms(columns: Columns) -> FloatArray:
    """What each answered call took beyond the delay that was meant, either way; ascending."""
    spans = columns.spans
    told = ~np.isnan(spans.injected_ms) & (spans.status != 0)
    errors_ms: FloatArray = spans.injected_ms[told]
    filled = 0
    for block in blocks(len(spans)):
        of = told[block]
        took_ms = (spans.end_s[block][of] - spans.start_s[block][of]) * 1e3
        part = errors_ms[filled : filled + took_ms.size]
        part[:] = np.abs(took_ms - part)
        filled += took_ms.size
    errors_ms.sort()
    return errors_ms


def _quantile(ordered: FloatArray, q: float) -> float | None:
    return round(quantile(ordered, q), 6) if ordered.size else None
