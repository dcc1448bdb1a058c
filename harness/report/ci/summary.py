"""Tested flows as Markdown, for a step's summary and for a comment; it computes and judges
nothing."""

from collections.abc import Iterator, Sequence

from harness.record.check import Check, FlowFigures, State, TestedFlows
from harness.record.run import QuantileSummary
from harness.report.ci.flows import NamedFlow, checks_of, named_flows, reasons, short_name
from harness.report.markdown import markdown_table, safe
from harness.report.page.cells import Cell, Table, table
from harness.report.words import interval, percentile, point_text, rounded

STEP_LIMIT = 1024 * 1024 - 1024
"""Bytes of a step's summary. GitHub drops the whole of one above 1 MiB, and has been seen to drop
one that came near it."""
COMMENT_LIMIT = 60_000
"""Bytes: a comment holds no more than 65,536 characters, and who posts it may add a line."""

STATES: tuple[State, ...] = ("passed", "failed", "cannot tell")
MOST_STAGES = 3
EARLY = "the session was ended early: tests may be missing"
CUT = "\nCut off here: latency.json has all of it.\n"


def summary_markdown(tests: Sequence[TestedFlows], limit: int, *, finished: bool = True) -> str:
    """The verdict, why tests failed, what could not be told, what each flow took; all checks
    folded. Never more than `limit` bytes: where it is too long, first without what is folded, and
    then cut off, which it says. `finished` says whether the session ran to its end.
    """
    for folded in (True, False):
        text = "\n".join(_lines(tests, folded, finished)).strip() + "\n"
        if len(text.encode()) <= limit:
            return text
    return _cut(text, limit)


def verdict(tests: Sequence[TestedFlows], *, finished: bool = True) -> str:
    """`FAILED`, `NOT FINISHED`, `CANNOT TELL` or `PASSED`: the worst there is; `NOT TESTED` where
    there is none."""
    if not tests:
        return "NOT TESTED"
    if not all(test.passed for test in tests):
        return "FAILED"
    if not finished:
        return "NOT FINISHED"
    return "CANNOT TELL" if checks_of(tests, "cannot tell") else "PASSED"


def _lines(tests: Sequence[TestedFlows], folded: bool, finished: bool) -> Iterator[str]:
    counted = _counted(tests) if finished else f"{_counted(tests)}; {EARLY}"
    told = f"**{verdict(tests, finished=finished)}**: {counted}"
    yield from ("### tollbench: latency", "", told, "")
    for test in tests:
        if not test.passed:
            yield from _told(test)
    unsure = [test for test in tests if test.passed and reasons(test)]
    if unsure:
        yield from ("Not failed, though a check could not tell:", "")
    for test in unsure:
        yield from _told(test)
    if flows := named_flows(tests):
        yield from markdown_table(_flows_table(flows))
    if folded and (checks := checks_of(tests)):
        yield from ("<details><summary>All checks</summary>", "")
        yield from markdown_table(_checks_table(checks))
        yield from ("</details>", "")


def _counted(tests: Sequence[TestedFlows]) -> str:
    """`1 of 3 tests failed; of 5 checks 3 passed, 1 failed, 1 cannot tell`. What failed in a test
    that passed was expected to."""
    if not tests:
        return "no test played a flow"
    failed = sum(not test.passed for test in tests)
    of_tests = f"{failed} of {_number(len(tests), 'test')} failed"
    counts: dict[str, int] = {state: len(checks_of(tests, state)) for state in STATES}
    expected = len(checks_of([test for test in tests if test.passed], "failed"))
    counts["failed"] -= expected
    counts["failed as expected"] = expected
    told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    return f"{of_tests}; of {_number(sum(counts.values()), 'check')} {told}" if told else of_tests


def _number(count: int, of: str) -> str:
    return f"{count} {of}" if count == 1 else f"{count} {of}s"


def _told(test: TestedFlows) -> Iterator[str]:
    """Where it stands, then why, a sentence each."""
    yield from (f"**{safe(short_name(test))}** ({safe(test.path)}, line {test.line})", "")
    yield from (f"- {safe(sentence)}" for sentence in reasons(test))
    yield ""


def _flows_table(flows: Sequence[NamedFlow]) -> Table:
    quantiles = sorted({point.quantile for flow in flows for point in flow.figures.quantiles})
    return table(
        "What each flow took, in ms",
        ("flow", "turns", "failed", "mean", *map(percentile, quantiles), "largest stages"),
        [_flow_row(flow, quantiles) for flow in flows],
        "In brackets, 95% intervals. Stages: mean ms a turn on the critical path.",
    )


def _flow_row(flow: NamedFlow, quantiles: Sequence[float]) -> list[Cell]:
    figures = flow.figures
    points = {point.quantile: point for point in figures.quantiles}
    mean = "" if figures.mean_ms is None else rounded([figures.mean_ms])[0]
    cells = [flow.name, f"{figures.turns}", f"{figures.failed}", mean]
    cells += [_point(points.get(quantile), figures) for quantile in quantiles]
    return [Cell(text) for text in (*cells, _stages(figures))]


def _point(point: QuantileSummary | None, flow: FlowFigures) -> str:
    return "" if point is None else point_text(point, flow.turns)


def _stages(flow: FlowFigures) -> str:
    """`intent 2001, pay 592, confirm 480`."""
    largest = sorted(flow.critical_ms.items(), key=lambda part: -part[1])[:MOST_STAGES]
    return ", ".join(f"{stage} {rounded([ms])[0]}" for stage, ms in largest)


def _checks_table(checks: Sequence[Check]) -> Table:
    return table(
        "Each check, figures and limits in ms",
        ("flow", "asked", "verdict", "figure", "limit"),
        [[Cell(text) for text in _check_row(check)] for check in checks],
    )


def _check_row(check: Check) -> tuple[str, ...]:
    figure = "" if check.ms is None else interval(check.ms, check.lo_ms, check.hi_ms)
    limit = "" if check.limit_ms is None else f"{check.limit_ms:g}"
    return check.flow, check.asked, check.state, figure, limit


def _cut(text: str, limit: int) -> str:
    """As many whole lines as fit, and that some do not."""
    room = limit - len(CUT.encode())
    if room < 0:
        return ""
    kept = text.encode()[:room].decode(errors="ignore")
    return kept.rpartition("\n")[0] + CUT
