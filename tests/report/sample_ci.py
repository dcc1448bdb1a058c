"""Tests that played flows, as a session would tell them; nothing here is measured."""

from collections.abc import Sequence

from harness.record.check import Check, FlowFigures, State, TestedFlows
from harness.record.run import QuantileSummary

REGRESSED = (
    "conversation/prewarm regressed against its baseline: p50 3349 -> 3355 ms, +5.9 ms [5.7, 6.1]; "
    "to blame: pay, +5.9 ms a turn [5.8, 6.0] (592.0 -> 597.9)"
)
OPEN = "conversation/baseline: cannot tell whether p99 <= 9s: 8812 ms [8100, 9300]"


def flow(name: str = "conversation/prewarm", p50_ms: float | None = 3355.0) -> FlowFigures:
    return FlowFigures(
        name=name,
        turns=400,
        failed=0 if p50_ms is not None else 400,
        mean_ms=3412.25 if p50_ms is not None else None,
        quantiles=[_point(0.5, p50_ms), _point(0.95, 4801.5), _point(0.99, None)],
        critical_ms={"pay": 598.0, "intent": 2001.4, "other": 3.0, "confirm": 480.1},
    )


def check(state: State = "passed", sentence: str = "", asked: str = "p95 <= 5s") -> Check:
    name = "conversation/prewarm"
    return Check(
        flow=name,
        asked=asked,
        state=state,
        sentence=sentence or f"{name}: {asked} holds",
        ms=4801.5,
        lo_ms=4700.0,
        hi_ms=4900.0,
        limit_ms=5000.0,
    )


def played(
    name: str = "test_pays_in_time",
    *checks: Check,
    passed: bool = True,
    flows: Sequence[FlowFigures] = (),
    path: str = "tests/test_latency.py",
) -> TestedFlows:
    return TestedFlows(
        test=f"{path}::{name}",
        path=path,
        line=12,
        passed=passed,
        flows=list(flows) or [flow()],
        checks=list(checks),
    )


def _point(quantile: float, ms: float | None) -> QuantileSummary:
    return QuantileSummary(
        quantile=quantile,
        ms=ms,
        lo_ms=None if ms is None else ms - 20,
        hi_ms=None if ms is None else ms + 30,
        effective_turns=None,
    )


PASSED = played("test_pays_in_time", check())
FAILED = played(
    "test_is_as_fast", check(), check("failed", REGRESSED, "as fast as its baseline"), passed=False
)
UNSURE = played("test_tail", check("cannot tell", OPEN, "p99 <= 9s"))
EXPECTED = played("test_is_slow_as_yet", check(), check("failed", REGRESSED))
"""Marked xfail, or within pytest.raises."""
