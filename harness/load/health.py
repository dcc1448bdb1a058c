"""May this run be believed? Its own error, the generator's lateness, and whether all turns ended.

On mocks every call tells the delay that was meant, so what was seen beyond it is the instrument's
own error. The limits are the constants here, and a run past one of them is INVALID.
"""

import numpy as np

from harness.clock import ClockName
from harness.load.engine import Tally
from harness.record import Columns, FloatArray, Health
from harness.stats.quantiles import quantile

ERROR_P50_LIMIT_MS = {"virtual": 0.01, "real": 5.0}
"""Median of what a call took beyond the injected delay, either way."""

ERROR_P99_LIMIT_MS = {"virtual": 0.01, "real": 50.0}
"""The 99th percentile of the same."""

LAG_P99_LIMIT_MS = {"virtual": 0.01, "real": 5.0}
"""How late turns start. On the real clock 1 % of the median response is allowed if that is more."""

LAG_P99_LIMIT_SHARE = 0.01

EVERY_TURN_FAILED = "every turn failed"
"""So begins the one reason that may well lie with the system and not with the instrument."""


def examine(tally: Tally, columns: Columns, clock: ClockName) -> tuple[Health, list[str]]:
    """The figures, and one sentence for each reason not to believe the run.

    `columns` are the rows of the tally.
    """
    turns = columns.turns
    errors = _errors_ms(columns)
    lags = np.sort((turns.start_s - turns.due_s) * 1e3)
    health = Health(
        error_p50_ms=_quantile(errors, 0.5),
        error_p99_ms=_quantile(errors, 0.99),
        lag_p99_ms=_quantile(lags, 0.99),
        due=tally.due,
        started=tally.started,
        finished=tally.finished,
        failed=tally.failed,
        leaks=tally.leaks,
    )
    reasons = _reasons(health, clock, _quantile(np.sort(turns.response_ms), 0.5) or 0.0)
    if 0 < health.finished == health.failed:
        reasons.append(EVERY_TURN_FAILED + (f": {tally.fault}" if tally.fault else ""))
    return health, reasons


def _reasons(health: Health, clock: ClockName, response_ms: float) -> list[str]:
    lag_limit_ms = LAG_P99_LIMIT_MS[clock]
    if clock == "real":
        lag_limit_ms = max(lag_limit_ms, LAG_P99_LIMIT_SHARE * response_ms)
    limits = (
        ("measurement error p50", health.error_p50_ms, ERROR_P50_LIMIT_MS[clock]),
        ("measurement error p99", health.error_p99_ms, ERROR_P99_LIMIT_MS[clock]),
        ("start lag p99", health.lag_p99_ms, lag_limit_ms),
    )
    reasons = [
        f"{what} {figure:.2f} ms is over the limit of {limit:g} ms: lower the rate"
        for what, figure, limit in limits
        if figure is not None and figure > limit
    ]
    if not health.due == health.started == health.finished:
        reasons.append(
            f"{health.due} turns were due, {health.started} started, {health.finished} finished"
        )
    if health.finished == 0:
        reasons.append("no turn finished")
    if health.leaks:
        reasons.append(f"{health.leaks} secrets were found in prompts")
    return reasons


def _errors_ms(columns: Columns) -> FloatArray:
    """What each answered call took beyond the delay that was meant, either way; ascending."""
    spans = columns.spans
    told = ~np.isnan(spans.injected_ms) & (spans.status != 0)
    took_ms = (spans.end_s[told] - spans.start_s[told]) * 1e3
    return np.sort(np.abs(took_ms - spans.injected_ms[told]))


def _quantile(ordered: FloatArray, q: float) -> float | None:
    return round(quantile(ordered, q), 6) if ordered.size else None
