"""Workers that are gone: what is lost with them, what is kept, and that it adds up."""

from pathlib import Path

import pytest

from harness.cli.collector import Collector
from harness.load.arrivals import poisson, until
from harness.load.pipe import Gone, Planned
from harness.report import charts
from tests.locust.collected import W1, W2, closed_of, opening_of, ten_seconds
from tests.locust.heard import Engine, turn


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without charts, which take the longest."""
    monkeypatch.setattr(charts, "charts_of", lambda _: [])


def test_a_worker_that_is_gone_leaves_an_account_that_adds_up(tmp_path: Path) -> None:
    collector, (first, second) = ten_seconds(tmp_path, ended=False)
    second.begins(7)
    collector.take(second.part(9.5))
    collector.take(Gone(W2, "killed by signal 9", 9.6))
    collector.take(Planned(9.75, 10.0, [W1]))
    collector.take(Planned(10.0, 0.0, []))
    collector.take(first.account(12.0))
    summary, closed = closed_of(collector)
    assert closed.code == 4
    one, other = summary.engines
    assert (one.started, one.lost, one.died) == (50, 0, "")
    assert (other.started, other.finished, other.lost) == (57, 50, 7)
    assert other.started == other.finished + other.failed + other.running + other.lost
    assert other.died == "killed by signal 9"
    assert (summary.health.started, summary.health.lost) == (107, 7)
    (reason,) = summary.invalid_because
    assert reason.startswith("w2 was lost (killed by signal 9): 7 of its turns are lost, and ")


def test_what_was_due_of_a_worker_that_is_gone_is_known_from_the_schedule(tmp_path: Path) -> None:
    """Nothing was heard of it at all; the schedule says what it should have begun."""
    collector = Collector(opening_of(tmp_path, W1, W2))
    engine = Engine(W1)
    collector.take(Planned(0.0, 50.0, [W1, W2]))
    collector.take(Gone(W2, "its connection was lost", 3.2))
    collector.take(Planned(4.0, 50.0, [W1]))
    turns = [turn(n, n / 10, 1000.0) for n in range(100)]
    engine.begins(100)
    collector.take(engine.part(9.0, turns))
    collector.take(Planned(10.0, 0.0, []))
    collector.take(engine.account(11.0))
    summary, _ = closed_of(collector)
    dead = summary.engines[1]
    # Half of 50 turns/s for four seconds; and so it is exactly, for this seed.
    assert dead.due == _due_of_odd_ones(until_s=4.0, rate=50.0) > 80
    assert (dead.started, dead.lost) == (0, 0)
    assert f"{dead.due} that were due of it never began" in summary.invalid_because[0]


def _due_of_odd_ones(until_s: float, rate: float) -> int:
    return len(list(until(poisson(1, "live", rate=1.0), until_s * rate))) // 2


def test_records_that_come_late_are_kept_too(tmp_path: Path) -> None:
    collector, (first, second) = ten_seconds(tmp_path, ended=False)
    collector.take(first.account(12.0))
    collector.take(Gone(W2, "no heartbeat", 11.0))
    second.begins(1)
    collector.take(second.part(11.5, [turn(100, 9.99, 1000.0)]))
    summary, _ = closed_of(collector)
    assert (summary.health.started, summary.health.finished, summary.health.lost) == (101, 101, 0)
    assert not summary.valid


def test_one_that_has_accounted_cannot_be_lost_any_more(tmp_path: Path) -> None:
    collector, _ = ten_seconds(tmp_path)
    collector.take(Gone(W2, "its connection was lost", 12.2))
    summary, _ = closed_of(collector)
    assert summary.valid


def test_whoever_gave_no_account_is_lost(tmp_path: Path) -> None:
    collector, (first, _) = ten_seconds(tmp_path, ended=False)
    collector.take(first.account(12.0))
    summary, _ = closed_of(collector)
    assert summary.engines[1].died == "it gave no account"
    assert not summary.valid


def test_what_would_have_come_after_the_stop_was_due_of_nobody(tmp_path: Path) -> None:
    """The stop is told of when all has drained: until then the collector looks on."""
    dues = []
    for looks in (False, True):
        collector, (first, _) = ten_seconds(tmp_path, ended=False)
        collector.take(Gone(W2, "killed", 9.9))
        for second in range(10, 60) if looks else ():
            collector.take(first.part(float(second)))
            collector.look()
        collector.take(Planned(10.0, 0.0, []))
        collector.take(first.account(60.0))
        summary, _ = closed_of(collector)
        dues.append(summary.engines[1].due)
    assert dues[0] == dues[1]
