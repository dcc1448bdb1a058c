"""What faults cost and whether the books hold: on a terminal, in Markdown and on a page."""

import io
from pathlib import Path

import pytest
from msgspec import structs
from rich.console import Console

from harness.record import RunSummary, columns_of
from harness.record.reconciliation import ReconciliationSummary
from harness.report.load import open_run_lines
from harness.report.markdown import run_markdown
from harness.report.page import page
from harness.report.resilience import (
    books_sentence,
    faults_text,
    print_resilience,
    struck_sentences,
)
from harness.report.terminal import print_report
from harness.report.words import from_baseline
from tests.report.sample import sample_run, series_run
from tests.report.told import Page, as_json, mistakes
from tests.report.whole import BOOKS, RUNS, cost, resilience

RUN = RUNS["compared"]
QUIET = structs.replace(RUN, faults={}, resilience=[], reconciliation=None)


def with_cost() -> RunSummary:
    """Two strategies."""
    run, _ = sample_run(("prewarm",), rounds=2, turns=5)
    return structs.replace(run, resilience=resilience(run), faults={"timeouts": 0.01})


def printed(run: RunSummary, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    print_resilience(run, from_baseline(run.variants), console)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_a_terminal_tells_the_whole_then_the_ends_then_the_times() -> None:
    assert (
        printed(with_cost())
        == """
What faults cost
pre-   turns  calls/  amplifi-  wasted    clean    clean
warm  struck    turn    cation   calls  p50, ms  p95, ms
────────────────────────────────────────────────────────
 ·     25.0%    4.11     1.04x   0.212     3704    never
 ●     25.0%    4.11             0.212     3703    never
Clean turns are those that nothing struck. Amplification: calls a turn over
those of a clean one. Wasted calls, a turn: those that failed or were turned
away, and sessions and confirmations that nobody used.

Turns that each fault struck, of all strategies together
fault     turns  failed         reversed
──────────────────────────────────────────────
timeouts    160      16  10.0%         8  5.0%
cancels      20       2  10.0%         1  5.0%

Response time of those turns, ms
pre-       timeouts     cancels
warm     p50    p95    p50  p95
───────────────────────────────
 ·     33951  never   2145  few
 ●     33951  never
never: so many turns failed that the figure lies among them
few: of so few turns that they do not tell it""".splitlines()
    )


@pytest.mark.parametrize("name", ["compared", "providers"])
def test_however_many_faults_and_digits_no_figure_leaves_the_terminal(name: str) -> None:
    run = RUNS[name]
    names = [f"notices-reordered{n}" for n in range(9)]
    all_of_them = [
        structs.replace(
            one, faults=[cost(one.variant, of, 80, 133_950.6, 299_999.9) for of in names]
        )
        for one in resilience(run)
    ]
    lines = printed(structs.replace(run, resilience=all_of_them))
    assert max(map(len, lines)) <= 80
    words = " ".join(lines).split()
    assert words.count("133951") == words.count("300000") == 9 * len(run.variants)


def test_where_nothing_was_to_go_wrong_nothing_is_said() -> None:
    assert printed(QUIET) == []
    told = run_markdown(QUIET) + page(QUIET, {})
    assert not any(word in told for word in ("faults cost", "Books:", "held against the books"))


def test_where_nothing_was_struck_there_is_no_table_of_faults() -> None:
    run = with_cost()
    calm = [structs.replace(one, struck_turns=0, faults=[]) for one in run.resilience]
    lines = printed(structs.replace(run, resilience=calm))
    assert "What faults cost" in lines
    assert not any("Response time" in line or "each fault" in line for line in lines)


def test_where_every_turn_was_struck_nothing_is_told_of_clean_ones() -> None:
    run = with_cost()
    all_of_them = [
        structs.replace(one, struck_turns=400, clean_p50_ms=None, amplification=None, faults=[])
        for one in run.resilience
    ]
    struck = structs.replace(run, resilience=all_of_them)
    assert [line.split() for line in printed(struck)[5:7]] == [
        ["·", "100%", "4.11", "0.212"],
        ["●", "100%", "4.11", "0.212"],
    ]
    assert not any(word in " ".join(printed(struck)) for word in ("few", "never"))
    assert "| baseline | 400 | 400 | 4.11 |  | 0.212 |  |  |" in run_markdown(struck)


def test_faults_are_told_with_what_the_agent_does_about_them() -> None:
    assert faults_text(RUN) == "timeouts 1%, wechat-ai cancels 0.5%; retries 2; patience 30.5 s"
    tiny = structs.replace(QUIET, faults={"lost": 1e-9, "late": 1.0}, parameters={"retries": 0})
    assert faults_text(tiny) == "lost 1e-07%, late 100%; retries 0"


def test_the_books_are_one_sentence() -> None:
    assert books_sentence(BOOKS) == (
        "1,204 orders, 0 breaches; CNY 1,234,567.89 captured - 45.80 refunded - 740.83 fees = "
        "1,233,781.26 settled; USD 45.80 captured - 0.00 refunded - 0.30 fees = 45.50 settled; "
        "2 payments stayed unknown; 3 orders of turns that were cut off; "
        "1 payment whose belief was not kept"
    )
    assert books_sentence(ReconciliationSummary(orders=1, breached=1)) == "1 order, 1 breach"


def test_every_report_tells_them() -> None:
    console = Console(file=io.StringIO(), width=80)
    print_report(RUN, "results/x", console)
    assert isinstance(console.file, io.StringIO)
    terminal, markdown, html = console.file.getvalue(), run_markdown(RUN), page(RUN, {})
    for told in (terminal, markdown, html):
        assert "What faults cost" in told
        assert "timeouts 1%, wechat-ai cancels 0.5%; retries 2" in told
    assert "books  1,204 orders" in terminal
    assert "Books: 1,204 orders, 0 breaches; " in markdown
    assert 'data-run="/reconciliation/settled_minor/CNY" data-times="0.01">1,233,781.26' in html


def test_markdown_and_page_name_strategies_in_words_from_the_baseline() -> None:
    text = run_markdown(with_cost())
    rows = [line.split(" | ")[0] for line in text.splitlines() if "0.212" in line]
    assert rows == ["| baseline", "| pre-warming"]


def test_breaches_are_told_on_a_page_and_in_markdown_each_with_its_place() -> None:
    run = RUNS["few"]
    text = run_markdown(run)
    assert "20 more are not told." in text
    (row,) = [line for line in text.splitlines() if line.startswith("| one capture")]
    assert row == (
        r"| one capture | r0a2-1 | &lt;wechat> \| ai | prewarm | 1 | 12 | 3 | "
        r"it was charged 2 times: &lt;b>r0a2-1&lt;/b> \| r0a2-2 |"
    )
    (whole,) = [line for line in text.splitlines() if line.startswith("| conservation")]
    assert "|  |  |  | 1 is left |" in whole
    told = {of.text for of in Page(page(run, {})).told if of.run[0].startswith("/reconcil")}
    assert {"one capture", "r0a2-1", "<wechat> | ai", "12", "1 is left"} <= told


def test_plain_lines_tell_what_was_struck_and_the_books() -> None:
    run, rows = series_run((), ("prewarm",))
    struck = resilience(run)
    run = structs.replace(run, resilience=struck, reconciliation=BOOKS, faults=RUN.faults)
    assert list(struck_sentences(run)) == [
        "baseline: faults struck 100 of 400 turns (timeouts 80, cancels 20), at 1.04x the calls",
        "pre-warming: faults struck 100 of 400 turns (timeouts 80)",
    ]
    lines = open_run_lines(run, columns_of(rows), Path("results/x"))
    assert "faults  timeouts 1%, wechat-ai cancels 0.5%" in lines
    assert any(line.startswith("baseline: faults struck 100 of 400 turns") for line in lines)
    assert any(line.startswith("books  1,204 orders, 0 breaches; CNY") for line in lines)
    assert max(map(len, lines)) <= 80


def test_figures_of_some_conversations_alone_say_so() -> None:
    run = with_cost()
    run = structs.replace(run, resilience=[structs.replace(of, every=3) for of in run.resilience])
    told = "Of one conversation in 3 alone."
    assert told in " ".join(printed(run))
    assert told in run_markdown(run)
    assert told in page(run, {})
    assert all(line.endswith(", of one conversation in 3") for line in struck_sentences(run))


def test_where_no_table_tells_what_faults_cost_the_faults_are_told_all_the_same() -> None:
    run = structs.replace(RUN, resilience=[])
    told = "faults: timeouts 1%, wechat-ai cancels 0.5%"
    assert told in run_markdown(run)
    assert told in page(run, {})
    assert mistakes(Page(page(run, {})).told, as_json(run)) == []
    assert told not in run_markdown(RUN) + page(RUN, {})
