"""Figures for a dashboard that follows them from commit to commit; it compares none."""

from collections.abc import Iterator, Sequence

import msgspec

from harness.record.check import FlowFigures, TestedFlows
from harness.record.run import QuantileSummary
from harness.report.ci.flows import named_flows
from harness.report.words import percentile


class Metric(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a chart at one commit, as github-action-benchmark's `customSmallerIsBetter`
    reads it."""

    name: str
    unit: str
    value: float
    range: str | None = None
    """`± 19.0`, half the interval. With a decimal: it reads no single digit."""
    extra: str


def history_json(tests: Sequence[TestedFlows]) -> bytes:
    """A metric a flow and percentile. Left out is a percentile that is infinite, or not known: it
    would be no number, and latency.json has it as null."""
    metrics = [
        metric for flow in named_flows(tests) for metric in _metrics(flow.name, flow.figures)
    ]
    return msgspec.json.format(msgspec.json.encode(metrics), indent=2) + b"\n"


def _metrics(name: str, flow: FlowFigures) -> Iterator[Metric]:
    for point in flow.quantiles:
        if point.ms is not None:
            yield Metric(
                name=f"{name} {percentile(point.quantile)}",
                unit="ms",
                value=round(point.ms, 3),
                range=_range(point),
                extra=_extra(flow, point),
            )


def _range(point: QuantileSummary) -> str | None:
    if point.lo_ms is None or point.hi_ms is None:
        return None
    return f"± {(point.hi_ms - point.lo_ms) / 2:.1f}"


def _extra(flow: FlowFigures, point: QuantileSummary) -> str:
    """For the tooltip: the interval itself, of how many turns, and where the time went."""
    known = point.lo_ms is not None and point.hi_ms is not None
    bounds = [f"95% interval [{point.lo_ms:.1f}, {point.hi_ms:.1f}] ms"] if known else []
    stages = [f"{stage}: {ms:.1f} ms a turn" for stage, ms in flow.critical_ms.items()]
    return "\n".join([*bounds, f"{flow.turns} turns, {flow.failed} failed", *stages])
