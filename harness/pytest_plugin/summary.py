"""The terminal's summary of flows that tests checked, a line each; it judges none."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.record.check import FlowFigures, State, TestedFlows

WIDTH = 80
MOST_PASSED = 20
"""Where more flows passed they are counted only."""

_HEAD = f"{'':<11} {'p50':>9} {'p95':>9}  ms"


def summary_lines(tests: "Sequence[TestedFlows]", *, quiet: bool = False) -> list[str]:
    """Of each flow that something was asked of: the worst that came of it, and what it took. What
    failed in a test that passed was expected to, and is not told.

    Those that passed come last, and are left out when it is to be quiet.
    """
    worst: dict[_Took, State] = {}
    for took, state in _checked(tests):
        worst[took] = min(state, worst.get(took, state), key=_ORDER.index)
    found = sorted(worst.items(), key=lambda line: _ORDER.index(line[1]))
    lines = [_line(took, state) for took, state in found if state != "passed"]
    passed = [_line(took, state) for took, state in found if state == "passed" and not quiet]
    if len(passed) <= MOST_PASSED:
        lines += passed
    else:
        lines.append(f"{'passed':<11} {len(passed)} flows")
    return [_HEAD, *lines] if lines else []


def written_lines(written: Iterable[tuple[str, str]]) -> list[str]:
    """Of the baselines that were written, each by its folder and its name."""
    counts = Counter(folder for folder, _ in set(written))
    return [
        f"{count} baseline{'s' * (count > 1)} written to {folder}: review them with git diff"
        for folder, count in sorted(counts.items())
    ]


_ORDER: "tuple[State, ...]" = ("failed", "cannot tell", "passed")

_Took = tuple[str, float | None, float | None]
"""A flow's name, and its p50 and p95 in ms."""


def _checked(tests: "Sequence[TestedFlows]") -> "Iterator[tuple[_Took, State]]":
    for test in tests:
        for flow in test.flows:
            states = [
                check.state
                for check in test.checks
                if check.flow == flow.name and not (test.passed and check.state == "failed")
            ]
            if states:
                took = flow.name, _ms(flow, 0.5), _ms(flow, 0.95)
                yield took, min(states, key=_ORDER.index)


def _ms(flow: "FlowFigures", quantile: float) -> float | None:
    return next((point.ms for point in flow.quantiles if point.quantile == quantile), None)


def _line(took: _Took, state: "State") -> str:
    name, p50_ms, p95_ms = took
    line = f"{state:<11} {_told(p50_ms):>9} {_told(p95_ms):>9}  {name}"
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def _told(ms: float | None) -> str:
    return "-" if ms is None else f"{ms:,.0f}"
