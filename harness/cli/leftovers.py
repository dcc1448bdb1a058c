"""Closing what a run on real targets has left open; it decides nothing about what may be sent."""

import contextlib
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from msgspec.structs import replace

from harness import clock as clocks
from harness.real.credentials import Found
from harness.real.journal import Journal, read_journal
from harness.record import SpentSummary
from harness.report.targets import running_out_text
from harness.transport import MeasuringTransport

JOURNAL = "orders.jsonl"
"""In the run's folder: every order that was about to be made, and how it ended."""

LOOK_EVERY_S = 0.1
BEIJING = timezone(timedelta(hours=8))

Internet = Callable[[], AbstractAsyncContextManager[MeasuringTransport]]
"""The way to real hosts."""


@dataclass(frozen=True, slots=True)
class Left:
    """The orders of a run that nothing says are closed."""

    open: int = 0
    """Somebody has to see to these."""
    running_out: int = 0
    """Nothing can close these: they end by themselves, and nobody can pay them."""
    run_out_by: str = ""
    """When the last of them ends, as 2026-11-23T16:15:00+08:00; "" where there are none."""

    def __bool__(self) -> bool:
        return bool(self.open or self.running_out)


def close_what_is_left(
    folder: Path, found: Mapping[str, Found], internet: Internet, patience_s: float = 0.0
) -> Left:
    """What is left of that run after all; each other order is closed, canceled or given back, and
    the journal says so. Another interrupt ends the closing. Whoever else has the journal open may
    take so long to let it go."""
    path = folder / JOURNAL
    if left_in(path):
        journal = Journal(path)
        try:
            clocks.run("real", _reap(journal, found, internet, patience_s))
        finally:
            journal.close()
    return left_in(path)


def left_in(journal: Path) -> Left:
    """By what it says; nothing where no order was ever about to be made. One that should have ended
    by itself, and of which nothing says that it has, is open."""
    try:
        entries = read_journal(journal)
    except FileNotFoundError:
        return Left()
    ends = [_ends_at(entry.ends_at) for entry in entries if entry.state != "closed"]
    now = datetime.now(BEIJING)
    to_come = [end for end in ends if end is not None and end >= now]
    by = max(to_come).isoformat() if to_come else ""
    return Left(open=len(ends) - len(to_come), running_out=len(to_come), run_out_by=by)


def with_left(spent: SpentSummary, left: Left) -> SpentSummary:
    return replace(
        spent, left_open=left.open, running_out=left.running_out, run_out_by=left.run_out_by
    )


def spent_by_journal(folder: Path, left: Left) -> SpentSummary:
    """What the journal of a run tells of what it was, where whoever counted is in another process:
    orders, and not what models were asked."""
    try:
        entries = read_journal(folder / JOURNAL)
    except FileNotFoundError:
        entries = []
    orders = Counter(entry.provider for entry in entries)
    return with_left(SpentSummary(orders=dict(sorted(orders.items()))), left)


def forget_if_empty(journal: Path) -> None:
    """One of no order does not stay."""
    with contextlib.suppress(FileNotFoundError):
        if not journal.stat().st_size:
            journal.unlink()


def closing_line(left: Left) -> str:
    """What the user is told before it, as it may take a minute or two."""
    count = left.open + left.running_out
    orders = "1 order is" if count == 1 else f"{count:,} orders are"
    return f"{orders} looked at now, and closed, canceled or given back; Ctrl-C ends that"


def left_lines(folder: Path, spent: SpentSummary) -> list[str]:
    """What the user is told of what is left, a line each, with the mend."""
    lines = []
    if spent.left_open:
        one = spent.left_open == 1
        orders = "1 order is" if one else f"{spent.left_open:,} orders are"
        lines.append(
            f"{orders} left open at real providers; to close what can be: tollbench reap {folder}"
        )
    if spent.running_out:
        lines.append(f"{running_out_text(spent)}; to confirm it then: tollbench reap {folder}")
    return lines


def _ends_at(told: str) -> datetime | None:
    """The only wire that tells one writes it so, in Beijing; None where it is no time."""
    try:
        return datetime.strptime(told, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING)
    except ValueError:
        return None


async def _reap(
    journal: Journal, found: Mapping[str, Found], internet: Internet, patience_s: float
) -> None:
    from harness.real.reaper import reap  # Most runs leave nothing.

    clock = clocks.RealClock()
    until = clock.now() + patience_s
    while not journal.take_alone() and clock.now() < until:
        await clock.sleep_until(clock.now() + LOOK_EVERY_S)
    async with internet() as inner:
        await reap(journal, found, inner, clock)
