"""What a load run found: one flat object, and the same in a few lines for a person."""

import msgspec
import numpy as np
from rich.console import Console
from rich.text import Text

from harness.record import Columns, FloatArray, RunSummary
from harness.report.words import NEVER
from harness.stats.quantiles import quantile

PERCENTILES = (50, 90, 95, 99)
UNKNOWN = "unknown"


class LoadFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Response times count from the due time. A percentile is null when so many turns failed that
    it would be one of them, or when there is no turn at all."""

    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    due: int
    started: int
    finished: int
    failed: int
    lag_p99_ms: float | None
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
        lag_p99_ms=health.lag_p99_ms,
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
        console.print(Text(f"  {name} {_told(ms, NEVER if figures.finished else UNKNOWN):>12}"))
    if figures.finished and figures.max_ms is None:
        console.print(Text(f"{NEVER}: so many turns failed that it would be one of them", "dim"))
    counts = (
        f"due {figures.due}, started {figures.started}, finished {figures.finished}, "
        f"failed {figures.failed}; start lag p99 {_told(figures.lag_p99_ms)}"
    )
    console.print(Text(counts))
    state = ("VALID", "bold green") if figures.valid else ("INVALID  ", "bold red")
    console.print(Text.assemble(state, ("; ".join(figures.invalid_because), "red")))
    console.print(Text(f"results  {figures.results}"), soft_wrap=True)


def _known(ordered: FloatArray, q: float) -> float | None:
    if not ordered.size:
        return None
    value = quantile(ordered, q)
    return round(value, 6) if np.isfinite(value) else None


def _told(ms: float | None, otherwise: str = UNKNOWN) -> str:
    return otherwise if ms is None else f"{ms:.2f} ms"
