"""Whether a place in the schedule did something: what was put in is found, and nothing else."""

from collections.abc import Callable

import numpy as np
import pytest

from harness.record import Turns
from harness.stats.order import Order, Pairing, carry_over, places_of, slot_order
from tests.stats.turns import row, turns_of

ROUNDS, CONVERSATIONS = 200, 8
PAIRING = Pairing("A", "B", range(ROUNDS), 20)

Slowness = Callable[[bool, bool], float]
"""Of a turn that came second in its conversation, or right after the other arm, in ms."""


def _scheduled(slower: Slowness, seed: int = 3) -> Turns:
    """Conversations of two turns, each arm first in half of them, one after the other."""
    rng = np.random.default_rng(seed)
    rows = []
    for round_ in range(ROUNDS):
        before = ""
        for conversation in range(CONVERSATIONS):
            arms = ("A", "B") if rng.random() < 0.5 else ("B", "A")
            for slot, arm in enumerate(arms):
                due_s = conversation * 10.0 + slot
                more = slower(bool(slot), bool(before) and before != arm)
                for turn in range(2):
                    ms = float(rng.lognormal(8.0, 0.2)) + more
                    rows.append(row(arm, round_, conversation, turn, ms, due_s + 100 * turn))
                before = arm
    rng.shuffle(rows)
    return turns_of(rows)


def _both(turns: Turns) -> tuple[Order, Order]:
    places = places_of(turns, PAIRING)
    return slot_order(places), carry_over(places)


def test_equal_places_show_nothing() -> None:
    slot, carried = _both(_scheduled(lambda second, after_other: 0.0))
    assert (slot.what, slot.rounds, slot.seen) == ("slot", ROUNDS, False)
    assert (carried.what, carried.seen) == ("carry-over", False)


def test_coming_second_is_seen_and_is_no_carry_over() -> None:
    slot, carried = _both(_scheduled(lambda second, after_other: 200.0 * second))
    assert slot.seen and slot.lo_ms is not None and slot.hi_ms is not None
    assert slot.lo_ms < 200 < slot.hi_ms
    assert not carried.seen


def test_what_the_other_arm_leaves_behind_is_seen() -> None:
    carried = carry_over(places_of(_scheduled(lambda _, after_other: 200.0 * after_other), PAIRING))
    assert carried.seen and carried.lo_ms is not None and carried.hi_ms is not None
    assert carried.lo_ms < 200 < carried.hi_ms


def test_a_turn_that_never_answered_has_a_place_but_no_time() -> None:
    rows = [
        row("A", 0, due_s=0.0, outcome="error"),
        row("B", 0, due_s=1.0),
        row("A", 0, conversation=1, due_s=3.0, response_ms=100.0),
        row("A", 0, conversation=1, turn=1, due_s=9.0, response_ms=300.0),
    ]
    places = places_of(turns_of(rows), PAIRING)
    assert places.arm.tolist() == [0, 1, 0]
    assert places.second.tolist() == [False, True, False]
    np.testing.assert_array_equal(places.ms, [np.nan, 4000.0, 200.0])


@pytest.mark.parametrize("rounds", [0, 1, 4])
def test_a_few_rounds_tell_nothing(rounds: int) -> None:
    rows = [row(arm, n, due_s=float(slot)) for n in range(rounds) for slot, arm in enumerate("AB")]
    places = places_of(turns_of(rows), PAIRING)
    assert slot_order(places) == Order(what="slot", rounds=rounds, ms=None, lo_ms=None, hi_ms=None)
    assert not carry_over(places).seen
