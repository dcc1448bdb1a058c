"""`tollbench sweep`: a capacity that theory knows is found, and none is invented."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from harness.cli import main
from harness.cli.problems import Problems
from harness.cli.setup import Options, checked
from harness.cli.steps import PILOTS, Sweep, run_sweep
from harness.cli.sweep import THINK_SCALE
from harness.cli.wiring import Setup
from harness.clock import ClockName
from harness.flow.strategy import Strategy
from harness.load.engine import Tally
from harness.load.health import BOOKS_BROKEN, EVERY_TURN_FAILED
from harness.load.health import examine as healthy
from harness.record import Columns, Health, Rows, RunSummary, rows_of, sha256
from harness.stats.capacity import Search, capacity
from tests.cli.command import tollbench
from tests.cli.quick import NAMES, write_profiles

SERVERS = 8
CHECKOUT = ("sweep", "checkout", "--capacity", str(SERVERS))
QUICK = Search(slo_ms=20_000.0, quantile=0.5, lowest_rate=1.0, highest_rate=8.0, resolution=0.5)


class Silent:
    """A progress bar that nobody sees."""

    def watch(self, tally: Tally) -> None:
        pass


@contextmanager
def silent(what: str, turns: float) -> Iterator[Silent]:
    yield Silent()


def _setup(scenario: str = "checkout", seed: str = "1") -> Setup:
    options = Options(scenario=scenario, seed=seed, capacity=str(SERVERS), think_scale=THINK_SCALE)
    return checked(options, Problems(), [Strategy()])


def _theory(rows: Rows) -> float:
    """The turns/s that the busiest server can end at most: its slots over its work a turn."""
    lowest = [row for row in rows.flows if row.round == 0]
    work_s: dict[str, float] = {}
    for span in rows.spans:
        if span.round == 0:
            took_s = span.end_s - span.start_s - span.queue_ms / 1e3
            work_s[span.provider] = work_s.get(span.provider, 0.0) + took_s
    return SERVERS * len(lowest) / max(work_s.values())


# Against theory, on the virtual clock


def test_a_capacity_is_found_below_what_the_busiest_server_can_end(tmp_path: Path) -> None:
    args = ("--slo", "8s", "--percentile", "p90", "--resolution", "40%", "--duration", "30")
    done = tollbench(*CHECKOUT, *args, cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    summary, rows = done.stored
    found = summary.capacity
    assert found is not None and found.confirmed and summary.valid
    assert found.sustained_rate is not None and found.failed_rate is not None
    assert found.sustained_rate < _theory(rows) < 1.6 * found.failed_rate
    assert found.failed_rate <= 1.4 * found.sustained_rate
    assert f"sustains {found.sustained_rate:g} turns/s within 8 s at p90" in done.out
    assert all(len(line) <= 80 for line in done.out.splitlines())


def test_a_run_holds_every_step_and_no_figure_of_all_rates_together(tmp_path: Path) -> None:
    args = ("--slo", "8s", "--percentile", "p50", "--from", "2", "--to", "16", "--strategy")
    done = tollbench(
        *CHECKOUT, *args, "prewarm,token-cache", "--duration", "10", "--json", cwd=tmp_path
    )
    summary, rows = done.stored
    assert msgspec.json.decode(done.out, type=RunSummary) == summary
    assert summary.capacity is not None
    assert (summary.variants, summary.effects) == ([], [])
    steps = summary.capacity.steps
    assert summary.rounds == summary.rounds_finished == len(steps)
    assert {row.round for row in rows.flows} == {step.round for step in steps}
    for step in steps:
        assert step.finished == sum(row.round == step.round for row in rows.flows)
    told = summary.parameters
    assert (told["strategy"], told["limits"]) == ("prewarm+token_cache", "8 calls at once")
    assert summary.warm_up is not None and summary.warm_up.discarded_turns == PILOTS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "quantile"), [("checkout", 0.95), ("conversation", 0.95), ("checkout", 0.99)]
)
def test_the_bracket_lies_close_below_theory(
    scenario: str, quantile: float, tmp_path: Path
) -> None:
    search = Search(slo_ms=20_000.0, quantile=quantile, lowest_rate=2.0)
    sweep = run_sweep(_setup(scenario), search, 120.0, silent, tmp_path)
    found, theory = capacity(search, sweep.steps), _theory(rows_of(sweep.course.columns()))
    print(f"{found.sustained_rate} to {found.failed_rate} of {theory:.3g}")
    print(f"in {len(found.steps)} steps, {sweep.course.tally.finished} turns")
    assert found.confirmed and found.sustained_rate is not None
    assert 0.75 * theory < found.sustained_rate < theory


@pytest.mark.thorough
def test_the_same_seed_meets_the_same_weather_and_each_step_other_weather(tmp_path: Path) -> None:
    one, same, other = (
        run_sweep(_setup(seed=seed), QUICK, 1.0, silent, tmp_path / str(n))
        for n, seed in enumerate(("3", "3", "4"))
    )
    assert _hash(one) == _hash(same) != _hash(other)
    assert one.steps == same.steps
    ends = [step for step in one.steps if step.rate == one.steps[-1].rate]
    assert len(ends) == 2
    assert ends[0].quantiles != ends[1].quantiles


def test_a_step_is_judged_for_as_long_as_its_quantile_needs(tmp_path: Path) -> None:
    search = Search(slo_ms=8000.0, quantile=0.9, lowest_rate=0.5, highest_rate=1.0)
    sweep = run_sweep(_setup(), search, 120.0, silent, tmp_path)
    first, second = sweep.steps[:2]
    assert sweep.settle_s > 3
    assert 0.5 * (200 + sweep.settle_s) == pytest.approx(first.due, rel=0.3)
    assert 1.0 * (120 + sweep.settle_s) == pytest.approx(second.due, rel=0.3)


# Not found


@pytest.mark.thorough
def test_mocks_without_limits_have_no_capacity_to_find(tmp_path: Path) -> None:
    write_profiles(tmp_path, times_faster=20)
    args = ("--slo", "8s", "--percentile", "p50", "--from", "4", "--to", "10", "--duration", "5")
    done = tollbench("sweep", "checkout", *NAMES, *args, cwd=tmp_path)
    assert done.code == 3
    told = " ".join(done.out.split())
    assert "capacity not found up to 10 turns/s" in told
    assert "the mocks have no limit; give them one with --capacity" in told
    found = done.stored[0].capacity
    assert found is not None and (found.sustained_rate, found.failed_rate) == (10.0, None)


def test_what_no_rate_keeps_to_has_no_capacity_either(tmp_path: Path) -> None:
    args = ("--slo", "100ms", "--percentile", "50", "--from", "0.5", "--duration", "5")
    done = tollbench(*CHECKOUT, *args, cwd=tmp_path)
    assert done.code == 3
    assert "capacity not found: already 0.5 turns/s fail to be within 0.1 s at p50" in done.out
    found = done.stored[0].capacity
    assert found is not None and len(found.steps) == 2


# Whose limit it was


def test_an_instrument_at_its_limit_ends_the_sweep_and_fails_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sick = _examined(monkeypatch, tmp_path, "start lag p99 9.00 ms is over the limit", at=2)
    assert [step.sustained for step in sick.steps] == [True]
    assert sick.course.stopped == (
        "at 2 turns/s the instrument, not the system, ended the sweep: "
        "start lag p99 9.00 ms is over the limit"
    )
    assert {row.round for row in sick.course.turns()} == {0, 1}


def test_money_that_is_lost_ends_the_sweep_and_the_instrument_is_not_blamed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lost = _examined(monkeypatch, tmp_path, f"{BOOKS_BROKEN}: 1 breach: one capture", at=2)
    assert lost.course.stopped == (
        "at 2 turns/s the app lost track of money, which ended the sweep: "
        "the books do not hold: 1 breach: one capture"
    )
    assert len(lost.steps) == 1


def test_a_system_that_fails_every_turn_is_not_the_instruments_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    busy = _examined(monkeypatch, tmp_path, f"{EVERY_TURN_FAILED}: Overloaded", at=2)
    assert busy.course.stopped == ""
    assert len(busy.steps) > 2


def _examined(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reason: str, at: int) -> Sweep:
    """A sweep in which health gives this reason, from the `at`-th step on."""
    seen = 0

    def examine(tally: Tally, columns: Columns, clock: ClockName) -> tuple[Health, list[str]]:
        nonlocal seen
        seen += 1
        health, reasons = healthy(tally, columns, clock)
        return health, [*reasons, *([reason] if seen >= at else [])]

    monkeypatch.setattr("harness.cli.steps.examine", examine)
    return run_sweep(_setup(), QUICK, 5.0, silent, tmp_path)


def test_an_interrupt_keeps_the_steps_that_had_ended(tmp_path: Path) -> None:
    @contextmanager
    def impatient(what: str, turns: float) -> Iterator[Silent]:
        if what.startswith("step 3"):
            raise KeyboardInterrupt
        yield Silent()

    sweep = run_sweep(_setup(), QUICK, 5.0, impatient, tmp_path)
    assert sweep.course.stopped == "interrupted after 2 rounds"
    assert len(sweep.steps) == 2
    assert {row.round for row in sweep.course.turns()} == {0, 1}


@pytest.mark.thorough
@pytest.mark.socket
def test_on_the_real_clock_all_steps_meet_one_mock_process_in_worlds_of_their_own(
    tmp_path: Path,
) -> None:
    write_profiles(tmp_path, times_faster=20)
    args = ("--slo", "9s", "--percentile", "p50", "--from", "10", "--to", "20", "--duration", "1")
    done = tollbench("sweep", "checkout", *args, "--clock", "real", *NAMES, cwd=tmp_path)
    summary, rows = done.stored
    assert done.err == ""
    assert done.code in (3, 4)  # A machine that is busy makes its own error.
    assert (summary.clock, summary.parameters["limits"]) == ("real", "none")
    found = summary.capacity
    assert found is not None
    assert {row.round for row in rows.flows} >= {step.round for step in found.steps}
    assert all((step.sustained, step.failed) == (True, 0) for step in found.steps)


# Mistakes


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    args = ("--from", "9", "--to", "3", "--resolution", "1%", "--percentile", "x", "--duration")
    done = tollbench("sweep", "checkout", *args, "0", "--capacity", "no", cwd=tmp_path)
    assert done.code == 2
    assert [line.split(": ")[1].split()[0] for line in done.problems] == [
        "--from", "--slo", "--percentile", "--resolution", "--duration", "--capacity",
    ]  # fmt: skip


@pytest.mark.parametrize("slo", ["8", "8m", "0s", "-1s", "", "2h", "9999s"])
def test_a_service_level_is_a_time(
    slo: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["tollbench", "sweep", "checkout", "--slo", slo])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "--slo must be as in 8s or 800ms" in capsys.readouterr().err


def _hash(sweep: Sweep) -> str:
    return sha256(sweep.course.columns())
