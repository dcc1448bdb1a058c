"""Stopping early without fooling oneself: looks planned ahead, each at its share of alpha; pure.

Whoever looks at a growing sample after every round and stops at the first finding is wrong in a
third of runs without any effect. Here a run looks K times, after numbers of rounds that are
declared before the first, and judges each look at 1 - alpha / K: by Bonferroni's inequality all
looks together are wrong no more often than alpha, however the looks depend on one another.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from harness.record import UNANSWERED, EffectSummary, FlowRow, Verdict
from harness.stats.analysis import Question
from harness.stats.effects import factorial_effects
from harness.stats.quantiles import MIN_ROUNDS, Sample
from harness.stats.strategies import Strategy, is_on

ALPHA = 0.05
"""Over all looks together."""

MOST_TIMES = 5
"""How many times its usual length a run may take."""

LEAST_LOOKS, MOST_LOOKS = 2, 20

_CURVE = (0.5, 1.0, 2.0, 3.5, MOST_TIMES)
"""Five looks, in usual lengths: early enough for a large effect, late enough for a small one."""

_DECIDED: tuple[Verdict, ...] = ("improved", "regressed", "unchanged")


def planned_looks(rounds: int, looks: int) -> list[int]:
    """After how many rounds to look, for a run whose usual length is `rounds`: from half of it to
    five times it, ever further apart.

    Five looks are at 0.5, 1, 2, 3.5 and 5 usual lengths; any other number of them is spread evenly
    along the same curve, on a log scale. Raises ValueError, with the mend, where the first would
    have too few rounds for an interval, or where two would fall on one round.
    """
    places = np.linspace(0, len(_CURVE) - 1, looks)
    lengths = np.exp(np.interp(places, range(len(_CURVE)), np.log(_CURVE)))
    planned = [round(float(at)) for at in np.round(rounds * lengths, 6)]
    if planned[0] < MIN_ROUNDS:
        least = math.ceil(MIN_ROUNDS / _CURVE[0])
        raise ValueError(
            f"the first look, at half the rounds, needs {MIN_ROUNDS}: take {least} rounds or more"
        )
    if any(late == early for early, late in pairwise(planned)):
        raise ValueError(
            f"{looks} looks are too many for {rounds} rounds: take fewer looks or more rounds"
        )
    return planned


def level_of_look(looks: int) -> float:
    """Of each interval, so that all looks together keep to `ALPHA`."""
    return 1 - ALPHA / looks


def certain(verdicts: Sequence[Verdict]) -> bool:
    """Whether each of them is decided; about nothing nobody is certain."""
    return bool(verdicts) and all(verdict in _DECIDED for verdict in verdicts)


def primary_effects(
    flows: Iterable[FlowRow], variants: Sequence[Strategy], question: Question
) -> list[EffectSummary]:
    """The main effects at the primary quantile, from the turns so far, as the whole analysis would
    find them; none while a strategy has no turn that was answered.

    All else that an analysis tells is left out: it decides nothing here, and a run waits for this.
    """
    seen: dict[str, tuple[list[float], list[int]]] = {v.name: ([], []) for v in variants}
    for flow in flows:
        values_ms, rounds = seen[flow.variant]
        values_ms.append(math.inf if flow.outcome in UNANSWERED else flow.response_ms)
        rounds.append(flow.round)
    if not all(values_ms for values_ms, _ in seen.values()):
        return []
    cells = {
        tuple(is_on(variant, factor) for factor in question.factors): Sample(
            np.array(seen[variant.name][0]), np.array(seen[variant.name][1])
        )
        for variant in variants
    }
    found = factorial_effects(
        cells,
        question.factors,
        quantiles=(question.primary,),
        primary=question.primary,
        tolerance=question.tolerance,
        level=question.effect_level,
        seed=question.seed,
    )
    return [effect for effect in found.effects if effect.primary]
