"""The terminal's summary: a line a flow within 80 columns, the worst first, and never too many."""

from msgspec.structs import replace

from harness.flow.strategy import all_strategies
from harness.pytest_plugin.summary import MOST_PASSED, WIDTH, summary_lines, written_lines
from harness.record import Check, FlowFigures, QuantileSummary, State, TestedFlows

LONGEST = f"fraud_checked/{all_strategies()[-1].name}"


def _test(name: str, *states: State, ms: float | None = 12_345.6) -> TestedFlows:
    quantiles = [
        QuantileSummary(quantile=q, ms=ms, lo_ms=None, hi_ms=None, effective_turns=None)
        for q in (0.5, 0.95, 0.99)
    ]
    return TestedFlows(
        test="test_it.py::test_it",
        path="test_it.py",
        line=1,
        passed="failed" not in states,
        flows=[
            FlowFigures(
                name=name, turns=1, failed=0, mean_ms=ms, quantiles=quantiles, critical_ms={}
            )
        ],
        checks=[Check(flow=name, asked="", state=state, sentence="") for state in states],
    )


def test_the_worst_of_a_flow_counts_and_the_worst_flows_come_first() -> None:
    tests = [
        _test("a/prewarm", "passed"),
        _test("b/prewarm", "passed", "cannot tell"),
        _test("a/baseline", "passed", "failed", "cannot tell"),
        _test("a/baseline", "passed"),
    ]
    assert summary_lines(tests)[1:] == [
        "failed         12,346    12,346  a/baseline",
        "cannot tell    12,346    12,346  b/prewarm",
        "passed         12,346    12,346  a/prewarm",
    ]


def test_lines_keep_to_the_width_and_tell_a_missing_figure() -> None:
    (_, line) = summary_lines([_test(f"{LONGEST}/{LONGEST}", "failed", ms=None)])
    assert len(line) == WIDTH
    assert line.split()[:3] == ["failed", "-", "-"]
    (_, whole) = summary_lines([_test(LONGEST[5:], "failed")])
    assert whole.endswith(LONGEST[5:])


def test_many_that_passed_are_counted_and_those_that_failed_are_listed() -> None:
    passed = [_test(f"f{n}/baseline", "passed") for n in range(MOST_PASSED + 1)]
    lines = summary_lines([*passed, _test("bad/baseline", "failed")])
    assert [line.split()[0] for line in lines[1:]] == ["failed", "passed"]
    assert lines[-1].split() == ["passed", f"{MOST_PASSED + 1}", "flows"]


def test_quiet_tells_of_no_flow_that_passed_and_nothing_of_one_that_was_only_played() -> None:
    assert summary_lines([_test("a/baseline", "passed")], quiet=True) == []
    assert summary_lines([_test("a/baseline")]) == []


def test_what_a_passed_test_expected_to_fail_is_not_told_as_failed() -> None:
    expected = replace(_test("a/baseline", "failed"), passed=True)
    assert summary_lines([expected]) == []
    (_, line) = summary_lines([replace(_test("a/baseline", "passed", "failed"), passed=True)])
    assert line.startswith("passed ")


def test_baselines_are_counted_by_their_folder() -> None:
    written = [("base", "a/prewarm"), ("base", "a/baseline"), ("other", "a/prewarm")]
    assert written_lines([*written, ("base", "a/prewarm")]) == [
        "2 baselines written to base: review them with git diff",
        "1 baseline written to other: review them with git diff",
    ]
