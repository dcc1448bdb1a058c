"""May a run be believed: a table of what went wrong, and the reason that is told for it."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import pytest

from harness.clock import ClockName
from harness.load.engine import Tally
from harness.load.health import EVERY_TURN_FAILED, examine
from harness.record import EngineSummary, Health, Rows, columns_of
from tests.record.sample import FLOW, SPAN
from tests.worlds import one_round


def _tally(
    *,
    error_ms: float = 0.0,
    lag_ms: float = 0.0,
    response_ms: float = 2000.0,
    turns: int = 100,
    spoiled: int = 100,
) -> Tally:
    """A hundred turns of one call each, of which `spoiled` have this error and this lag."""
    tally = Tally(due=turns, started=turns, finished=turns)
    for n in range(turns):
        error_s = (error_ms if n < spoiled else 0.0) / 1e3
        lag_s = (lag_ms if n < spoiled else 0.0) / 1e3
        flow = msgspec.structs.replace(
            FLOW, turn=n, due_s=10.0, start_s=10.0 + lag_s, response_ms=response_ms
        )
        span = msgspec.structs.replace(
            SPAN, turn=n, start_s=10.0, end_s=11.0 + error_s, injected_ms=1000.0
        )
        tally.rows.extend(Rows([flow], [span]))
    return tally


@dataclass(frozen=True)
class Case:
    """A tally on a clock, and the beginnings of the reasons it earns."""

    claim: str
    clock: ClockName
    tally: Callable[[], Tally]
    reasons: tuple[str, ...] = ()


P50, P99, LAG = "measurement error p50", "measurement error p99", "start lag p99"
LOOP, CPU = "loop lag p99", "the generator used 91% of its core, over 90%: lower --rate"

CASES = [
    Case("an exact run is believed", "virtual", _tally),
    Case("so is one on the real clock", "real", lambda: _tally(error_ms=4.0, lag_ms=4.0)),
    Case("virtual errors have no excuse", "virtual", lambda: _tally(error_ms=0.1), (P50, P99)),
    Case("nor has virtual lag", "virtual", lambda: _tally(lag_ms=0.1), (LAG,)),
    Case("a median error over 5 ms", "real", lambda: _tally(error_ms=6.0), (P50,)),
    Case("an error below nought counts too", "real", lambda: _tally(error_ms=-6.0), (P50,)),
    Case("a few large errors", "real", lambda: _tally(error_ms=60.0, spoiled=3), (P99,)),
    Case("one large error in a hundred", "real", lambda: _tally(error_ms=60.0, spoiled=1)),
    Case("turns that start late", "real", lambda: _tally(lag_ms=21.0, spoiled=3), (LAG,)),
    Case("a lag within 1 % of the median", "real", lambda: _tally(lag_ms=19.0)),
    Case("a lag that is small in itself", "real", lambda: _tally(lag_ms=4.0, response_ms=9.0)),
    Case("quick turns allow no more", "real", lambda: _tally(lag_ms=6.0, response_ms=9.0), (LAG,)),
    Case("a slow turn excuses no lag there", "virtual", lambda: _tally(lag_ms=5.0), (LAG,)),
    Case(
        "turns that never ended",
        "real",
        lambda: _counted(due=100, started=100, finished=99),
        ("100 turns started, but 99 finished, 0 failed and 0 were running",),
    ),
    Case(
        "turns that never began",
        "virtual",
        lambda: _counted(_tally(turns=90), started=90, finished=90),
        ("100 turns were due, 90 started",),
    ),
    Case(
        "turns whose rows are lost",
        "real",
        lambda: _counted(_tally(turns=99)),
        ("100 turns started, but 99 were recorded",),
    ),
    Case(
        "turns that nobody knows the end of",
        "real",
        lambda: _counted(_tally(turns=93), finished=93, lost=7),
        ("7 turns are lost: nobody knows how they ended",),
    ),
    Case(
        "lost turns that do not add up",
        "real",
        lambda: _counted(_tally(turns=93), finished=90, lost=7),
        ("7 turns are lost", "100 turns started, but 90 finished, 0 failed, 7 are lost and 0 were"),
    ),
    Case(
        "turns that were cut off are a finding too",
        "real",
        lambda: _counted(finished=15, failed=3, running=82),
    ),
    Case(
        "nothing but turns that were cut off",
        "real",
        lambda: _counted(finished=0, failed=3, running=97),
        ("no turn finished: 3 failed, 97 were cut off in flight",),
    ),
    Case(
        "nothing but failed turns",
        "real",
        lambda: _counted(finished=0, failed=100),
        (EVERY_TURN_FAILED,),
    ),
    Case("a loop that is late", "real", lambda: _strained(lag_ms=30.0), (LOOP,)),
    Case("a loop that is late once", "real", lambda: _strained(lag_ms=30.0, late=1)),
    Case("a loop that is as late as slow turns allow", "real", lambda: _strained(lag_ms=19.0)),
    Case("a core that is nearly full", "real", lambda: _strained(cpu_share=0.91), (CPU,)),
    Case("a core with room", "real", lambda: _strained(cpu_share=0.89)),
    Case("no turn at all", "real", Tally, ("no turn finished",)),
    Case("a secret in a prompt", "virtual", lambda: _counted(leaks=1), ("1 secrets were found",)),
    Case(
        "failed turns are a finding, not a fault",
        "virtual",
        lambda: _counted(finished=40, failed=60),
    ),
    Case("calls whose delay nobody told", "real", lambda: _untold(status=200)),
    Case("calls that were given up", "real", lambda: _untold(injected_ms=1.0, status=0)),
    Case(
        "all at once",
        "real",
        lambda: _counted(_tally(error_ms=60.0, lag_ms=60.0), due=101, leaks=2),
        (P50, P99, LAG, "101 turns were due", "2 secrets"),
    ),
]


def _counted(
    tally: Tally | None = None,
    due: int = 100,
    started: int = 100,
    finished: int = 100,
    failed: int = 0,
    running: int = 0,
    lost: int = 0,
    leaks: int = 0,
) -> Tally:
    tally = tally or _tally()
    tally.due, tally.started, tally.finished = due, started, finished
    tally.failed, tally.running, tally.lost, tally.leaks = failed, running, lost, leaks
    return tally


def _strained(*, lag_ms: float = 0.0, late: int = 50, cpu_share: float = 0.1) -> Tally:
    """A hundred probes of the loop, of which so many were late."""
    tally = _tally()
    tally.strain.loop_lags_ms.extend([lag_ms] * late + [0.0] * (100 - late))
    tally.strain.note(cpu_share, None, None)
    return tally


def _untold(*, injected_ms: float = float("nan"), status: int) -> Tally:
    tally = _tally()
    tally.rows.spans = [
        msgspec.structs.replace(span, injected_ms=injected_ms, status=status)
        for span in tally.rows.spans
    ]
    return tally


def _examined(tally: Tally, clock: ClockName) -> tuple[Health, list[str]]:
    return examine(tally, columns_of(tally.rows), clock)


@pytest.mark.parametrize("case", CASES, ids=[case.claim for case in CASES])
def test_a_run_is_believed_unless_there_is_a_reason(case: Case) -> None:
    _, reasons = _examined(case.tally(), case.clock)
    assert len(reasons) == len(case.reasons), reasons
    for reason, beginning in zip(reasons, case.reasons, strict=True):
        assert reason.startswith(beginning)


def test_the_figures_are_told_whatever_the_judgement() -> None:
    health, _ = _examined(_tally(error_ms=-2.0, lag_ms=3.0), "real")
    assert health.error_p50_ms == health.error_p99_ms == pytest.approx(2.0)
    assert health.lag_p99_ms == pytest.approx(3.0)
    assert (health.due, health.started, health.finished) == (100, 100, 100)


@pytest.mark.parametrize(
    ("clock", "spreads", "mend"),
    [
        ("real", False, ": lower --rate"),
        ("real", True, ": lower --rate, or take more --workers"),
        ("virtual", True, ": the virtual clock is exact, so the scenario or a mock waits for"),
    ],
)
def test_a_reason_says_what_to_change(clock: ClockName, spreads: bool, mend: str) -> None:
    tally = _tally(lag_ms=60.0)
    _, reasons = examine(tally, columns_of(tally.rows), clock, spreads=spreads)
    assert len(reasons) == 1 and mend in reasons[0]


def test_an_engine_that_died_is_the_reason_for_all_that_is_missing_by_it() -> None:
    engines = [
        EngineSummary(name="a", due=50, started=50, finished=50, failed=0, running=0, lost=0),
        EngineSummary(
            name="b", due=60, started=50, finished=43, failed=0, running=0, lost=7, died="killed"
        ),
    ]
    tally = _counted(_tally(turns=93), due=110, finished=93, lost=7)
    health, reasons = examine(tally, columns_of(tally.rows), "real", engines=engines)
    assert reasons == [
        "b was lost (killed): 7 of its turns are lost, and 10 that were due of it never began"
    ]
    assert (health.due, health.lost) == (110, 7)
    tally.due += 1
    _, reasons = examine(tally, columns_of(tally.rows), "real", engines=engines)
    assert reasons[1:] == ["111 turns were due, 100 started"]


def test_what_measuring_cost_is_told() -> None:
    tally, other = _strained(lag_ms=3.0, late=1), _strained(cpu_share=0.7)
    other.strain.note(0.2, 4, 100)
    tally.strain.add(other.strain)
    health, _ = _examined(tally, "real")
    assert (health.loop_lag_p99_ms, health.loop_lag_max_ms, health.cpu_share) == (0.0, 3.0, 0.7)
    assert (health.connections, health.calls, health.workers) == (4, 100, 1)


def test_what_nothing_could_tell_is_no_number() -> None:
    health, _ = _examined(Tally(), "virtual")
    assert (health.error_p50_ms, health.error_p99_ms, health.lag_p99_ms) == (None, None, None)
    health, _ = _examined(_untold(status=200), "real")
    assert (health.error_p50_ms, health.error_p99_ms) == (None, None)


def test_a_round_on_the_mocks_is_believed() -> None:
    health, reasons = _examined(one_round(turns=10), "virtual")
    assert reasons == []
    # Exact but for the nanosecond by which each virtual wait may end late.
    assert (health.error_p99_ms, health.lag_p99_ms) == pytest.approx((0.0, 0.0), abs=1e-5)
