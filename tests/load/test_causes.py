"""Causes are counted one by one up to a bound of each stage, and no call is left out."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from harness.load.causes import MOST_CAUSES, OTHER, Causes, count_cause, merge_causes

MANY = [f"cause {n}" for n in range(MOST_CAUSES + 7)]
Calls = st.lists(st.tuples(st.sampled_from(["pay", "intent"]), st.sampled_from(MANY)))


def _counted(calls: list[tuple[str, str]]) -> Causes:
    causes: Causes = Counter()
    for stage, cause in calls:
        count_cause(causes, stage, cause)
    return causes


def _distinct(causes: Causes, stage: str) -> int:
    return sum(1 for of, cause in causes if of == stage)


def test_what_comes_after_the_bound_is_counted_as_other_and_said_so() -> None:
    causes: Causes = Counter()
    told = [count_cause(causes, "pay", cause) for cause in MANY]
    assert told == MANY[:MOST_CAUSES] + [OTHER] * 7
    assert causes["pay", OTHER] == 7
    assert count_cause(causes, "pay", MANY[0]) == MANY[0]
    assert count_cause(causes, "intent", MANY[-1]) == MANY[-1]


def test_of_what_others_counted_the_most_frequent_keep_their_names() -> None:
    more: Causes = Counter({("pay", cause): n + 1 for n, cause in enumerate(MANY)})
    causes: Causes = Counter()
    merge_causes(causes, more)
    assert {cause for _, cause in causes} == {*MANY[7:], OTHER}
    assert causes["pay", OTHER] == sum(range(1, 8))


@given(Calls, Calls)
def test_whatever_is_counted_and_merged_is_bounded_and_whole(
    some: list[tuple[str, str]], more: list[tuple[str, str]]
) -> None:
    causes = _counted(some)
    merge_causes(causes, _counted(more))
    assert causes.total() == len(some) + len(more)
    for stage in ("pay", "intent"):
        assert _distinct(causes, stage) <= MOST_CAUSES + 1
        calls = [of for of, _ in some + more if of == stage]
        assert sum(n for (of, _), n in causes.items() if of == stage) == len(calls)
