"""Failures that come together: a promise is not called kept for want of having seen a burst."""

from typing import Literal

import numpy as np
import pytest

from harness.record import FloatArray, FlowRow
from harness.stats.distributions import clopper_pearson, z_quantile
from harness.stats.slo import judge_slos, read_slos
from tests.stats.by_hand import columns, flow

Kind = Literal["independent", "bursts", "bad weather"]
TURNS, ROUNDS = 1000, 20
MEMORY, BURST = 20, 10
"""In turns."""


def dealt(took_ms: FloatArray) -> list[FlowRow]:
    """Turns one after another, in equal rounds; those that are infinite failed."""
    return [
        flow(
            ms if np.isfinite(ms) else 1.0,
            round=n * ROUNDS // took_ms.size,
            conversation=n,
            outcome="paid" if np.isfinite(ms) else "error",
        )
        for n, ms in enumerate(took_ms.tolist())
    ]


def share_told(took_ms: FloatArray) -> tuple[float, float]:
    (told,) = judge_slos(columns(dealt(took_ms)), ["base"], read_slos("errors<1%"))
    assert told.lo is not None and told.hi is not None
    return told.lo, told.hi


def weather(rng: np.random.Generator) -> FloatArray:
    """Normal, and forgotten within about so many turns."""
    kept = float(np.exp(-1 / MEMORY))
    now, found = float(rng.normal()), np.empty(TURNS)
    for n, new in enumerate((rng.normal(size=TURNS) * np.sqrt(1 - kept**2)).tolist()):
        found[n] = now = kept * now + new
    return found


def times_ms(rng: np.random.Generator, kind: Kind, share: float) -> FloatArray:
    """That share of them fails, in the long run."""
    slow = weather(rng)
    took = 1000 * np.exp(0.3 * slow + 0.3 * rng.normal(size=TURNS))
    if kind == "independent":
        took[rng.random(TURNS) < share] = np.inf
    elif kind == "bursts":
        for end in np.flatnonzero(rng.random(TURNS + BURST) < share / BURST):
            took[max(0, end - BURST) : end] = np.inf
    else:
        took[slow > z_quantile(1 - share)] = np.inf
    return took


def called_kept(kind: Kind, share: float, experiments: int) -> float:
    """How often a promise of just that share, which is not kept, would be called so."""
    highest = [
        share_told(times_ms(np.random.default_rng([n, 9]), kind, share))[1]
        for n in range(experiments)
    ]
    return float(np.mean(np.array(highest) < share))


def test_where_none_failed_a_share_is_known_no_better_than_the_median() -> None:
    noise = np.random.default_rng(1).normal(1000, 10, TURNS)
    alike = noise + np.repeat(np.random.default_rng(2).normal(0, 100, ROUNDS), TURNS // ROUNDS)
    plain, bound = share_told(noise)[1], clopper_pearson(0, TURNS)[1]
    assert bound <= plain < 2 * bound
    assert share_told(alike)[1] > 10 * bound


def test_one_failure_makes_no_promise_surer_than_none() -> None:
    alike = 1000 + np.repeat(np.random.default_rng(2).normal(0, 100, ROUNDS), TURNS // ROUNDS)
    once = alike.copy()
    once[17] = np.inf
    assert share_told(once)[1] > share_told(alike)[1]


def test_failures_of_many_rounds_tell_for_themselves_how_they_come() -> None:
    alike = 1000 + np.repeat(np.random.default_rng(2).normal(0, 100, ROUNDS), TURNS // ROUNDS)
    alike[:: TURNS // ROUNDS] = np.inf
    assert share_told(alike) == pytest.approx(clopper_pearson(ROUNDS, TURNS))


def test_a_run_that_saw_no_burst_does_not_call_the_promise_kept() -> None:
    assert called_kept("bursts", 0.01, 40) < 0.15


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "most"), [("independent", 0.05), ("bursts", 0.05), ("bad weather", 0.2)]
)
@pytest.mark.parametrize("share", [0.004, 0.01, 0.02, 0.04])
def test_how_often_a_broken_promise_is_called_kept(kind: Kind, most: float, share: float) -> None:
    found = called_kept(kind, share, 500)
    print(f"\n{kind}, {share:.1%} fail: called kept in {found:.1%}")
    assert found < most
