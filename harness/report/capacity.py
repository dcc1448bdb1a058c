"""What a capacity sweep found, in 80 columns: a sentence, its steps, a curve; it judges nothing."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.record import CapacitySummary, QuantileSummary, RunSummary, Step
from harness.report.tables import plain_table, print_heading
from harness.report.words import FACTORS, N_TOO_SMALL, NEVER, percentile, point_text

PLOT_WIDTH = 66
PLOT_REACH = 1.5
"""The curve's axis ends at so many times the service level; what is slower is at its edge."""


def print_capacity(summary: RunSummary, path: str, console: Console) -> None:
    """The whole report of a sweep. `summary` must have a capacity."""
    found = summary.capacity
    assert found is not None
    facts = (
        f"{_strategy(summary)}, {summary.clock} clock, {summary.endpoints}, seed {summary.seed}, "
        f"think times x {summary.parameters['think_scale']:g}"
    )
    console.print(Text.assemble((summary.scenario, "bold"), "  ", facts))
    console.print(Text(capacity_sentence(summary), "bold" if found.confirmed else ""))
    console.print(Text(_method(summary, found)))
    if found.steps:
        steps = sorted(found.steps, key=lambda step: (step.rate, step.round))
        print_heading("Response time by rate, ms, with 95% intervals", console)
        console.print(_table(steps, _shown(found)))
        if NEVER in {point_text(of, step.due) for step in steps for of in step.quantiles}:
            console.print(Text(f"{NEVER}: among turns that failed", "dim"))
        _print_reasons(steps, console)
        _print_curve(steps, found, console)
    console.print()
    state = ("VALID", "bold green") if summary.valid else ("INVALID  ", "bold red")
    console.print(Text.assemble(state, ("; ".join(summary.invalid_because), "red")))
    console.print(Text(f"results  {path}"), soft_wrap=True)


def capacity_sentence(summary: RunSummary) -> str:
    """`sustains 21.5 turns/s within 8 s at p99; fails at 23.7`, or why that cannot be said."""
    found = summary.capacity
    assert found is not None
    held, failed = found.sustained_rate, found.failed_rate
    within = f"within {found.slo_ms / 1e3:g} s at {percentile(found.quantile)}"
    if held is not None and failed is not None:
        doubt = "" if found.confirmed else "; not confirmed by a second measurement of both"
        return f"sustains {held:g} turns/s {within}; fails at {failed:g}{doubt}"
    if held is not None:
        return f"capacity not found up to {held:g} turns/s, which it sustains {within}: " + _beyond(
            summary
        )
    if failed is not None:
        return f"capacity not found: already {failed:g} turns/s fail to be {within}"
    return "capacity not found: no step was measured"


def _beyond(summary: RunSummary) -> str:
    if summary.parameters.get("limits") == "none":
        return "the mocks have no limit; give them one with --capacity"
    lower = "set one with --capacity, or " if summary.endpoints == "mock" else ""
    return f"any limit lies beyond; {lower}go higher with --to"


def _strategy(summary: RunSummary) -> str:
    on = str(summary.parameters.get("strategy", "")).split("+")
    return " + ".join(FACTORS.get(part, part) for part in on)


def _method(summary: RunSummary, found: CapacitySummary) -> str:
    settle, lasts = summary.parameters["settle_s"], summary.parameters["duration_s"]
    return (
        f"{len(found.steps)} steps; each settles for {settle:g} s and is then judged for "
        f"{lasts:g} s, or longer where {percentile(found.quantile)} needs more turns"
    )


def _shown(found: CapacitySummary) -> list[float]:
    """Three quantiles, as many as fit: that of the service level, and the usual."""
    usual = (0.5, 0.95, 0.99)
    return list(usual) if found.quantile in usual else sorted({0.5, 0.95, found.quantile})


def _table(steps: Sequence[Step], shown: Sequence[float]) -> Table:
    table = plain_table(gap=2)
    table.add_column("turns/s", justify="right", no_wrap=True)
    table.add_column("kept")
    for quantile in shown:
        table.add_column(percentile(quantile), justify="right")
    for step in steps:
        kept = Text(*_KEPT[_kept(step)])
        points = {point.quantile: point for point in step.quantiles}
        told = [point_text(points[q], step.due) if q in points else "" for q in shown]
        table.add_row(f"{step.rate:g}", kept, *told)
    return table


_KEPT = {"yes": ("yes", "green"), "no": ("no", "red"), "?": ("?", "yellow")}


def _kept(step: Step) -> str:
    """A question mark where a longer step might have told."""
    if step.sustained:
        return "yes"
    too_few = len(step.because) == 1 and step.because[0].startswith(N_TOO_SMALL)
    return "?" if too_few else "no"


def _print_reasons(steps: Sequence[Step], console: Console) -> None:
    failed = [step for step in steps if step.because]
    if not failed:
        return
    print_heading("Why not", console)
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    for step in failed:
        table.add_row(f"{step.rate:g}", "; ".join(step.because))
    console.print(table)


# The curve


def _print_curve(steps: Sequence[Step], found: CapacitySummary, console: Console) -> None:
    """A line a rate, of its last step: where its quantiles lie on an axis from 0."""
    dot, line = ("o", "|") if console.options.ascii_only else ("●", "│")
    last = {step.rate: step for step in steps}
    width = min(PLOT_WIDTH, console.width - 10)
    print_heading(
        f"{percentile(found.quantile)} by rate: {dot} with its bounds, {line} is "
        f"{found.slo_ms / 1e3:g} s",
        console,
    )
    for rate, step in last.items():
        point = next(of for of in step.quantiles if of.quantile == found.quantile)
        drawn = _line(point, step, found.slo_ms, width, dot, line)
        console.print(Text(f"{rate:>7g}  {drawn}".rstrip()))


def _line(
    point: QuantileSummary, step: Step, slo_ms: float, width: int, dot: str, line: str
) -> str:
    cells = [" "] * width
    cells[_place(slo_ms, slo_ms, width)] = line
    if point.lo_ms is None:
        told = point_text(point, step.due)
        return told + "".join(cells)[len(told) :]
    low, high = (_place(ms, slo_ms, width) for ms in (point.lo_ms, point.hi_ms))
    for at in range(low, high + 1):
        cells[at] = "-"
    cells[_place(point.ms, slo_ms, width)] = dot
    if high == width - 1:
        cells[high] = ">"
    return "".join(cells)


def _place(ms: float | None, slo_ms: float, width: int) -> int:
    """None is infinite."""
    share = 1.0 if ms is None else min(1.0, ms / (PLOT_REACH * slo_ms))
    return round(share * (width - 1))
