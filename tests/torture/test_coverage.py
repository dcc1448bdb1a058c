"""What struck is counted by cell and strategy, and told in a table that fits a terminal."""

from collections import Counter

from harness.faults import FAULTS
from harness.torture.coverage import Coverage, table
from harness.torture.reach import ALL_CELLS, Cell

BOTH = ("baseline", "prewarm")
LOST_AT_PAY = Cell("lost", "pay")


def struck(baseline: int, prewarm: int) -> Coverage:
    coverage = Coverage()
    coverage.struck["lost", "pay", "baseline"] = baseline
    coverage.struck["lost", "pay", "prewarm"] = prewarm
    return coverage


def test_a_cell_counts_as_often_as_it_struck_in_the_worst_strategy() -> None:
    assert struck(7, 3).least(LOST_AT_PAY, BOTH) == 3
    assert struck(7, 0).least(LOST_AT_PAY, BOTH) == 0
    assert struck(7, 0).least(LOST_AT_PAY, ["baseline"]) == 7


def test_counts_of_several_processes_add_up() -> None:
    one = struck(1, 2)
    one.add(struck(3, 4))
    assert one.least(LOST_AT_PAY, BOTH) == 4
    assert one.total == 10


def test_what_was_struck_too_seldom_is_named_with_its_strategy() -> None:
    cells = [LOST_AT_PAY, Cell("lost", "close")]
    assert list(struck(5, 4).seldom(cells, BOTH, 5)) == [
        (LOST_AT_PAY, "prewarm", 4),
        (Cell("lost", "close"), "baseline", 0),
        (Cell("lost", "close"), "prewarm", 0),
    ]
    assert list(struck(5, 4).seldom([LOST_AT_PAY], BOTH, 4)) == []


def test_the_table_is_eighty_columns_wide_at_most_and_names_every_fault() -> None:
    million = Coverage(
        Counter({(of.fault, of.stage, strategy): 999_999 for of in ALL_CELLS for strategy in BOTH})
    )
    lines = table(million, ALL_CELLS, BOTH)
    assert max(map(len, lines)) <= 80
    assert {line.split(" ")[0] for line in lines} - {""} == set(FAULTS)


def test_the_table_tells_what_was_not_sought_from_what_did_not_strike() -> None:
    lines = table(struck(7, 3), [LOST_AT_PAY, Cell("lost", "query")], BOTH)
    (row,) = [line.split() for line in lines if line.startswith("lost") and "3" in line]
    assert row == ["lost", "3", "0", "-", "-", "-"]
