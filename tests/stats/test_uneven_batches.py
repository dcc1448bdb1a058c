"""Turns that come unevenly: a long tail moves no batch, and a crowd in a few leaves none."""

from collections.abc import Sequence

import numpy as np
import pytest

from harness.record import FlowRow
from harness.stats.batches import MOST, batches_of, rounds_of
from tests.stats.by_hand import flow
from tests.stats.test_batches import count_of, evenly
from tests.stats.turns import turns_of


def coming_back(back: Sequence[float], turns: int = 1000) -> list[FlowRow]:
    """A turn a second, and of customers who come back after idles."""
    late = [flow(1000.0, conversation=turns + n, due_s=s) for n, s in enumerate(back)]
    return [*evenly(turns, 1.0), *late]


def test_the_last_batch_takes_a_long_tail_of_few_turns() -> None:
    made = turns_of(coming_back([5000.0, 6000.0, 7000.0]))
    batches = batches_of([made])
    assert batches is not None
    assert batches.count == MOST
    assert batches.length_s == pytest.approx(1000 / MOST, rel=0.02)
    each = np.bincount(batches.of(made))
    assert each.max() < 1.5 * each.min()
    assert batches.of(made)[-3:].tolist() == [MOST - 1] * 3


def test_a_tail_that_is_no_longer_than_a_tenth_moves_no_batch() -> None:
    batches = batches_of([turns_of(coming_back([1080.0]))])
    assert batches is not None
    assert batches.length_s == pytest.approx(1080 / MOST)


def test_where_few_batches_hold_nearly_all_turns_there_are_none() -> None:
    """As of a short run of conversations whose users come back much later."""
    back = np.linspace(1400, 30_000, 300).tolist()
    made = turns_of(coming_back(back))
    assert rounds_of(made) is made.round
    assert count_of(turns_of(coming_back(back[::10]))) == 0
    assert count_of(turns_of(evenly(1000, 1.0))) == MOST


@pytest.mark.parametrize(("crowd", "count"), [(250, MOST), (1500, 0)])
def test_the_strategy_whose_turns_lie_worst_counts(crowd: int, count: int) -> None:
    at_once = [flow(1.0, variant="warm", conversation=n, due_s=1.0) for n in range(crowd)]
    both = [*evenly(1000, 1.0), *evenly(1000, 1.0, variant="warm"), *at_once]
    assert count_of(turns_of(both)) == count


@pytest.mark.parametrize("seed", range(20))
def test_chance_arrivals_of_the_fewest_turns_are_even_enough(seed: int) -> None:
    gaps = np.random.default_rng(seed).exponential(1.0, 275)
    due = np.cumsum(gaps).tolist()
    made = turns_of([flow(1000.0, conversation=n, due_s=s) for n, s in enumerate(due)])
    assert count_of(made) in (10, 11)
