"""What a person reads at the end of an open run: belief first, and no line too long."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from harness.record import RunSummary, columns_of
from harness.report.load import open_run_lines
from tests.report.sample import series_run
from tests.report.whole import RUNS

FOLDER = Path("results/20260101-run")
SLOS = "p99<3600s,pay p50<1ms,p99.99<1s"
RUN, ROWS = series_run((), ("prewarm",), slos=SLOS)
COLUMNS = columns_of(ROWS)


def lines(summary: RunSummary) -> list[str]:
    return open_run_lines(summary, COLUMNS, FOLDER)


def test_it_begins_with_belief_and_ends_with_where_to_read_on() -> None:
    told = lines(RUN)
    assert told[0] == "VALID"
    assert told[1] == "turns: 1,200 started = 1,200 finished + 0 failed + 0 lost"
    assert told[-2:] == [
        "results  results/20260101-run",
        "to see it: tollbench report 20260101-run",
    ]


def test_every_reason_not_to_believe_it_is_a_line() -> None:
    told = lines(replace(RUN, valid=False, invalid_because=["one", "two"]))
    assert told[:2] == ["INVALID  one", "INVALID  two"]
    assert "VALID" not in told


def test_each_strategy_has_a_row_with_intervals_and_each_promise_one() -> None:
    told = lines(RUN)
    assert [line.split()[0] for line in told if "[" in line and "SLO" not in line] == [
        "baseline",
        "pre-warming",
    ]
    verdicts = [line.split("  ")[0] for line in told if line.startswith("SLO")]
    assert verdicts == ["SLO met", "SLO met", *["SLO missed"] * 2, *["SLO cannot tell"] * 2]


def test_a_percentile_of_too_few_turns_is_told_without_an_interval() -> None:
    few, rows = series_run((), turns=20)
    (row,) = [line for line in open_run_lines(few, columns_of(rows), FOLDER) if "baseline" in line]
    assert row.count("[unknown]") == 2  # of p95 and p99


def test_a_run_without_a_turn_tells_no_percentile() -> None:
    told = lines(RUNS["nothing"])
    assert not any(line.startswith("response time") for line in told)
    assert told[0].startswith("INVALID")


def test_a_lost_engine_is_told_with_what_it_never_began() -> None:
    told = " ".join(line.strip() for line in lines(RUNS["conducted"]))
    assert "host-1_4f2a: 640 started = 610 finished + 20 failed + 4 cut off + 6 lost" in told
    assert "160 more were due of it and never began" in told
    assert "6 turns were lost with the process that played them" in told
    assert "1,212  pay      RateLimited 429 FREQUENCY_LIMITED" in told
    assert "never: so many turns failed" in told


@pytest.mark.parametrize("name", ["conducted", "black box", "nothing", "failed"])
def test_no_line_is_longer_than_80_columns(name: str) -> None:
    assert all(len(line) <= 80 for line in lines(RUNS[name]))


def test_long_names_put_percentiles_below_each_other() -> None:
    named = [replace(v, name="x" * 60) for v in RUN.variants[:1]]
    told = lines(replace(RUN, variants=named))
    at = told.index(f"  {'x' * 60}")
    assert [line.split()[0] for line in told[at + 1 : at + 4]] == ["p50", "p95", "p99"]
