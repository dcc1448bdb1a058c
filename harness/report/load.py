"""What a load run found: one flat object, and the same in a few lines for a person."""

import textwrap
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console
from rich.text import Text

from harness.record import Columns, FloatArray, RunSummary, SloSummary, VariantSummary
from harness.record.reconciliation import ReconciliationSummary
from harness.report.costs import print_hanging
from harness.report.failures import failure_lines
from harness.report.health import (
    UNKNOWN,
    account,
    counts,
    cut_off,
    engine_sentence,
    errors,
    lost,
    strain,
    told_ms,
)
from harness.report.resilience import books_sentence, faults_text, struck_sentences
from harness.report.slo import SLO_STYLES, slo_sentences
from harness.report.targets import target_sentences
from harness.report.words import (
    NEVER,
    NEVER_NOTE,
    from_baseline,
    interval,
    label,
    level_text,
    percentile,
    points_of,
)
from harness.stats.quantiles import quantile

PERCENTILES = (50, 90, 95, 99)

USUAL = Path("results")
"""Where a run is found by its name alone."""
TOLD = (0.5, 0.95, 0.99)
WIDTH = 80


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
    slos: list[SloSummary]
    faults: dict[str, float] = {}
    """What went wrong on purpose, by its share."""
    books: ReconciliationSummary | None = None
    """As `reconciliation` in run.json; null where nobody has looked."""
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
        slos=summary.slos,
        faults=summary.faults,
        books=summary.reconciliation,
        results=results,
    )


def print_load(summary: RunSummary, figures: LoadFigures, console: Console) -> None:
    variant = summary.variants[0].name if summary.variants else ""
    facts = (
        f"{variant}, {summary.clock} clock, {summary.endpoints}, seed {summary.seed}, "
        f"{summary.parameters['rate']:g} turns/s"
    )
    console.print(Text.assemble((summary.scenario, "bold"), "  ", facts))
    for sentence in target_sentences(summary):
        console.print(Text(sentence))
    if summary.faults:
        print_hanging("faults", Text(faults_text(summary)), console)
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
    for failure in failure_lines(summary.failures, console.width):
        console.print(Text(failure))
    for sentence in struck_sentences(summary):
        console.print(Text(sentence))
    if figures.running:
        console.print(Text(cut_off(figures.running)))
    if summary.health.lost:
        console.print(Text(lost(summary.health.lost)))
    for line in (counts(summary.health), errors(summary.health), *strain(summary.health)):
        console.print(Text(line))
    state = ("VALID", "bold green") if figures.valid else ("INVALID  ", "bold red")
    console.print(Text.assemble(state, ("; ".join(figures.invalid_because), "red")))
    for slo, told in slo_sentences(summary):
        verdict = Text(f"SLO {slo.verdict}", SLO_STYLES[slo.verdict])
        print_hanging(verdict, Text(told), console)
    if summary.reconciliation is not None:
        print_hanging("books", Text(books_sentence(summary.reconciliation)), console)
    console.print(Text(f"results  {figures.results}"), soft_wrap=True)


def open_run_lines(summary: RunSummary, columns: Columns, folder: Path) -> list[str]:
    """A run of many users on the real clock as plain lines of at most 80 columns, but for the path:
    whether it can be believed, where all turns are, what they took, and which promises it kept.

    A percentile is told as it was seen, and its interval as unknown where turns are too few.
    """
    latencies = list(_latencies(summary, columns))
    return [
        *_validity(summary),
        *(line for sentence in target_sentences(summary) for line in _wrapped("", sentence)),
        *(_wrapped("faults  ", faults_text(summary)) if summary.faults else []),
        *_accounts(summary),
        *latencies,
        *([NEVER_NOTE] if any(NEVER in line for line in latencies) else []),
        *(
            line
            for slo, told in slo_sentences(summary)
            for line in _wrapped(f"SLO {slo.verdict:11}  ", told)
        ),
        *(["calls that failed, by stage and cause:"] if summary.failures else []),
        *failure_lines(summary.failures, WIDTH),
        *(line for sentence in struck_sentences(summary) for line in _wrapped("", sentence)),
        *(
            _wrapped("books  ", books_sentence(summary.reconciliation))
            if summary.reconciliation is not None
            else []
        ),
        f"results  {folder}",
        f"to see it: tollbench report {folder.name if folder.parent == USUAL else folder}",
    ]


def _validity(summary: RunSummary) -> Iterator[str]:
    if summary.valid:
        yield "VALID"
    for reason in summary.invalid_because or ([] if summary.valid else [UNKNOWN]):
        yield from _wrapped("INVALID  ", reason)


def _accounts(summary: RunSummary) -> Iterator[str]:
    yield from _wrapped("turns: ", account(summary.health))
    health = summary.health
    if len(summary.engines) > 1 or health.lost or any(one.died for one in summary.engines):
        for engine in summary.engines:
            yield from _wrapped(f"  {engine.name}: ", engine_sentence(engine))
    if health.running:
        yield from _wrapped("", cut_off(health.running))
    if health.lost:
        yield from _wrapped("", lost(health.lost))


def _latencies(summary: RunSummary, columns: Columns) -> Iterator[str]:
    """A row a strategy; a percentile that turns are too few to tell has no interval."""
    variants = from_baseline(v for v in summary.variants if v.turns)
    if not variants:
        return
    rows = [[label(v), *(_told(v, columns, q) for q in TOLD)] for v in variants]
    yield f"response time, ms, with {level_text(summary.level)} intervals:"
    header = ["", *map(percentile, TOLD)]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    if sum(widths) + 3 * 2 + 2 <= WIDTH:
        for row in [header, *rows]:
            cells = [f"{row[0]:{widths[0]}}"]
            cells += [f"{c:>{w}}" for c, w in zip(row[1:], widths[1:], strict=True)]
            yield f"  {'  '.join(cells)}"
        return
    for name, *figures in rows:
        yield f"  {name}"
        yield from (f"    {percentile(q)} {t}" for q, t in zip(TOLD, figures, strict=True))


def _told(variant: VariantSummary, columns: Columns, q: float) -> str:
    point = next((p for p in points_of(variant) if p.quantile == q), None)
    of = columns.turns.variant.holds(variant.name)
    seen = _known(np.sort(columns.turns.answered_ms[of]), q)
    if seen is None:
        return NEVER
    if point is not None and point.lo_ms is not None and point.hi_ms is None:
        return f"{seen:.0f} [{point.lo_ms:.0f}, {NEVER}]"
    lo, hi = (None, None) if point is None else (point.lo_ms, point.hi_ms)
    return interval(seen, lo, hi)


def _wrapped(head: str, text: str) -> list[str]:
    return textwrap.wrap(
        head + text, WIDTH, subsequent_indent=" " * len(head), break_on_hyphens=False
    )


def _known(ordered: FloatArray, q: float) -> float | None:
    if not ordered.size:
        return None
    value = quantile(ordered, q)
    return round(value, 6) if np.isfinite(value) else None
