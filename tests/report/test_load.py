"""What a load run found: percentiles of all turns, a failed one being one that never answered."""

import io
from collections.abc import Sequence

import msgspec
import pytest
from rich.console import Console

from harness.record import FlowRow, Outcome, Rows, RunSummary, columns_of
from harness.report.load import LoadFigures, load_figures, print_load
from tests.record.sample import FLOW
from tests.report.sample import sample_run
from tests.report.whole import BOOKS

SAMPLE, _ = sample_run(["prewarm"], rounds=2, turns=5)


def _rows(responses_ms: Sequence[float], failed: int = 0, outcome: Outcome = "error") -> Rows:
    """A turn for each response time; the first so many of them failed."""
    flows: list[FlowRow] = [
        msgspec.structs.replace(
            FLOW, turn=n, response_ms=ms, outcome=outcome if n < failed else "paid"
        )
        for n, ms in enumerate(responses_ms)
    ]
    return Rows(flows)


def _summary(**changed: object) -> RunSummary:
    summary = msgspec.structs.replace(SAMPLE, parameters={"rate": 20.0}, variants=[])
    return msgspec.structs.replace(summary, **changed)


def _figures(rows: Rows, **changed: object) -> LoadFigures:
    return load_figures(_summary(**changed), columns_of(rows), "results/run")


def _printed(rows: Rows, **changed: object) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=80, color_system=None)
    print_load(_summary(**changed), _figures(rows, **changed), console)
    return out.getvalue().splitlines()


HUNDRED = [float(n) for n in range(1, 101)]


@pytest.mark.parametrize(
    ("rows", "known"),
    [
        (_rows(HUNDRED), (True, True, True, True, True)),
        (_rows([7.0]), (True, True, True, True, True)),
        (_rows(HUNDRED, failed=1), (True, True, True, True, False)),
        (_rows(HUNDRED, failed=8), (True, True, False, False, False)),
        (_rows(HUNDRED, failed=8, outcome="unknown"), (True, True, False, False, False)),
        (_rows(HUNDRED, failed=60), (False, False, False, False, False)),
        (_rows(HUNDRED, failed=8, outcome="running"), (True, True, False, False, False)),
        (_rows(HUNDRED, failed=60, outcome="declined"), (True, True, True, True, True)),
        (Rows(), (False, False, False, False, False)),
    ],
)
def test_a_percentile_among_failed_turns_is_no_number(rows: Rows, known: tuple[bool, ...]) -> None:
    told = _figures(rows)
    figures = (told.p50_ms, told.p90_ms, told.p95_ms, told.p99_ms, told.max_ms)
    assert tuple(figure is not None for figure in figures) == known


def test_percentiles_lie_where_so_many_turns_were_quicker() -> None:
    told = _figures(_rows(HUNDRED[::-1]))
    figures = (told.p50_ms, told.p90_ms, told.p95_ms, told.p99_ms)
    assert figures == pytest.approx((50.5, 90.5, 95.5, 99.5), abs=0.6)
    assert told.max_ms == 100.0


def test_failed_turns_push_the_others_down_and_do_not_vanish() -> None:
    # Ten of a hundred never answered: the slowest answer is now the 90th percentile.
    told = _figures(_rows(HUNDRED, failed=9))
    without = _figures(_rows(HUNDRED[9:]))
    assert told.p90_ms is not None and without.p90_ms is not None
    assert told.p90_ms > without.p90_ms


def test_counts_and_validity_are_those_of_the_summary() -> None:
    health = msgspec.structs.replace(
        SAMPLE.health, due=8, started=6, finished=3, failed=2, running=1, lag_p99_ms=1.5
    )
    told = _figures(Rows(), health=health, valid=False, invalid_because=["why"])
    assert (told.due, told.started, told.finished, told.failed) == (8, 6, 3, 2)
    assert told.running == 1
    assert (told.lag_p99_ms, told.valid, told.invalid_because) == (1.5, False, ["why"])
    assert told.results == "results/run"


def test_the_print_tells_each_figure_on_a_line_of_its_own() -> None:
    lines = _printed(_rows(HUNDRED))
    assert lines[0].startswith("checkout  ")
    assert lines[0].endswith("20 turns/s")
    assert [line.split()[0] for line in lines[1:6]] == ["p50", "p90", "p95", "p99", "max"]
    assert lines[5] == "  max    100.00 ms"
    assert lines[-2:] == ["VALID", "results  results/run"]


def test_never_is_explained_and_is_not_the_same_as_unknown() -> None:
    lines = _printed(_rows(HUNDRED, failed=1))
    assert [line.split()[-1] for line in lines[1:6]] == ["ms", "ms", "ms", "ms", "never"]
    assert lines[6].startswith("never: ")
    nothing = msgspec.structs.replace(SAMPLE.health, due=0, started=0, finished=0)
    unknown = _printed(Rows(), health=nothing)
    assert [line.split()[-1] for line in unknown[1:6]] == ["unknown"] * 5
    assert not any("never" in line for line in unknown)


def test_a_reason_is_told_as_it_is_and_lines_stay_within_80_columns() -> None:
    reasons = ["every turn failed: [Errno 111] refused", "start lag p99 9.00 ms is over the limit"]
    huge = msgspec.structs.replace(
        SAMPLE.health, due=10**7, started=10**7, finished=10**6, failed=10**6, running=10**6,
        error_p50_ms=12345.6, error_p99_ms=12345.6, lag_p99_ms=12345.6, cpu_share=1.5,
        loop_lag_p99_ms=12345.6, loop_lag_max_ms=123456.7, workers=16, connections=10**6,
        calls=10**8,
    )  # fmt: skip
    lines = _printed(_rows(HUNDRED), health=huge, valid=False, invalid_because=reasons)
    assert " ".join(lines).count("INVALID  every turn failed: [Errno 111] refused; start lag") == 1
    assert all(len(line) <= 80 for line in lines)


def test_a_path_is_never_broken() -> None:
    path = "results/" + "x" * 100
    out = io.StringIO()
    figures = load_figures(_summary(), columns_of(_rows(HUNDRED)), path)
    print_load(_summary(), figures, Console(file=out, width=80, color_system=None))
    assert f"results  {path}\n" in out.getvalue()


def test_the_object_has_what_went_wrong_on_purpose_and_the_books() -> None:
    figures = _figures(_rows(HUNDRED), faults={"lost": 0.01}, reconciliation=BOOKS)
    told = msgspec.json.decode(msgspec.json.encode(figures))
    assert told["faults"] == {"lost": 0.01}
    assert (told["books"]["orders"], told["books"]["breached"]) == (BOOKS.orders, 0)
    assert _figures(_rows(HUNDRED)).books is None
