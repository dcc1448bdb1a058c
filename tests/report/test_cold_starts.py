"""What cold starts took, in words: on a terminal, in Markdown and on a page."""

import io

import pytest
from msgspec import structs
from rich.console import Console

from harness.record import FirstRequest, RunSummary, TimesTaken
from harness.report.cold_starts import print_cold_starts
from harness.report.markdown import run_markdown
from harness.report.page import page
from harness.report.terminal import print_report
from tests.report.whole import COLD_STARTS, RUNS

RUN = RUNS["providers"]
NONE = structs.replace(RUN, cold_starts=[])


def printed(summary: RunSummary) -> list[str]:
    console = Console(file=io.StringIO(), width=80)
    print_cold_starts(summary, console)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_a_terminal_tells_openings_and_then_first_requests() -> None:
    assert (
        printed(RUN)
        == """
Opening a connection, ms: median (longest)
provider   opened  ahead  failed           DNS           TCP           TLS
──────────────────────────────────────────────────────────────────────────
wechat-ai   1,204      3       2  12.3 (456.8)  12.3 (456.8)  12.3 (456.8)
<alipay>        1      0       0                12.3 (456.8)

First request on a connection and later ones, ms: median
provider   stage  first  calls  later  calls
────────────────────────────────────────────
wechat-ai  pay     12.3  1,204    9.0      7
wechat-ai  key     12.3  1,204
A first request is one whose connection was opened for it; opening it is no part
of it. One on a connection opened ahead is told among the later ones.""".splitlines()
    )


def test_a_run_that_does_not_tell_connections_apart_says_nothing_of_them() -> None:
    assert printed(NONE) == []
    assert "Opening a connection" not in run_markdown(NONE) + page(NONE, {})


def test_openings_without_an_answered_request_are_told_alone() -> None:
    told = printed(structs.replace(RUN, cold_starts=COLD_STARTS[1:]))
    assert told[1].startswith("Opening a connection")
    assert not any("First request" in line for line in told)


@pytest.mark.parametrize("name", ["openrouter", "generativelanguage.googleapis.com", "x" * 70])
def test_no_figure_is_cut_however_long_an_opening_took(name: str) -> None:
    slow = TimesTaken(n=12_345, p50_ms=1234.56, max_ms=30000.12)
    one = structs.replace(
        COLD_STARTS[0],
        provider=name,
        connections=12_345,
        ahead=12_345,
        dns=slow,
        tcp=slow,
        tls=slow,
        requests=[FirstRequest(stage=name, first=slow, later=slow)],
    )
    lines = printed(structs.replace(RUN, cold_starts=[one]))
    assert max(map(len, lines)) <= 80
    words = " ".join(lines).split()
    assert [words.count(of) for of in ("12,345", "1234.6", "(30000.1)")] == [4, 5, 3]


def test_every_report_tells_them() -> None:
    console = Console(file=io.StringIO(), width=80)
    print_report(RUN, "results/x", console)
    assert isinstance(console.file, io.StringIO)
    for report in (console.file.getvalue(), run_markdown(RUN), page(RUN, {})):
        assert "Opening a connection, ms" in report
        assert "First request on a connection" in report
