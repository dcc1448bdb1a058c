"""Shrinking keeps what breaks and nothing else, and always comes to the same end."""

from collections.abc import Callable

import pytest

from harness.faults import Placed
from harness.torture.cases import Case
from harness.torture.draw import Field, case_of_number
from harness.torture.reach import PROVIDERS, SCENARIOS
from harness.torture.shrink import MOST_TRIES, shrink

EVERYTHING = Field(SCENARIOS, tuple((name, name) for name in PROVIDERS))
GUILTY = Placed(1, "pay", "timeouts")
ACCOMPLICE = Placed(0, "intent", "storms")
CASE = Case(
    "method_switch",
    ("stripe", "flat"),
    "prewarm+token_cache+parallel_confirm",
    1,
    4,
    tuple(sorted((GUILTY, ACCOMPLICE, Placed(2, "pay", "lost"), Placed(1, "query", "cut", 1, 9)))),
)

BREAKS: list[tuple[str, Callable[[Case], bool], Case]] = [
    (
        "one fault",
        lambda case: GUILTY in case.faults,
        Case("method_switch", ("stripe",), "baseline", 1, 2, (GUILTY,)),
    ),
    (
        "two faults together",
        lambda case: {GUILTY, ACCOMPLICE} <= set(case.faults),
        Case("method_switch", ("stripe",), "baseline", 1, 2, (ACCOMPLICE, GUILTY)),
    ),
    (
        "a strategy",
        lambda case: "token_cache" in case.strategy,
        Case("method_switch", ("stripe",), "token_cache", 1, 1),
    ),
    (
        "the second lane",
        lambda case: "flat" in case.lanes,
        Case("method_switch", ("flat",), "baseline", 1, 1),
    ),
    (
        "how long a fault lasts",
        lambda case: any(of.fault == "cut" and of.lasts >= 3 for of in case.faults),
        Case("method_switch", ("stripe",), "baseline", 1, 1, (Placed(0, "query", "cut", 1, 3),)),
    ),
]


@pytest.mark.parametrize(("what", "breaks", "least"), BREAKS, ids=[what for what, _, _ in BREAKS])
def test_what_is_left_is_what_breaks(
    what: str, breaks: Callable[[Case], bool], least: Case
) -> None:
    found = shrink(CASE, breaks)
    assert (found.case, found.whole) == (least, True)
    assert 0 < found.tries < MOST_TRIES


def test_the_same_case_shrinks_to_the_same_in_as_many_tries() -> None:
    for number in range(20):
        case = case_of_number(5, number, EVERYTHING)
        if _is_much(case):
            assert shrink(case, _is_much) == shrink(case, _is_much)
            assert _is_much(shrink(case, _is_much).case)


def _is_much(case: Case) -> bool:
    return len(case.faults) * case.turns >= 2


def test_what_takes_too_many_tries_is_not_said_to_be_the_least(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("harness.torture.shrink.MOST_TRIES", 2)
    found = shrink(CASE, lambda case: GUILTY in case.faults)
    assert (GUILTY in found.case.faults, found.whole) == (True, False)


def test_a_case_is_never_tried_twice() -> None:
    seen: list[Case] = []

    def breaks(case: Case) -> bool:
        seen.append(case)
        return GUILTY in case.faults

    shrink(CASE, breaks)
    assert len(seen) == len(set(seen))
