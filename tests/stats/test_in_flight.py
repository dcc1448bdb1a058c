"""How many others were in flight: counted at once as they are one by one, and binned evenly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.record import FlowRow, InFlight
from harness.stats.in_flight import in_flight_of, others_in_flight
from harness.stats.strategies import cells_of
from tests.stats.by_hand import BASE, WARM, columns, flow, flows


def one_by_one(turns: list[FlowRow]) -> list[int]:
    return [
        sum(
            other is not turn
            and (other.variant, other.round) == (turn.variant, turn.round)
            and other.due_s <= turn.due_s < other.end_s
            for other in turns
        )
        for turn in turns
    ]


def others(turns: list[FlowRow]) -> list[int]:
    return [int(n) for n in others_in_flight(columns(turns).turns)]


def binned(turns: list[FlowRow]) -> list[InFlight]:
    found = columns(turns).turns
    return in_flight_of(found, cells_of(found, [BASE, WARM]))


def test_who_was_due_before_and_had_not_ended_was_in_flight() -> None:
    turns = [flow(1000, due_s=0.0), flow(1000, due_s=0.5), flow(200, due_s=0.9), flow(1, due_s=1.0)]
    # At 1.0 the first has just ended.
    assert others(turns) == [0, 1, 2, 2]


def test_other_strategies_and_rounds_do_not_count() -> None:
    turns = [flow(1000), flow(1000, round=1), flow(1000, variant="warm")]
    assert others(turns) == [0, 0, 0]


def test_a_turn_is_in_flight_while_its_user_approves() -> None:
    assert others([flow(100, human_ms=5000), flow(100, due_s=4.0)]) == [0, 1]


drawn = st.builds(
    flow,
    st.integers(1, 3000).map(float),
    variant=st.sampled_from(["base", "warm"]),
    round=st.integers(0, 2),
    due_s=st.integers(-10, 50).map(lambda tenths: tenths / 10),
)


@given(st.lists(drawn, max_size=30))
def test_all_at_once_are_counted_as_one_by_one(turns: list[FlowRow]) -> None:
    assert others(turns) == one_by_one(turns)


def test_bins_are_even_and_hold_every_turn() -> None:
    # Ever more at once: turn n is due while all before it are in flight.
    turns = [flow(100_000 + n, due_s=n / 100, round=0) for n in range(600)]
    found = binned(turns)
    assert [(one.least, one.most, one.turns) for one in found] == [
        (100 * n, 100 * n + 99, 100) for n in range(6)
    ]
    assert [one.quantiles[0].ms for one in found] == [100_049 + 100 * n for n in range(6)]


def test_where_most_turns_were_alone_there_are_fewer_bins() -> None:
    turns = [flow(100, due_s=n, conversation=n) for n in range(50)]
    turns += [flow(100, due_s=0.05), flow(100, due_s=7.05)]
    assert [(one.least, one.most, one.turns) for one in binned(turns)] == [(0, 1, 52)]
    assert [(one.least, one.most) for one in binned(turns[:50])] == [(0, 0)]


@given(st.lists(drawn, max_size=40))
def test_no_bin_is_empty_and_none_overlap(turns: list[FlowRow]) -> None:
    for name in ("base", "warm"):
        found = [one for one in binned(turns) if one.variant == name]
        assert sum(one.turns for one in found) == sum(turn.variant == name for turn in turns)
        assert len(found) <= 6
        ends = [edge for one in found for edge in (one.least, one.most)]
        assert ends == sorted(ends)
        assert all(one.turns for one in found)
        assert len({one.least for one in found}) == len(found)


def test_a_bin_too_small_has_no_figures() -> None:
    (only,) = binned(flows([100.0] * 5, rounds=1))
    assert [point.ms for point in only.quantiles] == [None, None]
    assert only.turns == 5


@pytest.mark.parametrize("seconds", [1e-9, 1e6])
def test_a_nanosecond_counts_however_long_the_run(seconds: float) -> None:
    first = flow(1000, due_s=seconds)
    beside = flow(1000, due_s=first.end_s - 2e-9, conversation=1)
    after = flow(1000, due_s=first.end_s, conversation=2)
    assert others([first, beside]) == [0, 1]
    assert others([first, after]) == [0, 0]
