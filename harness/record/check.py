"""What tests asked of a flow's latency and what came of it, as CI is told; it judges nothing."""

from typing import Literal

import msgspec

from harness.record.run import QuantileSummary, StagePart

State = Literal["passed", "failed", "cannot tell"]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was asked of a flow, and the answer."""

    flow: str
    """The flow's name, `conversation/prewarm`: what was played, and under which strategy."""
    asked: str
    """What was asked, as `p95 <= 3s`, `saves 200 ms at p50` or `as fast as its baseline`."""
    state: State
    sentence: str
    """The verdict with its interval and the stage to blame; whole, on one line."""
    ms: float | None = None
    lo_ms: float | None = None
    hi_ms: float | None = None
    """The figure that was judged, a percentile or a change, between its bounds; null where it is
    infinite, or not known."""
    limit_ms: float | None = None
    blame: list[StagePart] = []
    """What each stage has of the figure, the one to blame first; empty where there is none."""


class FlowFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What one flow took."""

    name: str
    turns: int
    failed: int
    mean_ms: float | None
    """Of the turns that were answered."""
    quantiles: list[QuantileSummary]
    """p50, p95 and p99."""
    critical_ms: dict[str, float]
    """Mean ms a turn spends in each stage on its critical path."""


class TestedFlows(msgspec.Struct, frozen=True, kw_only=True):
    """A test that played flows."""

    __test__ = False  # its name is no test for pytest

    test: str
    """Its node id."""
    path: str
    """Of its file, from the root of the project."""
    line: int
    """The line that failed, or the first of the test; counted from 1."""
    passed: bool
    flows: list[FlowFigures]
    checks: list[Check]
