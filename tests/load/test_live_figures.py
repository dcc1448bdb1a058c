"""A run as it is shown while it lasts: every figure of it from what was told so far, exactly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.crew import Crew
from harness.load.live_figures import Snapshot
from harness.load.pipe import Account, Counts, Gone, Part, Planned, Sample
from harness.load.plan import Plan
from harness.load.standing import Facts, Standing
from harness.stats.quantiles import quantile
from harness.stats.slo import read_slos
from tests.locust.heard import Engine, turn

W1, W2 = "w1", "w2"
ONE, TWO = ("baseline",), ("baseline", "prewarm")


class Watched:
    """A run of workers, told of what comes as the collector tells it."""

    def __init__(self, strategies: tuple[str, ...] = ONE, slo: str = "") -> None:
        plan = Plan(map(float, range(1, 10_000)), turns_each=1, arms=len(strategies))
        self.crew = Crew([W1, W2], plan)
        slos = read_slos(slo) if slo else []
        facts = Facts(
            run_id="r", scenario="story", strategies=strategies, targets="mock", seed=7, slos=slos
        )
        self.standing = Standing(facts, self.crew)

    def part(self, part: Part, worker: str = W1) -> None:
        self.standing.part(worker, part)

    def account(self, account: Account, worker: str = W1) -> None:
        self.standing.account(worker, account)

    def gone(self, gone: Gone) -> None:
        self.standing.gone(gone)

    def samples(self, *samples: Sample) -> None:
        self.part(Part(1.0, Counts(), samples=list(samples)))

    @property
    def shown(self) -> Snapshot:
        return self.standing.snapshot("running")


def _turn(ms: float, fault: str = "", name: str = "story") -> Sample:
    return Sample("TURN", name, ms, fault)


def _call(ms: float, fault: str = "", name: str = "pay") -> Sample:
    return Sample("CALL", name, ms, fault)


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=50), st.integers(0, 9))
def test_the_percentiles_are_within_a_thousandth_of_the_exact_ones(
    times_ms: list[float], failed: int
) -> None:
    run = Watched()
    run.samples(*map(_turn, times_ms), *[_turn(5.0, "error: Overloaded 503")] * failed)
    (row,) = run.shown.rows
    assert (row.count, row.failed) == (len(times_ms) + failed, failed)
    ordered = np.sort([*times_ms, *[np.inf] * failed])
    told = [(0.5, row.p50_ms), (0.9, row.p90_ms), (0.95, row.p95_ms), (0.99, row.p99_ms)]
    for q, ms in [*told, *((percentile / 100, ms) for percentile, ms in row.curve)]:
        exact = quantile(ordered, q)
        # And rounded to a tenth of a microsecond.
        within = 0.001 * exact + 0.0001
        assert ms == (None if np.isinf(exact) else pytest.approx(exact, rel=0, abs=within))
    assert row.max_ms == (None if failed else pytest.approx(max(times_ms), abs=1e-4))


def test_stages_come_in_the_order_in_which_they_were_met_after_the_turn() -> None:
    run = Watched()
    run.samples(_call(1, name="intent"), Sample("STEP", "sign", 2, ""), _turn(9), _call(3))
    rows = [(row.stage, row.count) for row in run.shown.rows]
    assert rows == [("", 1), ("intent", 1), ("sign", 1), ("pay", 1)]


def test_a_strategy_ends_the_name_where_there_are_several() -> None:
    run = Watched(TWO)
    run.samples(
        _turn(1, name="story baseline"), _turn(2, name="story prewarm"),
        _call(3, name="pay prewarm"), _call(4, "Overloaded 503", name="pay baseline"),
    )  # fmt: skip
    rows = [(row.strategy, row.stage, row.count, row.failed) for row in run.shown.rows]
    assert rows == [
        ("baseline", "", 1, 0), ("baseline", "pay", 1, 1),
        ("prewarm", "", 1, 0), ("prewarm", "pay", 1, 0),
    ]  # fmt: skip


def test_before_the_first_turn_all_is_empty_and_nothing_is_wrong() -> None:
    shown = Watched(TWO, "p99<3s").shown
    assert [(row.count, row.p50_ms, row.max_ms) for row in shown.rows] == [(0, None, None)] * 2
    assert (shown.moments, shown.failures, shown.reasons) == ([], [], [])
    assert [(slo.verdict, slo.figure) for slo in shown.slos] == [("cannot tell", None)] * 2
    assert [(worker.name, worker.state) for worker in shown.workers] == [
        (W1, "running"),
        (W2, "running"),
    ]


def test_a_second_is_told_once_it_is_over_and_holds_all_that_fell_in_it() -> None:
    run = Watched()
    run.crew.plan.step(Planned(0.0, 4.0, [W1, W2]))
    run.crew.plan.step(Planned(1.0, 6.0, [W1, W2]))
    run.part(Part(0.5, Counts(2, 2)))
    run.part(Part(1.0, Counts(4, 4, 1), samples=[_turn(100)]))
    assert run.shown.moments == []
    run.part(Part(1.2, Counts(3, 3, 1, 1), samples=[_turn(300), _turn(7, "error")]), W2)
    run.part(Part(1.6, Counts(5, 5, 2), samples=[_turn(200)]))
    (first,) = run.shown.moments
    assert (first.t_s, first.offered) == (1, 4.0)
    assert (first.started, first.finished, first.failed, first.in_flight) == (4, 1, 0, 3)
    assert (first.p50_ms, first.p99_ms) == (100, 100)
    run.part(Part(3.6, Counts(5, 5, 5)))
    _, second, third = run.shown.moments
    assert (second.t_s, second.offered) == (2, 6.0)
    assert (second.started, second.finished, second.failed, second.in_flight) == (4, 2, 1, 4)
    assert (second.p50_ms, second.p99_ms) == (200, None)
    assert (third.t_s, third.started, third.in_flight) == (3, 0, 4)


def test_what_is_heard_too_late_for_its_second_counts_in_the_next() -> None:
    run = Watched()
    run.part(Part(1.5, Counts(1, 1)))
    assert [moment.started for moment in run.shown.moments] == [0]
    run.part(Part(0.9, Counts(3, 3)), W2)
    run.part(Part(9.5, Counts(1, 1, 1)))
    assert [moment.started for moment in run.shown.moments] == [0, 4, *[0] * 7]


def test_a_response_time_is_in_the_percentiles_for_ten_seconds() -> None:
    run = Watched()
    run.part(Part(1.0, Counts(1, 1, 1), samples=[_turn(100)]))
    run.part(Part(12.5, Counts(1, 1, 1)))
    assert [moment.p50_ms for moment in run.shown.moments] == [*[100] * 10, None, None]


def test_no_more_than_ten_minutes_are_kept() -> None:
    run = Watched()
    run.part(Part(1000.5, Counts()))
    assert [moment.t_s for moment in run.shown.moments] == list(range(401, 1001))


def test_what_was_lost_or_cut_off_is_not_in_flight_any_more() -> None:
    run = Watched()
    run.part(Part(0.5, Counts(5, 5, 1)))
    run.part(Part(0.5, Counts(6, 6, 1)), W2)
    run.gone(Gone(W2, "killed", 1.5))
    run.part(Part(1.8, Counts(7, 7, 3)), W2)  # late
    run.account(Account(2.5, Counts(5, 5, 3, 0, 2), None, None, None, 0, ""))
    run.part(Part(9.9, Counts()), "w3")
    assert [moment.in_flight for moment in run.shown.moments[:4]] == [9, 4, 0, 0]


def test_a_worker_that_died_is_a_reason_and_its_account_adds_up() -> None:
    run = Watched()
    run.part(Part(0.5, Counts(6, 6, 1, 2)), W2)
    run.gone(Gone(W2, "killed by signal 9", 1.5))
    shown = run.shown
    assert not shown.valid
    assert shown.reasons == [
        "w2 was lost (killed by signal 9): 3 of its turns are lost, and 0 that were due of it "
        "never began"
    ]
    of = shown.workers[1]
    assert (of.state, of.why) == ("lost", "killed by signal 9")
    assert (of.started, of.finished, of.failed, of.running, of.lost) == (6, 1, 2, 0, 3)


@pytest.mark.parametrize(
    ("late_ms", "error_ms", "loop_lag_ms", "reasons"),
    [
        (0.0, 0.0, 0.0, []),
        (9.0, 0.0, 0.0, []),  # 1 % of the median response is allowed
        (60.0, 0.0, 0.0, ["start lag p99"]),
        (0.0, 20.0, 0.0, ["measurement error p50"]),
        (0.0, -80.0, 0.0, ["measurement error p50", "measurement error p99"]),
        (0.0, 0.0, 40.0, ["loop lag p99"]),
    ],
)
def test_what_makes_a_run_invalid_is_told_while_it_lasts(
    late_ms: float, error_ms: float, loop_lag_ms: float, reasons: list[str]
) -> None:
    run, engine = Watched(), Engine(W1)
    turns = [turn(n, 1.0, 1000.0, late_ms=late_ms, error_ms=error_ms) for n in range(10)]
    engine.begins(10)
    run.part(engine.parted(1.0, turns, loop_lags_ms=[loop_lag_ms] * 10))
    assert [reason.partition(" ms ")[0].rpartition(" ")[0] for reason in run.shown.reasons] == (
        reasons
    )


@pytest.mark.parametrize(
    ("slo", "answered", "failed", "verdict", "figure"),
    [
        ("p50<3s", 5, 0, "cannot tell", 1000.0),
        ("p50<3s", 50, 0, "met", 1000.0),
        ("p50<500ms", 50, 0, "missed", 1000.0),
        ("p50<3s", 50, 60, "cannot tell", None),
        ("p50<3s", 50, 100, "missed", None),
        ("pay p50<3s", 50, 0, "met", 1000.0),
        ("refund p50<3s", 50, 0, "cannot tell", None),
        ("errors<10%", 100, 0, "met", 0.0),
        ("errors<10%", 100, 100, "missed", 0.5),
        ("errors<10%", 90, 10, "cannot tell", 0.1),
    ],
)
def test_a_promise_stands_as_its_interval_says_so_far(
    slo: str, answered: int, failed: int, verdict: str, figure: float | None
) -> None:
    run = Watched(slo=slo)
    run.samples(
        *[_turn(1000.0), _call(1000.0)] * answered, *[_turn(1.0, "error"), _call(1.0)] * failed
    )
    (state,) = run.shown.slos
    assert (state.text, state.strategy, state.verdict) == (slo, "baseline", verdict)
    assert state.figure == (None if figure is None else pytest.approx(figure, rel=0.001))


def test_the_most_frequent_failures_come_first_and_twenty_at_most() -> None:
    run = Watched()
    causes = [("pay", f"Broken {n}", n) for n in range(1, 30)]
    run.part(Part(1.0, Counts(), causes=causes))
    run.part(Part(2.0, Counts(), causes=[("intent", "Overloaded 503", 99)]), W2)
    failures = [(one.stage, one.cause, one.count) for one in run.shown.failures]
    assert failures[:2] == [("intent", "Overloaded 503", 99), ("pay", "Broken 29", 29)]
    assert len(failures) == 20
