"""What a load run found: one flat object, and the same in a few lines for a person."""

import msgspec
import numpy as np
from rich.console import Console
from rich.text import Text

from harness.record import Columns, FloatArray, RunSummary
from harness.report.health import UNKNOWN, counts, cut_off, errors, strain, told_ms
from harness.report.words import NEVER
from harness.stats.quantiles import quantile

PERCENTILES = (50, 90, 95, 99)


class LoadFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Response times count from the due time. A percentile is null when so many turns failed,
    or were still running at the end, that it would be one of them, or when there is no turn at all.
    The fields from `due` on are those of `Health`."""

    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    due: int
    started: int
    finished: int
    failed: int
    fault: str
    running: int
    error_p50_ms: float | None
    error_p99_ms: float | None
    lag_p50_ms: float | None
    lag_p99_ms: float | None
    loop_lag_p99_ms: float | None
    loop_lag_max_ms: float | None
    cpu_share: float | None
    workers: int
    connections: int | None
    calls: int | None
    valid: bool
    invalid_because: list[str]
    results: str


def load_figures(summary: RunSummary, columns: Columns, results: str) -> LoadFigures:
    responses = np.sort(columns.turns.answered_ms)
    p50, p90, p95, p99, largest = (
        _known(responses, q) for q in (*(p / 100 for p in PERCENTILES), 1.0)
    )
    health = summary.health
    return LoadFigures(
        p50_ms=p50,
        p90_ms=p90,
        p95_ms=p95,
        p99_ms=p99,
        max_ms=largest,
        due=health.due,
        started=health.started,
        finished=health.finished,
        failed=health.failed,
        fault=health.fault,
        running=health.running,
        error_p50_ms=health.error_p50_ms,
        error_p99_ms=health.error_p99_ms,
        lag_p50_ms=health.lag_p50_ms,
        lag_p99_ms=health.lag_p99_ms,
        loop_lag_p99_ms=health.loop_lag_p99_ms,
        loop_lag_max_ms=health.loop_lag_max_ms,
        cpu_share=health.cpu_share,
        workers=health.workers,
        connections=health.connections,
        calls=health.calls,
        valid=summary.valid,
        invalid_because=summary.invalid_because,
        results=results,
    )


def print_load(summary: RunSummary, figures: LoadFigures, console: Console) -> None:
    variant = summary.variants[0].name if summary.variants else ""
    facts = (
        f"{variant}, {summary.clock} clock, {summary.endpoints}, seed {summary.seed}, "
        f"{summary.parameters['rate']:g} turns/s"
    )
    console.print(Text.assemble((summary.scenario, "bold"), "  ", facts))
    for name, ms in (
        ("p50", figures.p50_ms),
        ("p90", figures.p90_ms),
        ("p95", figures.p95_ms),
        ("p99", figures.p99_ms),
        ("max", figures.max_ms),
    ):
        console.print(Text(f"  {name} {told_ms(ms, NEVER if figures.started else UNKNOWN):>12}"))
    if figures.started and figures.max_ms is None:
        console.print(Text(f"{NEVER}: so many turns got no answer that it would be one", "dim"))
    if figures.failed and figures.fault:
        console.print(Text(f"the first that failed: {figures.fault}"))
    if figures.running:
        console.print(Text(cut_off(figures.running)))
    for line in (counts(summary.health), errors(summary.health), *strain(summary.health)):
        console.print(Text(line))
    state = ("VALID", "bold green") if figures.valid else ("INVALID  ", "bold red")
    console.print(Text.assemble(state, ("; ".join(figures.invalid_because), "red")))
    console.print(Text(f"results  {figures.results}"), soft_wrap=True)


def _known(ordered: FloatArray, q: float) -> float | None:
    if not ordered.size:
        return None
    value = quantile(ordered, q)
    return round(value, 6) if np.isfinite(value) else None
