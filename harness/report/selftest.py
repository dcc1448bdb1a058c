"""What a self-test found: one object, and the same as tables and sentences; it computes nothing."""

from typing import Literal

import msgspec
from rich.console import Console
from rich.text import Text

from harness.record import Health
from harness.report.tables import plain_table, print_heading
from harness.report.words import N_TOO_SMALL, percentile
from harness.stats.calibration import Calibration, Detection, FalseAlarms, PairFigures, Twins
from harness.stats.order import Order

State = Literal["PASS", "FAIL", "CANNOT TELL", "INVALID"]

UNKNOWN = "unknown"

_STYLES: dict[State, str] = {
    "PASS": "bold green",
    "FAIL": "bold red",
    "CANNOT TELL": "bold yellow",
    "INVALID": "bold red",
}


class SelftestSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The whole of selftest.json."""

    schema: Literal[1] = 1
    tool_version: str
    scenario: str
    parameters: dict[str, float | int | str]
    strategy: str
    clock: Literal["virtual", "real"]
    endpoints: Literal["mock"] = "mock"
    seed: int
    pairs: int
    """Of equal arms; as asked for, not all may have finished."""
    turns: int
    """Of an arm of a pair."""
    rounds: int
    """Of a pair."""
    alpha: float
    level: float
    """Of the intervals of rates; those of the order are at `order_level`."""
    order_level: float
    started_at: str
    wall_s: float
    argv: list[str]
    machine: dict[str, str]
    versions: dict[str, str]
    profiles: dict[str, str]
    provenance: dict[str, str]
    state: State
    because: list[str]
    """Why, a sentence each."""
    health: Health
    calibration: Calibration
    equal_pairs: list[PairFigures]
    slowed_pairs: list[PairFigures]


def print_selftest(summary: SelftestSummary, results_path: str, console: Console) -> None:
    """Print it all, at 80 columns."""
    found = summary.calibration
    _print_title(summary, console)
    _print_alarms(summary, console)
    if found.detections:
        _print_detections(found, console)
    console.print()
    if found.twins is not None:
        console.print(Text(twins_sentence(found.twins)))
    for order in found.order:
        console.print(Text(order_sentence(order, summary.order_level)))
    console.print()
    state = Text.assemble((summary.state, _STYLES[summary.state]), "  ")
    console.print(state + Text("; ".join(summary.because)))
    console.print(Text(f"results  {results_path}"), soft_wrap=True)


def twins_sentence(twins: Twins) -> str:
    where = "equal arms in one weather"
    if not twins.turns:
        return f"{where}: {UNKNOWN}, none was played"
    if not twins.unequal:
        return f"{where}: all {twins.turns} turns equal to the microsecond"
    told = f"{where}: {twins.unequal} of {twins.turns} turns unequal"
    if twins.crowded:
        return f"{told}; calls queued or were turned away, which hangs on when an arm is due"
    return told


def order_sentence(order: Order, level: float) -> str:
    """What the place in the order did, with its interval, and whether that is anything at all."""
    name, what = _ORDERS[order.what]
    if order.ms is None or order.lo_ms is None or order.hi_ms is None:
        return f"{name}: {UNKNOWN}, too few rounds"
    seen = "seen" if order.seen else "none seen"
    figures = f"{order.ms:+.1f} ms [{order.lo_ms:.1f}, {order.hi_ms:.1f}]"
    return f"{name}: {seen}; {what} {figures} ({level:.0%}, {order.rounds} rounds)"


def _print_title(summary: SelftestSummary, console: Console) -> None:
    facts = f"{summary.strategy}  {summary.clock} clock, {summary.endpoints}  seed {summary.seed}"
    console.print(Text.assemble((f"selftest of {summary.scenario}", "bold"), "  ", facts))
    pairs = f"{summary.pairs} pairs of 2 x {summary.turns} turns in {summary.rounds} rounds"
    console.print(Text(pairs))


def _print_alarms(summary: SelftestSummary, console: Console) -> None:
    where = "each in weather of its own" if summary.clock == "virtual" else "in one weather"
    print_heading(f"Equal arms, {where}: differences seen all the same", console)
    table = plain_table(2)
    table.add_column(no_wrap=True)
    for header in (
        "false\nalarms",
        f"rate [{summary.level:.0%}]",
        "p-values\nuniform",
        "95% differ\nby less than",
        "found in\n4 of 5 runs",
    ):
        table.add_column(header, justify="right", no_wrap=True)
    for row in summary.calibration.false_alarms:
        is_primary = row.quantile == summary.calibration.primary
        table.add_row(*_alarm_cells(row), style="bold" if is_primary else "")
    console.print(table)


def _alarm_cells(row: FalseAlarms) -> list[str]:
    where = percentile(row.quantile)
    if row.rate is None:
        return [where, "", N_TOO_SMALL]
    return [
        where,
        f"{row.alarms}/{row.pairs}",
        _rate(row.rate, row.rate_lo, row.rate_hi),
        UNKNOWN if row.ks_p is None else f"KS p={row.ks_p:.2f}",
        _percent(row.noise_percent),
        _percent(row.detectable_percent),
    ]


def _print_detections(found: Calibration, console: Console) -> None:
    stage = found.detections[0].stage
    where = f"in one weather as in compare, at {percentile(found.primary)}"
    print_heading(f"{stage} slowed on purpose, {where}", console)
    table = plain_table(2)
    table.add_column("by", no_wrap=True)
    for header in (
        "a turn became\nslower by",
        "caught",
        "rate [95%]",
        "incon-\nclusive",
        "wrong\nsign",
        "found in\n4 of 5 runs",
    ):
        table.add_column(header, justify="right", no_wrap=True)
    for row in found.detections:
        table.add_row(*_detection_cells(row))
    console.print(table)


def _detection_cells(row: Detection) -> list[str]:
    by = f"+{row.slowed_percent:g}%"
    if row.pairs == 0:
        return [by, UNKNOWN]
    return [
        by,
        UNKNOWN if row.ms is None else f"{row.ms:.1f} ms, {_percent(row.percent)}",
        f"{row.caught}/{row.pairs}",
        _rate(row.caught / row.pairs, row.caught_lo, row.caught_hi),
        f"{row.inconclusive}",
        f"{row.wrong_sign}",
        _percent(row.detectable_percent),
    ]


def _rate(rate: float, lo: float | None, hi: float | None) -> str:
    """`5.0% [1.0, 13.9]`."""
    if lo is None or hi is None:
        return f"{rate:.1%} [{UNKNOWN}]"
    return f"{rate:.1%} [{100 * lo:.1f}, {100 * hi:.1f}]"


def _percent(percent: float | None) -> str:
    """With one decimal, or two where one would leave little."""
    if percent is None:
        return UNKNOWN
    return f"{percent:.{2 if abs(percent) < 1 else 1}f}%"


_ORDERS = {
    "slot": ("effect of order", "second less first"),
    "carry-over": ("carry-over", "after the other arm less after its own"),
}
