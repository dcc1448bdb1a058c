"""An engine of Locust's that asks real providers, with mocks standing in for their hosts: all that
it does is checked and noted, and only one engine does it."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from harness.cli import real_ways
from harness.cli.asked import Asked, setup_of
from harness.cli.collector import Collector
from harness.cli.conducted_run import checked_run
from harness.cli.engine_arms import ready_arms
from harness.cli.exits import INVALID, BadInput
from harness.cli.leftovers import JOURNAL, Left, left_in
from harness.cli.locust_check import check
from harness.cli.wiring import Setup
from harness.clock import RealClock
from harness.load.engine import Due, Tally, run_round
from harness.real.journal import read_journal
from harness.report import charts
from tests.cli.internet import KEYS, Internet
from tests.locust.collected import W1, closed_of, opening_of, ten_seconds

ASKED = Asked(scenario="checkout", targets="real", pay="stripe")
NOWHERE = "http://127.0.0.1:1"
"""Where mocks would be; a run on real providers alone asks none."""


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch) -> Internet:
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    made = Internet()
    monkeypatch.setattr(real_ways, "INTERNET", made)
    return made


async def _play(setup: Setup, folder: Path, index: int = 0) -> Tally:
    clock, tally = RealClock(), Tally()
    making = ready_arms(
        setup, NOWHERE, f"{folder.name} salt", index, clock, apart=False, folder=folder
    )
    async with making as (arm,):
        await run_round(clock, [arm], [Due(0.0, 0, arm, "ada", 1)], tally)
    return tally


@pytest.mark.socket
def test_what_it_orders_is_noted_in_the_folder_of_the_run(
    internet: Internet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    tally = asyncio.run(_play(setup_of(ASKED), folder))
    told = capsys.readouterr()
    assert (tally.finished, internet.hosts) == (1, {"api.openai.com", "api.stripe.com"})
    (entry,) = read_journal(folder / JOURNAL)
    assert (entry.provider, entry.run_id, entry.amount_minor) == ("stripe", "run", 400)
    assert left_in(folder / JOURNAL) == Left(open=1)  # It is the collector's to close.
    assert "tollbench: real providers, 3 requests" in told.err


def test_a_second_engine_is_refused(internet: Internet, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="run Locust without --processes and without workers"):
        asyncio.run(_play(setup_of(ASKED), tmp_path / "run", index=1))
    assert internet.asked == []
    assert not (tmp_path / "run").exists()


def test_the_run_is_labelled_by_who_is_asked(internet: Internet) -> None:
    run, _ = checked_run(ASKED, [])
    assert (run.endpoints, run.parameters["targets"]) == ("real", "real")
    assert run.real is not None
    mixed, _ = checked_run(replace(ASKED, pay="flat"), [])
    assert mixed.endpoints == "mixed"
    assert set(mixed.profiles) == {"flat"}


def test_who_will_be_asked_is_told_before_and_at_what_price_at_most(
    internet: Internet, capsys: pytest.CaptureFixture[str]
) -> None:
    check(ASKED)
    told = " ".join(capsys.readouterr().err.split())
    assert "openai real by OPENAI_API_KEY" in told
    assert "stripe sandbox by STRIPE_API_KEY" in told
    assert "At most, whatever happens: 1 USD for tokens, 200 orders" in told


@pytest.fixture
def collector(internet: Internet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Collector:
    """Of a run that has ended, and whose engine has left an order open."""
    monkeypatch.setattr(charts, "charts_of", lambda _: [])
    collector, _ = ten_seconds(tmp_path, targets="real", pay="stripe")
    asyncio.run(_play(setup_of(ASKED), collector.folder))
    return collector


def test_the_collector_closes_what_the_engine_left_open_and_stores_the_run_then(
    collector: Collector,
) -> None:
    summary, closed = closed_of(collector)
    assert summary.spent is not None
    assert (summary.spent.orders, summary.spent.left_open) == ({"stripe": 1}, 0)
    assert [entry.how for entry in read_journal(collector.folder / JOURNAL)] == ["refunded"]
    assert closed.code is None
    assert not any("requests: none" in line or "tollbench reap" in line for line in closed.lines)


def test_what_cannot_be_closed_is_told_and_the_run_does_not_pass(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reap(*_: object) -> None:
        """Closes nothing."""

    monkeypatch.setattr("harness.real.reaper.reap", reap)
    summary, closed = closed_of(collector)
    assert summary.valid
    assert closed.code == INVALID
    assert closed.lines[-1].endswith(f"tollbench reap {collector.folder}")


def test_a_run_whose_engine_told_nothing_is_kept_for_its_orders(
    internet: Internet, tmp_path: Path
) -> None:
    collector = Collector(opening_of(tmp_path, W1, targets="real", pay="stripe"))
    journal = collector.folder / JOURNAL
    journal.touch()
    assert collector.is_empty
    asyncio.run(_play(setup_of(ASKED), collector.folder))
    assert not collector.is_empty


def test_a_run_that_never_began_leaves_no_journal(internet: Internet, tmp_path: Path) -> None:
    collector = Collector(opening_of(tmp_path, W1, targets="real", pay="stripe"))
    (collector.folder / JOURNAL).touch()
    collector.discard()
    assert list(tmp_path.iterdir()) == []
