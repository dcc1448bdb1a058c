"""Looks planned ahead: where they are, what they cost, and that together they seldom cry wolf.

The simulations use the noise that the method was chosen on: rounds of 100 lognormal turns, each
like the one before it, and 5 % of noise that a whole round of one strategy shares. The difference
of two rounds' p95 then has a standard deviation of about 185 ms at a p95 of 965 ms.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.record import FloatArray, FlowRow, Outcome
from harness.stats.analysis import Question
from harness.stats.effects import factorial_effects
from harness.stats.quantiles import Sample
from harness.stats.sequential import (
    certain,
    level_of_look,
    planned_looks,
    primary_effects,
)

P95_MS, SIGMA, ALIKE, SHARED = 965.0, 0.5, 0.4, 0.05
TURNS = 100


@pytest.mark.parametrize(
    ("rounds", "looks", "planned"),
    [
        (20, 5, [10, 20, 40, 70, 100]),
        (10, 5, [5, 10, 20, 35, 50]),
        (20, 2, [10, 100]),
        (20, 3, [10, 40, 100]),
        (20, 9, [10, 14, 20, 28, 40, 53, 70, 84, 100]),
    ],
)
def test_looks_are_from_half_the_usual_length_to_five_times_it(
    rounds: int, looks: int, planned: list[int]
) -> None:
    assert planned_looks(rounds, looks) == planned


@given(st.integers(1, 3000), st.integers(2, 20))
def test_looks_are_as_many_as_asked_for_ever_later_and_never_too_early(
    rounds: int, looks: int
) -> None:
    try:
        planned = planned_looks(rounds, looks)
    except ValueError as error:
        assert rounds < 10 or looks > 5
        assert "take" in str(error)
        return
    assert len(planned) == looks
    assert planned == sorted(set(planned))
    assert planned[0] >= 5
    assert planned[-1] == 5 * rounds


@pytest.mark.parametrize(
    ("rounds", "looks", "mend"), [(8, 5, "10 rounds or more"), (11, 20, "take fewer looks")]
)
def test_looks_that_cannot_be_are_refused_with_a_mend(rounds: int, looks: int, mend: str) -> None:
    with pytest.raises(ValueError, match=mend):
        planned_looks(rounds, looks)


def test_all_looks_share_one_alpha() -> None:
    assert level_of_look(1) == pytest.approx(0.95)
    assert level_of_look(5) == pytest.approx(0.99)


def test_certain_is_when_all_is_decided_and_never_about_nothing() -> None:
    assert certain(["improved", "unchanged", "regressed"])
    assert not certain(["improved", "cannot tell"])
    assert not certain(["improved", "unknown"])
    assert not certain([])


@dataclass(frozen=True, slots=True)
class Arm:
    """A variant, as far as a look asks."""

    name: str
    prewarm: bool
    token_cache: bool = False
    parallel_confirm: bool = False
    pay: str = ""
    factors: Mapping[str, bool | str] = field(default_factory=dict)


ARMS = [Arm("off", False), Arm("on", True)]
QUESTION = Question(factors=["prewarm"], effect_level=level_of_look(5))


def turn(arm: str, round_: int, response_ms: float, outcome: Outcome = "paid") -> FlowRow:
    return FlowRow(
        variant=arm, round=round_, conversation=0, turn=0, due_s=0.0, start_s=0.0, end_s=0.0,
        response_ms=response_ms, service_ms=response_ms, outcome=outcome, cold=False,
        method="", amount_minor=1, currency="CNY", fee_minor=0, calls=1, wasted_prewarms=0,
        stale_tokens=0, corrections=0, guarded=0, human_ms=0.0, token_cost_micro=0,
    )  # fmt: skip


def turns(of_round: FloatArray, saved_ms: float) -> list[FlowRow]:
    """Six turns a round: without the mitigation as long as its round, with it shorter."""
    return [
        turn(arm.name, round_, float(ms) - saved_ms * arm.prewarm + n)
        for round_, ms in enumerate(of_round)
        for arm in ARMS
        for n in range(6)
    ]


def test_a_look_judges_the_question_and_nothing_else() -> None:
    (found,) = primary_effects(turns(np.linspace(900, 1000, 6), 40), ARMS, QUESTION)
    assert (found.factor, found.quantile, found.primary) == ("prewarm", 0.5, True)
    assert (found.estimate_ms, found.verdict) == (-40, "improved")


def test_a_change_of_exactly_nothing_is_decided() -> None:
    (found,) = primary_effects(turns(np.linspace(900, 1000, 6), 0), ARMS, QUESTION)
    assert (found.lo_ms, found.hi_ms, found.verdict) == (0, 0, "unchanged")
    assert certain([found.verdict])


def test_a_look_does_not_mind_in_which_order_the_rounds_came() -> None:
    rows = turns(np.linspace(900, 1000, 6), 40)
    assert primary_effects(rows, ARMS, QUESTION) == primary_effects(rows[::-1], ARMS, QUESTION)


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [row for row in turns(np.ones(6), 0) if row.variant == "off"],
        [turn(arm.name, n, 1.0, "error") for arm in ARMS for n in range(6) for _ in range(6)],
        turns(np.linspace(900, 1000, 4), 40),
    ],
    ids=["no turn", "no turn of one strategy", "all failed", "four rounds"],
)
def test_where_nothing_can_be_told_nothing_is_certain(rows: list[FlowRow]) -> None:
    assert not certain([found.verdict for found in primary_effects(rows, ARMS, QUESTION)])


def test_three_mitigations_are_all_the_question() -> None:
    names = ("prewarm", "token_cache", "parallel_confirm")
    arms = [
        Arm(f"{a}{b}{c}", bool(a), bool(b), bool(c)) for a in (0, 1) for b in (0, 1) for c in (0, 1)
    ]
    rows = [
        turn(arm.name, round_, 900.0 + round_ - 30 * arm.prewarm + n)
        for arm in arms
        for round_ in range(6)
        for n in range(6)
    ]
    found = primary_effects(rows, arms, Question(factors=names))
    assert [(one.factor, one.verdict) for one in found] == [
        ("prewarm", "improved"),
        ("token_cache", "unchanged"),
        ("parallel_confirm", "unchanged"),
    ]


def test_looking_five_times_seldom_finds_what_is_not_there() -> None:
    """A smoke of the simulation below: few runs, each of them at the whole method."""
    found = Found.of(1.0, runs=12)
    assert found.changes <= 2
    assert found.rounds > 80
    large = Found.of(1.2, runs=6)
    assert (large.regressed, large.improved) == (6, 0)
    assert large.rounds < 40


@pytest.mark.slow
def test_looks_keep_to_their_alpha_and_stop_large_effects_early() -> None:
    """The table is printed with -s; without any effect at most 5 % of runs find a change."""
    table = {factor: Found.of(factor, runs) for factor, runs in RUNS.items()}
    print("\nfive looks, 10 to 100 rounds of 100 turns, at p95")
    print("effect  runs  wrong sign or false  detected  mean rounds  by look")
    for factor, found in table.items():
        false = found.changes if factor == 1.0 else found.improved
        print(
            f"{factor - 1:+6.0%}  {found.runs:4}  {false / found.runs:19.1%}"
            f"  {found.regressed / found.runs:8.1%}  {found.rounds:11.0f}  {found.by_look}"
        )
    assert table[1.0].changes / table[1.0].runs <= 0.05
    assert table[1.1].regressed / table[1.1].runs >= 0.95
    assert table[1.1].rounds <= 60
    assert table[1.2].regressed == table[1.2].runs
    assert table[1.2].rounds <= 25
    assert all(found.improved == 0 for factor, found in table.items() if factor > 1)


RUNS = {1.0: 600, 1.05: 200, 1.1: 200, 1.2: 200}


@dataclass(frozen=True, slots=True)
class Found:
    """What so many simulated runs came to."""

    runs: int
    improved: int
    regressed: int
    rounds: float
    """A run, on average; one that never was certain counts as the last look."""
    by_look: list[int]
    """How many runs were certain at each."""

    @property
    def changes(self) -> int:
        return self.improved + self.regressed

    @staticmethod
    def of(factor: float, runs: int) -> "Found":
        planned = planned_looks(20, 5)
        ends = [run(factor, planned, seed) for seed in range(runs)]
        verdicts = [verdict for verdict, _ in ends]
        return Found(
            runs,
            verdicts.count("improved"),
            verdicts.count("regressed"),
            float(np.mean([planned[look] for _, look in ends])),
            [
                sum(verdict != "cannot tell" and look == at for verdict, look in ends)
                for at in range(len(planned))
            ],
        )


def run(factor: float, planned: list[int], seed: int) -> tuple[str, int]:
    """The verdict of a run and the look that it ended at, counted from 0."""
    rng = np.random.default_rng([seed, round(factor * 1000)])
    off, on = simulated(rng, planned[-1], 1.0), simulated(rng, planned[-1], factor)
    verdict = "unknown"
    for look, rounds in enumerate(planned):
        (effect,) = factorial_effects(
            {(False,): first(off, rounds), (True,): first(on, rounds)},
            ["prewarm"],
            quantiles=(0.95,),
            primary=0.95,
            level=level_of_look(len(planned)),
            seed=seed,
        ).effects
        verdict = effect.verdict
        if certain([effect.verdict]):
            return verdict, look
    return verdict, len(planned) - 1


def first(values_ms: FloatArray, rounds: int) -> Sample:
    return Sample(values_ms[:rounds].ravel(), np.repeat(np.arange(rounds), TURNS))


def simulated(rng: np.random.Generator, rounds: int, factor: float) -> FloatArray:
    """Response times shaped (rounds, turns)."""
    noise = rng.standard_normal((rounds, TURNS))
    for n in range(1, TURNS):
        noise[:, n] = ALIKE * noise[:, n - 1] + np.sqrt(1 - ALIKE**2) * noise[:, n]
    shared = SHARED * rng.standard_normal((rounds, 1))
    median_ms = factor * P95_MS / np.exp(1.645 * SIGMA)
    values: FloatArray = median_ms * np.exp(SIGMA * noise + shared)
    return values
