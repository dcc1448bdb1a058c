"""What cold starts took as tables, each number beside its place in run.json."""

from harness.record import RunSummary, TimesTaken
from harness.report.cold_starts import (
    NOTE,
    OPENINGS,
    OPENINGS_HEADER,
    REQUESTS,
    REQUESTS_HEADER,
    median_text,
    phase_text,
)
from harness.report.page.cells import Cell, Table, count, place, table, within


def openings_table(summary: RunSummary) -> Table | None:
    """By provider, phase by phase; none where the run does not tell connections apart."""
    if not summary.cold_starts:
        return None
    return table(
        OPENINGS,
        OPENINGS_HEADER,
        [
            (
                Cell(one.provider, (at + "/provider",)),
                count(one.connections, at + "/connections"),
                count(one.ahead, at + "/ahead"),
                count(one.failed, at + "/failed"),
                _phase(one.dns, at + "/dns"),
                _phase(one.tcp, at + "/tcp"),
                _phase(one.tls, at + "/tls"),
            )
            for i, one in enumerate(summary.cold_starts)
            for at in [place("cold_starts", i)]
        ],
    )


def first_requests_table(summary: RunSummary) -> Table | None:
    """The requests that connections were opened for beside others of their stage."""
    rows = [
        (
            Cell(one.provider, (place("cold_starts", i, "provider"),)),
            Cell(request.stage, (at + "/stage",)),
            *_median(request.first, at + "/first"),
            *_median(request.later, at + "/later"),
        )
        for i, one in enumerate(summary.cold_starts)
        for n, request in enumerate(one.requests)
        for at in [place("cold_starts", i, "requests", n)]
    ]
    return table(REQUESTS, REQUESTS_HEADER, rows, NOTE) if rows else None


def _phase(taken: TimesTaken | None, at: str) -> Cell:
    return Cell(phase_text(taken), within(at, "p50_ms", "max_ms") if taken else ())


def _median(taken: TimesTaken | None, at: str) -> tuple[Cell, Cell]:
    if taken is None:
        return Cell(""), Cell("")
    return Cell(median_text(taken), (at + "/p50_ms",)), count(taken.n, at + "/n")
