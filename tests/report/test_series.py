"""A run of one round in words: its batches, its strategies side by side, an app under test."""

import io
import re

import pytest
from msgspec.structs import replace
from rich.console import Console

from harness.record import RunSummary, ShiftPoint
from harness.report.costs import cost_sentence
from harness.report.failures import SHOWN, failure_lines
from harness.report.health import account, counts, engine_sentence
from harness.report.notes import note_sentences
from harness.report.page.page import page
from harness.report.page.verdicts import sentences
from harness.report.series import batch_count, rounds_text, side_sentences
from harness.report.terminal import print_report
from harness.report.words import is_black_box
from tests.report.sample import sample_run, series_run
from tests.report.whole import RUNS

BOTH = series_run((), ("prewarm",))[0]
SHORT = series_run((), turns=40)[0]
CONDUCTED, BOX = RUNS["conducted"], RUNS["black box"]


def printed(summary: RunSummary) -> str:
    file = io.StringIO()
    print_report(summary, "results/run", Console(file=file, width=80, color_system=None))
    return file.getvalue()


@pytest.mark.parametrize(
    ("summary", "batches", "told"),
    [
        (BOTH, 10, "1 round, 10 batches"),
        (SHORT, 0, "1 round"),
        (sample_run(("prewarm",), rounds=5, turns=5)[0], 0, "5 rounds"),
        (replace(RUNS["compared"], rounds_finished=4), 0, "4/6 rounds"),
        (replace(SHORT, rounds_finished=0), 0, "0/1 rounds"),
        (replace(BOTH, rounds_finished=0), 10, "0/1 rounds, 10 batches"),
    ],
)
def test_a_run_of_one_round_tells_its_batches(summary: RunSummary, batches: int, told: str) -> None:
    assert (batch_count(summary), rounds_text(summary)) == (batches, told)
    assert told in " ".join(printed(summary).split())


def test_a_note_says_what_intervals_stand_on() -> None:
    (batched,) = [note for note in note_sentences(BOTH) if "series" in note]
    assert "10 batches of equal time act as its rounds" in batched
    (short,) = [note for note in note_sentences(SHORT) if "one round" in note]
    assert "independent" in short
    assert "too short" not in short  # nor is a long one of an older version, or one of idle users
    assert not any("one round" in note for note in note_sentences(RUNS["few"]))


def test_strategies_side_by_side_are_told_with_what_each_changed() -> None:
    (told,) = side_sentences(BOTH)
    assert re.match(
        r"pre-warming less baseline: p50 -\d+ ms \[-\d+, -\d+\], faster; p95 -\d+ ms", told
    )
    assert told in sentences(BOTH)
    assert "Nothing was compared" not in page(BOTH, {})
    assert "nothing can be said" not in printed(BOTH)
    assert "Strategies side by side" in printed(BOTH)


@pytest.mark.parametrize(
    ("lo", "hi", "word"),
    [(-9.0, -1.0, "faster"), (1.0, 9.0, "slower"), (-1.0, 9.0, "cannot tell"), (0.0, 9.0,
     "cannot tell"), (None, None, "unknown")],
)  # fmt: skip
def test_a_band_says_faster_only_where_all_of_it_is(
    lo: float | None, hi: float | None, word: str
) -> None:
    point = ShiftPoint(quantile=0.5, ms=-2.0, lo_ms=lo, hi_ms=hi)
    (told,) = side_sentences(replace(BOTH, shifts=[replace(BOTH.shifts[0], points=[point])]))
    assert told.endswith(f", {word}")


def test_a_comparison_and_payment_providers_are_told_their_own_way() -> None:
    assert side_sentences(RUNS["compared"]) == []
    apart = [replace(v, pay=v.name) for v in BOTH.variants]
    assert side_sentences(replace(BOTH, variants=apart)) == []


def test_an_app_under_test_has_its_overhead_named_and_no_cost_made_up() -> None:
    assert is_black_box(BOX.variants) and not is_black_box(BOTH.variants)
    assert any(note.startswith("own time is the app's overhead") for note in note_sentences(BOX))
    blind = [replace(v, critical_ms={"chat": 900.0, "own time": 1.0}) for v in BOX.variants]
    told = note_sentences(replace(BOX, variants=blind))
    assert any(note.startswith("nothing tells what the app did") for note in told)
    assert "CNY" not in cost_sentence(BOX.variants)
    assert not any("app" in note for note in note_sentences(BOTH))


# Where all turns are, and what failed


def test_an_account_adds_up_or_does_not_say_equal() -> None:
    health, engine = CONDUCTED.health, CONDUCTED.engines[0]
    assert account(health) == ("1,440 started = 1,394 finished + 36 failed + 4 cut off + 6 lost")
    assert counts(health).endswith("started 1440 = finished 1394 + failed 36 + running 4 + lost 6")
    assert " but " in account(replace(health, lost=5))
    assert " = finished" not in counts(replace(health, lost=5))
    assert account(CONDUCTED.engines[1]) == "800 started = 784 finished + 16 failed + 0 lost"
    assert engine_sentence(engine).endswith(
        "; 160 more were due of it and never began; it died: killed by signal 9"
    )


def test_engines_are_told_where_several_made_the_load_or_one_lost_turns() -> None:
    dead, alive = CONDUCTED.engines
    assert "host-1_4f2a" in printed(CONDUCTED)
    assert "host-1_4f2a" in printed(replace(CONDUCTED, engines=[dead]))
    assert "host-2_9c01" not in printed(replace(CONDUCTED, engines=[alive]))


def test_the_most_frequent_failures_are_told_and_the_others_counted() -> None:
    failures = CONDUCTED.failures
    lines = failure_lines(failures)
    assert len(lines) == SHOWN + 1
    assert lines[0].split() == ["1,212", "pay", "RateLimited", "429", "FREQUENCY_LIMITED"]
    assert lines[-1].split() == ["2", "2", "other", "causes"]
    assert failure_lines(failures[:2])[-1].split()[0] == "14"
    long = [replace(failures[0], cause="x" * 200)]
    assert failure_lines(long)[0].endswith("...") and len(failure_lines(long)[0]) == 80


def test_promises_come_first_and_the_report_stays_within_80_columns() -> None:
    for run in (CONDUCTED, BOX, BOTH, SHORT):
        lines = [line.rstrip() for line in printed(run).splitlines()]
        assert all(len(line) <= 80 for line in lines)
    lines = printed(CONDUCTED).splitlines()
    assert lines[1].startswith("INVALID")
    assert lines[3].startswith("1 of 14 SLOs met")


def test_the_page_has_promises_before_all_else_and_failures_where_belief_is_weighed() -> None:
    html = page(CONDUCTED, {})
    marks = [
        "INVALID</span>", 'id="verdict"', "Service levels", "re-warming less baseline",
        'id="validity"', "Engines: ", "Calls that failed", "locust -f scenarios/locustfile.py",
    ]  # fmt: skip
    places = [html.index(mark) for mark in marks]
    assert places == sorted(places)
    assert "&lt;overloaded_error&gt;" in html
