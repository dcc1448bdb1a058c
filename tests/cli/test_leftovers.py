"""What a run on real targets leaves open: closed if it can be, counted and told if not."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.cli import real_ways
from harness.cli.course import Course, stopping
from harness.cli.leftovers import JOURNAL, Left, close_what_is_left, left_in, left_lines
from harness.cli.room import room_in
from harness.cli.targets import Real
from harness.clock import Clock
from harness.http1 import Sockets
from harness.load.engine import Tally
from harness.real.caps import USUAL
from harness.real.credentials import Found
from harness.real.journal import Entry, Journal
from harness.real.reaper import Left as Still
from harness.record import SpentSummary

REAL = Real(found={}, targets={}, expected=[], caps=USUAL, prices={}, prefix="t1")


@dataclass
class Reaper:
    """Closes so many orders, and is interrupted then if it is to be."""

    closes: int = 99
    interrupted: bool = False
    asked: list[Path] = field(default_factory=list)

    async def __call__(
        self, journal: Journal, found: Mapping[str, Found], inner: object, clock: Clock
    ) -> list[Still]:
        self.asked.append(journal.path)
        for entry in journal.open[: self.closes]:
            journal.closed(entry.provider, entry.order_no, "refunded")
        if self.interrupted:
            raise KeyboardInterrupt
        return []


class Unseen:
    def watch(self, tally: Tally) -> None: ...


def ordered(folder: Path, *order_nos: str, ends_at: str = "") -> None:
    journal = Journal(folder / JOURNAL)
    for order_no in order_nos:
        entry = Entry(
            provider="unionpay" if ends_at else "stripe", mode="sandbox", order_no=order_no,
            amount_minor=50, currency="USD", at=0.0, run_id="r", ends_at=ends_at,
        )  # fmt: skip
        asyncio.run(journal.intend(entry))
    journal.close()


def reaper(monkeypatch: pytest.MonkeyPatch, **how: object) -> Reaper:
    made = Reaper(**how)  # type: ignore[arg-type]
    monkeypatch.setattr("harness.real.reaper.reap", made)
    return made


def test_all_that_is_left_is_closed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = reaper(monkeypatch)
    ordered(tmp_path, "a", "b")
    assert left_in(tmp_path / JOURNAL) == Left(open=2)
    assert close_what_is_left(tmp_path, {}, Sockets) == Left()
    assert made.asked == [tmp_path / JOURNAL]


def test_what_cannot_be_closed_is_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    reaper(monkeypatch, closes=1)
    ordered(tmp_path, "a", "b", "c")
    assert close_what_is_left(tmp_path, {}, Sockets) == Left(open=2)


def test_an_order_that_ends_by_itself_is_nobodys_to_see_to(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reaper(monkeypatch, closes=0)
    ordered(tmp_path, "a", ends_at="20991123161500")
    ordered(tmp_path, "b", ends_at="20991123160900")
    ordered(tmp_path, "c", ends_at="no time")
    ordered(tmp_path, "d")
    ordered(tmp_path, "e", ends_at="20260123161500")  # Nobody has confirmed it.
    assert close_what_is_left(tmp_path, {}, Sockets) == Left(
        open=3, running_out=2, run_out_by="2099-11-23T16:15:00+08:00"
    )


def test_whoever_has_the_journal_still_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reaper(monkeypatch)
    ordered(tmp_path, "a")
    monkeypatch.setattr("harness.cli.leftovers.LOOK_EVERY_S", 0.001)
    takes = iter([False, False, True])
    monkeypatch.setattr(Journal, "take_alone", lambda journal: next(takes))
    assert close_what_is_left(tmp_path, {}, Sockets, patience_s=60.0) == Left()
    assert next(takes, None) is None


def test_where_nothing_is_open_nobody_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = reaper(monkeypatch)
    assert close_what_is_left(tmp_path, {}, Sockets) == Left()
    ordered(tmp_path)
    assert close_what_is_left(tmp_path, {}, Sockets) == Left()
    assert made.asked == []


@pytest.mark.parametrize(
    "error", [None, KeyboardInterrupt(), RuntimeError("a bug")], ids=["no", "Ctrl-C", "a bug"]
)
def test_however_a_run_ends_it_is_closed_and_told(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    error: BaseException | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = reaper(monkeypatch, closes=1)
    course = Course(room_in(tmp_path))
    with stopping(course, 1), real_ways.asking(REAL, course, Unseen()):
        ordered(tmp_path, "a", "b")
        if error is not None:
            raise error
    assert made.asked == [tmp_path / JOURNAL]
    assert course.spent is not None
    assert course.spent.left_open == 1
    assert bool(course.stopped) == (error is not None)
    assert "tollbench: 2 orders are looked at now" in capsys.readouterr().err


def test_another_interrupt_ends_the_closing_and_what_is_open_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reaper(monkeypatch, closes=1, interrupted=True)
    course = Course(room_in(tmp_path))
    with stopping(course, 1), real_ways.asking(REAL, course, Unseen()):
        ordered(tmp_path, "a", "b")
    assert course.spent is not None
    assert course.spent.left_open == 1
    assert course.stopped.startswith("interrupted")


def test_a_journal_that_cannot_be_closed_is_reaped_and_told_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = reaper(monkeypatch, closes=1)

    def full(_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(real_ways.Asking, "close", full)
    course = Course(room_in(tmp_path))
    with stopping(course, 1), real_ways.asking(REAL, course, Unseen()):
        ordered(tmp_path, "a", "b")
    assert made.asked == [tmp_path / JOURNAL]
    assert course.spent is not None and course.spent.left_open == 1
    assert "no space left" in course.stopped


def test_a_run_that_ordered_nothing_keeps_no_journal(tmp_path: Path) -> None:
    course = Course(room_in(tmp_path))
    with real_ways.asking(REAL, course, Unseen()):
        assert (tmp_path / JOURNAL).exists()
    assert not (tmp_path / JOURNAL).exists()


def test_what_is_left_is_told_a_line_each_with_its_mend() -> None:
    assert left_lines(Path("results/x"), SpentSummary(left_open=1)) == [
        "1 order is left open at real providers; to close what can be: tollbench reap results/x"
    ]
    many, one = SpentSummary(left_open=1200), SpentSummary(running_out=1, run_out_by="T")
    assert left_lines(Path("x"), many)[0].startswith("1,200 orders are left open")
    assert left_lines(Path("x"), one) == [
        "1 order that nobody can close or pay runs out by T; to confirm it then: tollbench reap x"
    ]
    both = SpentSummary(left_open=1, running_out=2, run_out_by="T")
    assert [line.partition(" ")[0] for line in left_lines(Path("x"), both)] == ["1", "2"]
    assert left_lines(Path("x"), SpentSummary()) == []
