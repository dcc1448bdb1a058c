"""Promises in words: the figure, its interval and of how many; in INVALID runs too."""

import io

import pytest
from msgspec.structs import replace
from rich.console import Console

from harness.record import RunSummary, SloSummary
from harness.report.markdown import run_markdown
from harness.report.page.page import page
from harness.report.page.service import slos_table
from harness.report.slo import found, print_slos, slo_headline, slo_sentences
from tests.report.sample import series_run
from tests.report.whole import RUNS

MET = SloSummary(
    text="p99<3s", variant="baseline", quantile=0.99, limit=3000.0, figure=2011.4, lo=1900.2,
    hi=2201.0, count=12003, verdict="met",
)  # fmt: skip
OPEN = replace(MET, text="pay p99<2s", stage="pay", limit=2000.0, verdict="cannot tell")
LATE = replace(MET, limit=1000.0, verdict="missed")
SHARE = replace(
    MET, text="errors<0.5%", quantile=None, limit=0.005, figure=0.00108, lo=0.000515, hi=0.0021
)


@pytest.mark.parametrize(
    ("slo", "told"),
    [
        (MET, "2011 ms [1900, 2201] of 12,003 turns"),
        (OPEN, "2011 ms [1900, 2201] of 12,003 calls"),
        (replace(MET, figure=4.25, lo=4.0, hi=4.5), "4.2 ms [4.0, 4.5] of 12,003 turns"),
        (replace(MET, hi=None), "2011 ms [1900, never] of 12,003 turns"),
        (replace(MET, figure=None, hi=None), "never [1900, never] of 12,003 turns"),
        (replace(LATE, figure=None, lo=None, hi=None), "never of 12,003 turns"),
        (replace(OPEN, figure=None, lo=None, hi=None, count=1), "n too small: 1 call"),
        (SHARE, "0.108% [0.0515, 0.21] of 12,003 turns failed"),
        (replace(SHARE, figure=0.0, lo=0.0), "0% [0, 0.21] of 12,003 turns failed"),
        (replace(SHARE, figure=None, lo=None, hi=None, count=0), "no turn was made"),
        (replace(OPEN, figure=None, lo=None, hi=None, count=0), "no call of stage pay was made"),
    ],
)
def test_what_was_found_is_a_figure_between_its_bounds(slo: SloSummary, told: str) -> None:
    assert found(slo) == told


@pytest.mark.parametrize(
    ("slos", "told"),
    [
        ([MET], "1 of 1 SLO met"),
        ([MET, SHARE], "2 of 2 SLOs met"),
        ([MET, LATE, OPEN], "1 of 3 SLOs met, 1 missed, 1 cannot be told"),
        ([OPEN], "0 of 1 SLO met, 1 cannot be told"),
    ],
)
def test_a_headline_counts_verdicts(slos: list[SloSummary], told: str) -> None:
    assert slo_headline(slos) == told


def test_a_strategy_is_named_where_there_are_several() -> None:
    one, _ = series_run((), turns=20, slos="p50<9s")
    two, _ = series_run((), ("prewarm",), turns=20, slos="p50<9s")
    assert [told.split(": ")[0] for _, told in slo_sentences(one)] == ["p50<9s"]
    assert [told.split(": ")[0] for _, told in slo_sentences(two)] == [
        "p50<9s, baseline",
        "p50<9s, pre-warming",
    ]


def printed(summary: RunSummary) -> str:
    file = io.StringIO()
    print_slos(summary, Console(file=file, width=80, color_system=None))
    return file.getvalue()


def test_a_run_without_promises_prints_nothing_of_them() -> None:
    assert printed(RUNS["compared"]) == ""


def test_every_promise_has_its_verdict_before_it_within_80_columns() -> None:
    summary = replace(RUNS["compared"], slos=[MET, LATE, replace(OPEN, stage="p" * 60)])
    lines = printed(summary).splitlines()
    assert [line[:13].strip() for line in lines[2:5]] == ["met", "missed", "cannot tell"]
    assert all(len(line.rstrip()) <= 80 for line in lines)


@pytest.mark.parametrize("stage", ["", "warm"])
@pytest.mark.parametrize("quantile", [0.99, None])
def test_of_none_a_table_says_that_none_was_made(stage: str, quantile: float | None) -> None:
    none = replace(
        MET, stage=stage, quantile=quantile, figure=None, lo=None, hi=None, count=0,
        verdict="cannot tell",
    )  # fmt: skip
    few = replace(OPEN, figure=None, lo=None, hi=None, count=1)
    summary = replace(series_run((), turns=20)[0], slos=[none, few])
    told = slos_table(summary)
    assert told is not None
    assert [row[2].text for row in told.rows] == ["none was made", "n too small"]
    assert "none was made" in run_markdown(summary)
    assert "none was made" in page(summary, {})
