"""What engines told of themselves: however each of them ended, its turns add up."""

from collections.abc import Sequence

import pytest
from msgspec import structs

from harness.load.causes import MOST_CAUSES, OTHER
from harness.load.crew import Crew
from harness.load.pipe import Account, Counts, Gone, Part, Planned
from harness.load.plan import Plan
from harness.record.reconciliation import ReconciliationSummary

W = "w"
Told = Part | Account | Gone


def _crew(told: Sequence[Told], planned: int = 0) -> Crew:
    """One worker, of which so many turns were due by the plan."""
    plan = Plan(map(float, range(1, 1000)), turns_each=1, arms=1)
    plan.step(Planned(0.0, 1.0, [W]))
    plan.count(planned)
    crew = Crew([W], plan)
    for one in told:
        match one:
            case Part():
                crew.part(W, one)
            case Account():
                crew.account(W, one)
            case Gone():
                crew.gone(one)
    return crew


def _part(*counts: int, at_s: float = 1.0) -> Part:
    return Part(at_s, Counts(*counts))


def _account(*counts: int) -> Account:
    return Account(9.0, Counts(*counts), 0.5, 2, 40, 1, "Overloaded: 503")


GONE = Gone(W, "killed", 5.0)


@pytest.mark.parametrize(
    ("told", "planned", "state", "counts"),
    [
        # due, started, finished, failed, running, lost
        ([], 0, "running", (0, 0, 0, 0, 0, 0)),
        ([_part(9, 8, 5, 1)], 9, "running", (9, 8, 5, 1, 2, 0)),
        ([_part(9, 8, 5, 1), _account(9, 9, 7, 2)], 9, "ended", (9, 9, 7, 2, 0, 0)),
        ([_account(9, 9, 6, 2, 1)], 9, "ended", (9, 9, 6, 2, 1, 0)),
        ([_part(9, 8, 5, 1), GONE], 20, "lost", (20, 8, 5, 1, 0, 2)),
        ([GONE], 20, "lost", (20, 0, 0, 0, 0, 0)),
        # It knew of more than was planned when it was last asked.
        ([_part(30, 8, 5, 1), GONE], 20, "lost", (30, 8, 5, 1, 0, 2)),
        # Late, but heard: nothing of that is lost.
        ([GONE, _part(9, 8, 6, 1)], 9, "lost", (9, 8, 6, 1, 0, 1)),
        ([GONE, _account(9, 8, 7, 1)], 9, "lost", (9, 8, 7, 1, 0, 0)),
        ([_account(9, 9, 9), GONE], 20, "ended", (9, 9, 9, 0, 0, 0)),
    ],
)
def test_an_engine_adds_up_however_it_ended(
    told: list[Told], planned: int, state: str, counts: tuple[int, ...]
) -> None:
    crew = _crew(told, planned)
    of = crew.summary(crew.member(W))
    assert (of.due, of.started, of.finished, of.failed, of.running, of.lost) == counts
    assert of.started == of.finished + of.failed + of.running + of.lost
    assert crew.member(W).state == state
    assert of.died == ("killed" if state == "lost" else "")


def test_all_together_are_one_tally() -> None:
    crew = _crew([_part(9, 8, 5, 1), GONE], planned=12)
    crew.part("late", Part(2.0, Counts(4, 4, 4), loop_lags_ms=[1.0, 2.0], causes=[("pay", "x", 3)]))
    crew.account("late", _account(5, 5, 4, 1))
    tally = crew.tally()
    counted = (tally.due, tally.started, tally.finished, tally.failed, tally.running, tally.lost)
    assert counted == (17, 13, 9, 2, 0, 2)
    assert (tally.workers, tally.leaks, tally.fault) == (2, 1, "Overloaded: 503")
    assert (tally.strain.cpu_share, tally.strain.connections, tally.strain.calls) == (0.5, 2, 40)
    assert tally.strain.loop_lags_ms.tolist() == [1.0, 2.0]
    assert tally.causes == {("pay", "x"): 3}


def test_many_causes_stay_few() -> None:
    causes = [("pay", f"Broken {n}", 1) for n in range(500)]
    crew = _crew([Part(1.0, Counts(), causes=causes[:30]), Part(2.0, Counts(), causes=causes[30:])])
    assert len(crew.causes) == MOST_CAUSES + 1
    assert crew.causes["pay", OTHER] == 500 - MOST_CAUSES


def test_what_is_beside_all_conversations_is_as_the_engine_saw_it_that_saw_most() -> None:
    def ended(at_s: float, orders: int, beside: int) -> Account:
        books, of_all = (
            ReconciliationSummary(orders=orders), ReconciliationSummary(breached=beside)
        )  # fmt: skip
        return structs.replace(_account(1, 1, 1), at_s=at_s, books=books, beside=of_all)

    crew = _crew([], planned=3)
    for name, account in (("a", ended(9.0, 4, 1)), ("b", ended(8.0, 2, 3)), ("c", ended(31, 1, 0))):
        crew.account(name, account)
    books = crew.tally().books
    assert books is not None
    assert (books.orders, books.breached) == (7, 3)
