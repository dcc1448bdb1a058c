"""May this run be believed? Its own error, the generator's lateness, and whether all turns ended.

On mocks every call tells the delay that was meant, so what was seen beyond it is the instrument's
own error. The limits are the constants here, and a run past one of them is INVALID.
"""

import numpy as np

from harness.clock import ClockName
from harness.load.engine import Tally
from harness.record import Health
from harness.stats.quantiles import quantile

ERROR_P50_LIMIT_MS = {"virtual": 0.01, "real": 5.0}
"""Median of what a call took beyond the injected delay, either way."""

ERROR_P99_LIMIT_MS = {"virtual": 0.01, "real": 50.0}
"""The 99th percentile of the same."""

LAG_P99_LIMIT_MS = {"virtual": 0.01, "real": 5.0}
"""How late turns start. On the real clock 1 % of the median response is allowed if that is more."""

LAG_P99_LIMIT_SHARE = 0.01


def examine(tally: Tally, clock: ClockName) -> tuple[Health, list[str]]:
    """The figures, and one sentence for each reason not to believe the run."""
    errors = np.sort(
        [
            abs((span.end_s - span.start_s) * 1e3 - span.injected_ms)
            for span in tally.rows.spans
            if span.injected_ms == span.injected_ms and span.status
        ]
    )
    lags = np.sort([(row.start_s - row.due_s) * 1e3 for row in tally.rows.flows])
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
    reasons = _reasons(health, clock, _median_response_ms(tally))
    if 0 < health.finished == health.failed:
        reasons.append("every turn failed" + (f": {tally.fault}" if tally.fault else ""))
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
        f"{what} {figure:.2f} ms is over the limit of {limit:g} ms: lower --rate"
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


def _median_response_ms(tally: Tally) -> float:
    responses = np.sort([row.response_ms for row in tally.rows.flows])
    return _quantile(responses, 0.5) or 0.0


def _quantile(ordered: "np.ndarray[tuple[int], np.dtype[np.float64]]", q: float) -> float | None:
    return round(quantile(ordered, q), 6) if ordered.size else None
