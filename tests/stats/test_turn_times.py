"""Times to the microsecond, stages that add up to them, and a story that no latency is part of."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from harness.record import Columns, FlowRow, SpanRow, TurnTimes
from harness.stats.bootstrap import times_drawn
from harness.stats.critical_path import OWN_TIME
from harness.stats.turn_times import (
    figures_of,
    only,
    stage_changes,
    stage_means,
    story_of,
    times_of,
)
from tests.stats.by_hand import columns, flow, span, spans_of


def played(
    stages: Sequence[dict[str, float]], rounds: int = 5, variant: str = "base"
) -> tuple[list[FlowRow], list[SpanRow]]:
    """A turn of a conversation of its own each, dealt out to the rounds in turn."""
    rows, spans = [], []
    for n, ms in enumerate(stages):
        row = flow(sum(ms.values()), variant=variant, round=n % rounds, conversation=n, due_s=n)
        rows.append(row)
        spans += spans_of(row, **ms)
    return rows, spans


def ordered(found: Sequence[FlowRow], spans: Sequence[SpanRow] = ()) -> Columns:
    keys = lambda row: (row.round, row.variant, row.conversation, row.turn)  # noqa: E731
    return columns(sorted(found, key=keys), sorted(spans, key=keys))


def times(stages: Sequence[dict[str, float]], rounds: int = 5) -> TurnTimes:
    return times_of(ordered(*played(stages, rounds)), "base")


microseconds = st.integers(0, 10_000_000).map(lambda us: us / 1000)


@given(
    st.lists(st.fixed_dictionaries({"pay": microseconds, "intent": microseconds}), min_size=1,
             max_size=12),
    st.floats(0, 1e6),
)  # fmt: skip
def test_times_are_whole_microseconds_and_stages_add_up_to_them(
    stages: list[dict[str, float]], due_s: float
) -> None:
    rows, spans = played(stages)
    later = [
        structs.replace(row, due_s=row.due_s + due_s, start_s=row.start_s + due_s,
                        end_s=row.end_s + due_s)
        for row in rows
    ]  # fmt: skip
    moved = [
        structs.replace(one, start_s=one.start_s + due_s, end_s=one.end_s + due_s) for one in spans
    ]
    here, there = times_of(ordered(rows, spans), "base"), times_of(ordered(later, moved), "base")
    in_order = sorted(rows, key=lambda row: (row.round, row.conversation))
    assert here.response_us == pytest.approx([1000 * row.response_ms for row in in_order], abs=0.5)
    assert np.array_equal(here.busy_us[:, :-1], here.critical_us[:, :-1])
    # Floats of a later hour are coarser, and the microseconds are the same.
    assert np.array_equal(here.critical_us, there.critical_us)


def test_a_turn_that_was_not_answered_is_infinite_and_keeps_how_long_it_took_to_fail() -> None:
    rows, spans = played([{"pay": 100}, {"pay": 200}, {"pay": 400}], rounds=1)
    rows[1] = structs.replace(rows[1], outcome="error")
    rows[2] = structs.replace(rows[2], outcome="declined")
    found = times_of(columns(rows, spans), "base")
    assert found.answered_ms.tolist() == [100, math.inf, 400]
    assert found.answered.tolist() == [True, False, True]
    assert found.response_us.tolist() == [100_000, 200_000, 400_000]
    assert found.stages == ("pay", OWN_TIME)
    for us in (found.critical_us, found.busy_us):
        assert us.tolist() == [[100_000, 0], [200_000, 0], [400_000, 0]]
    assert found.calls.tolist() == [[1, 0], [1, 0], [1, 0]]
    assert stage_means([found], "critical", seed=1).seen.tolist() == [[250, 0]]


def test_some_turns_alone_have_their_own_stages() -> None:
    found = only(times([{"pay": 1.0}, {"pay": 2.0}, {"pay": 3.0}]), np.array([True, False, True]))
    assert found.response_us.tolist() == [1000, 3000]
    assert (found.round.tolist(), found.busy_us.shape) == ([0, 2], (2, 2))


def test_what_nobody_awaits_is_busy_and_on_no_critical_path() -> None:
    row = flow(300)
    early = structs.replace(span(row, "session", 0, 0.2, 1), critical=False)
    found = times_of(columns([row], [span(row, "pay", 0, 0.3), early]), "base")
    assert found.stages == ("pay", "session", OWN_TIME)
    assert found.critical_us.tolist() == [[300_000, 0, 0]]
    assert found.busy_us.tolist() == [[300_000, 200_000, 0]]


def test_an_approval_is_the_users_time_and_no_stage() -> None:
    row = flow(300, human_ms=5000)
    spans = [span(row, "approve", 0.1, 5.1), span(row, "pay", 5.1, 5.3, 1)]
    found = times_of(columns([row], spans), "base")
    assert found.stages == ("pay", OWN_TIME)
    assert found.critical_us.tolist() == [[200_000, 100_000]]


def test_other_strategies_leave_no_trace() -> None:
    alone = played([{"pay": 100}, {"pay": 200}])
    others = played([{"refund": 1}, {"intent": 7}, {"pay": 3}], variant="also")
    both = ordered([*alone[0], *others[0]], [*alone[1], *others[1]])
    for name in TurnTimes.__dataclass_fields__:
        here, there = (getattr(times_of(of, "base"), name) for of in (both, ordered(*alone)))
        assert np.array_equal(here, there), name
    assert story_of(both, "base") == story_of(ordered(*alone), "base")
    assert times_of(both, "nobody").answered_ms.size == 0


def test_figures_are_those_of_the_turns() -> None:
    rows, spans = played([{"intent": 50, "pay": ms} for ms in range(100, 200)])
    rows[99] = structs.replace(rows[99], outcome="unknown")
    found = figures_of("conversation/prewarm", ordered(rows, spans), "base")
    assert (found.name, found.turns, found.failed) == ("conversation/prewarm", 100, 1)
    assert found.mean_ms == 199.0
    assert found.critical_ms == {"intent": 50.0, "pay": 149.0}
    assert [of.ms for of in found.quantiles] == [199.0, 244.0, None]


def test_of_nothing_answered_there_is_no_mean() -> None:
    row = flow(100, outcome="error")
    found = figures_of("x", columns([row]), "base")
    assert (found.turns, found.failed, found.mean_ms, found.critical_ms) == (1, 1, None, {})


def test_stages_of_a_change_add_up_to_it_and_the_largest_comes_first() -> None:
    before = [{"intent": 50.0, "pay": 100.0 + n, "session": 9.0} for n in range(40)]
    after = [{"intent": 40.0, "pay": 130.0 + n} for n in range(40)]
    parts = stage_changes(times(before), times(after), seed=1)
    assert [(part.stage, round(part.ms, 9)) for part in parts] == [
        ("pay", 30.0), ("intent", -10.0), ("session", -9.0),
    ]  # fmt: skip
    assert sum(part.ms for part in parts) == pytest.approx(11)
    for part in parts:
        assert part.lo_ms is not None and part.hi_ms is not None
        assert part.lo_ms <= part.ms + 1e-9 and part.ms - 1e-9 <= part.hi_ms
    assert stage_changes(times(before), times(before), seed=1) == []


def test_the_mean_is_resampled_by_round_with_the_same_draws_for_both() -> None:
    slow = [{"pay": 100.0 + 10 * (n % 5) ** 2} for n in range(20)]
    found = stage_means([times(slow), times(slow)], "critical", seed=3)
    assert np.array_equal(found.drawn[0], found.drawn[1])
    drawn = times_drawn(5, 3, found.drawn.shape[-1])
    of_rounds = np.array([100.0 + 10 * number**2 for number in range(5)])
    assert found.drawn[0, 0] == pytest.approx(drawn @ of_rounds / 5)


def test_a_change_without_rounds_enough_has_no_interval_and_without_answers_no_parts() -> None:
    few = stage_changes(times([{"pay": 1.0}] * 4, 4), times([{"pay": 2.0}] * 4, 4), seed=1)
    assert [(part.ms, part.lo_ms, part.hi_ms) for part in few] == [(1.0, None, None)]
    none = times_of(columns([flow(1, outcome="error")]), "base")
    assert stage_changes(times([{"pay": 1.0}]), none, seed=1) == []
    nobody = times_of(columns([flow(1)]), "nobody")
    assert stage_changes(nobody, nobody, seed=1) == []


CHAT = [
    structs.replace(flow(100, due_s=5.0, amount_minor=500), turn=0),
    structs.replace(flow(100, due_s=9.0, amount_minor=700), turn=1),
]


def slower(rows: Sequence[FlowRow], ms: float) -> list[FlowRow]:
    """The same conversation where each turn takes so much longer, and the user thinks as long."""
    return [
        structs.replace(
            row,
            due_s=row.due_s + n * ms / 1000,
            start_s=row.start_s + (n + 0.5) * ms / 1000,
            end_s=row.end_s + (n + 1) * ms / 1000,
            response_ms=row.response_ms + ms,
        )
        for n, row in enumerate(rows)
    ]


@given(st.integers(0, 10**9).map(lambda us: us / 1000))
def test_a_story_is_the_same_however_long_anything_took(ms: float) -> None:
    assert story_of(columns(slower(CHAT, ms)), "base") == story_of(columns(CHAT), "base")


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(
    "other",
    [{"amount_minor": 501}, {"method": "balance"}, {"currency": "CNY"}, {"round": 1},
     {"conversation": 3}],
    ids=lambda other: next(iter(other)),
)  # fmt: skip
def test_a_story_changes_with_whatever_was_asked(other: dict[str, int | str], place: int) -> None:
    changed = list(CHAT)
    changed[place] = structs.replace(changed[place], **other)
    assert story_of(ordered(changed), "base") != story_of(columns(CHAT), "base")


def test_a_story_holds_how_long_the_user_thought() -> None:
    later = [CHAT[0], structs.replace(CHAT[1], due_s=CHAT[1].due_s + 2e-6)]
    found = story_of(columns(later), "base")
    assert found != story_of(columns(CHAT), "base")
    assert len(found) == 12 and int(found, 16) >= 0
