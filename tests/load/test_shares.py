"""A schedule that several play: together they play just what one would, to the last digit."""

import pytest

from harness import record
from harness.clock import VirtualClock, run
from harness.flow.strategy import Strategy
from harness.load.engine import Arm, Due, Tally, open_schedule, run_round, share
from harness.record import Columns, Rows, columns_of
from scenarios.conversation import Conversation
from tests.worlds import shipped_arm

SCENARIO = Conversation(turns=2)


def _schedule(arm: Arm) -> list[Due]:
    return list(open_schedule(3, arm, turns_each=2, rate=8.0, duration_s=12.0))


def _played(workers: int) -> tuple[Tally, Columns]:
    """Each worker on a clock and mocks of its own."""
    whole, rows = Tally(), Rows()
    for worker in range(workers):

        async def main(worker: int = worker) -> None:
            clock = VirtualClock()
            arm = shipped_arm(clock, Strategy(token_cache=True), 0, 3, SCENARIO)
            tally = Tally()
            due = share(_schedule(arm), worker, workers)
            await run_round(clock, [arm], due, tally, tell=rows.add)
            whole.add(tally)

        run("virtual", main())
    record.sort(rows)
    return whole, columns_of(rows)


@pytest.fixture(scope="module")
def alone() -> tuple[Tally, Columns]:
    return _played(1)


@pytest.mark.parametrize(
    "workers", [2, *(pytest.param(n, marks=pytest.mark.thorough) for n in (3, 7))]
)
def test_what_is_measured_does_not_depend_on_how_many_measure(
    workers: int, alone: tuple[Tally, Columns]
) -> None:
    tally, columns = _played(workers)
    assert len(columns.turns) > 50
    assert (tally.due, tally.finished) == (alone[0].due, alone[0].finished)
    assert record.sha256(columns) == record.sha256(alone[1])


@pytest.mark.parametrize("workers", [1, 2, 5, 1000])
def test_shares_are_disjoint_and_leave_nothing_out(workers: int) -> None:
    async def main() -> None:
        schedule = _schedule(shipped_arm(VirtualClock(), Strategy(), 0, 3, SCENARIO))
        shares = [list(share(iter(schedule), worker, workers)) for worker in range(workers)]
        dealt = [due for one in shares for due in one]
        assert sorted(dealt, key=lambda due: due.conversation) == schedule
        assert max(map(len, shares)) - min(map(len, shares)) <= 1

    run("virtual", main())
