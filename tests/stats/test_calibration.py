"""What pairs tell of the instrument: rates, power, twins, and when it must not be trusted."""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from harness.record import FlowRow, Verdict
from harness.stats.calibration import (
    Calibration,
    Detection,
    PairFigures,
    Twins,
    detection,
    failures,
    false_alarms,
    pairs_of,
    twins_of,
)
from harness.stats.distributions import t_quantile
from harness.stats.order import Pairing
from tests.stats.turns import row, turns_of

ROUNDS = 20


def _figures(
    p: float | None = 0.5,
    verdict: Verdict = "cannot tell",
    percent: float = 1.0,
    reach: float = 2.0,
    quantile: float = 0.5,
) -> PairFigures:
    return PairFigures(
        pair=0,
        arm="B",
        quantile=quantile,
        ms=percent * 40,
        lo_ms=(percent - reach) * 40,
        hi_ms=(percent + reach) * 40,
        percent=percent,
        percent_lo=percent - reach,
        percent_hi=percent + reach,
        p=p,
        verdict=verdict,
    )


def _equal(alarms: int, pairs: int) -> list[PairFigures]:
    """Uniform p-values, and so many false alarms, half of them either way."""
    ps = (np.arange(pairs) + 0.5) / pairs
    words: list[Verdict] = ["improved", "regressed"]
    return [
        _figures(float(p), words[n % 2] if n < alarms else "cannot tell", percent=(-1) ** n * 1.0)
        for n, p in enumerate(ps)
    ]


# False alarms


@pytest.mark.parametrize(
    ("alarms", "pairs", "lo", "hi"),
    [(0, 60, 0.0, 6.0), (3, 60, 1.0, 13.9), (5, 100, 1.6, 11.3), (3, 64, 1.0, 13.1)],
)
def test_a_rate_has_the_interval_of_clopper_and_pearson(
    alarms: int, pairs: int, lo: float, hi: float
) -> None:
    found = false_alarms(_equal(alarms, pairs), 0.5, ROUNDS)
    assert (found.alarms, found.pairs, found.rate) == (alarms, pairs, alarms / pairs)
    assert found.rate_lo is not None and found.rate_hi is not None
    assert [round(100 * found.rate_lo, 1), round(100 * found.rate_hi, 1)] == [lo, hi]


def test_uniform_p_values_are_found_uniform_and_small_ones_are_not() -> None:
    uniform = false_alarms(_equal(0, 60), 0.5, ROUNDS).ks_p
    small = false_alarms([_figures(p / 600) for p in range(60)], 0.5, ROUNDS).ks_p
    assert uniform is not None and uniform > 0.99
    assert small is not None and small < 1e-6


def test_a_pair_without_a_p_is_no_pair_and_no_pair_at_all_is_no_rate() -> None:
    some = [_figures(0.5), _figures(None, "unknown"), _figures(0.2, quantile=0.95)]
    assert false_alarms(some, 0.5, ROUNDS).pairs == 1
    none = false_alarms(some, 0.99, ROUNDS)
    assert (none.pairs, none.rate, none.ks_p, none.noise_percent) == (0, None, None, None)


def test_noise_is_what_95_in_100_pairs_differ_by_at_most() -> None:
    figures = [_figures(percent=float(n) * (-1) ** n) for n in range(1, 101)]
    assert false_alarms(figures, 0.5, ROUNDS).noise_percent == 95.0


def test_a_detectable_change_is_found_in_four_of_five_runs() -> None:
    rng = np.random.default_rng(7)
    spread, reach = 0.02, t_quantile(0.975, ROUNDS - 1)
    seen = 100 * np.expm1(rng.normal(0.0, spread, 20_000))
    found = false_alarms([_figures(percent=float(x)) for x in seen], 0.5, ROUNDS)
    assert found.detectable_percent is not None
    # Of many runs with rounds of that spread, each with an interval of its own width.
    effect = math.log1p(found.detectable_percent / 100)
    widths = spread * np.sqrt(rng.chisquare(ROUNDS - 1, 20_000) / (ROUNDS - 1))
    caught = rng.normal(effect, spread, 20_000) > reach * widths
    assert 0.77 < caught.mean() < 0.83


# What was slowed


def test_what_was_slowed_is_caught_open_or_of_the_wrong_sign() -> None:
    verdicts: list[Verdict] = ["regressed", "regressed", "cannot tell", "unknown", "improved"]
    found = detection([_figures(verdict=of, percent=2.0) for of in verdicts], "pay", 5.0, ROUNDS)
    assert (found.pairs, found.caught, found.inconclusive, found.wrong_sign) == (5, 2, 2, 1)
    assert (found.stage, found.slowed_percent, found.percent, found.ms) == ("pay", 5.0, 2.0, 80.0)


def test_a_narrower_interval_detects_a_smaller_change() -> None:
    wide = detection([_figures(reach=2.0)], "pay", 5.0, ROUNDS).detectable_percent
    narrow = detection([_figures(reach=0.2)], "pay", 5.0, ROUNDS).detectable_percent
    assert wide is not None and narrow is not None
    # An interval reaches t errors; 80 % of power takes about 0.86 errors more.
    assert narrow == pytest.approx(0.2 * (1 + 0.861 / 2.093), rel=0.02)
    assert wide > 9 * narrow


def test_nothing_played_is_nothing_caught() -> None:
    found = detection([], "pay", 5.0, ROUNDS)
    assert (found.pairs, found.caught, found.caught_lo, found.percent) == (0, 0, None, None)


# When not to trust it


def _calibration(
    alarms: int = 3,
    pairs: int = 60,
    detections: Sequence[Detection] = (),
    twins: Twins | None = None,
) -> Calibration:
    return Calibration(
        primary=0.5,
        rounds=ROUNDS,
        false_alarms=[false_alarms(_equal(alarms, pairs), 0.5, ROUNDS)],
        detections=list(detections),
        twins=twins,
    )


def test_a_rate_that_is_surely_above_what_was_promised_fails() -> None:
    (told,) = failures(_calibration(alarms=12))
    assert "12 of 60" in told and "5%" in told


@pytest.mark.parametrize("alarms", [0, 3, 6])
def test_a_rate_that_may_be_what_was_promised_passes(alarms: int) -> None:
    assert failures(_calibration(alarms=alarms)) == []


def test_only_the_primary_quantile_decides() -> None:
    other = false_alarms([_figures(0.01, "improved", quantile=0.95)] * 60, 0.95, ROUNDS)
    fine = _calibration()
    both = msgspec.structs.replace(fine, false_alarms=[*fine.false_alarms, other])
    assert failures(both) == []
    assert len(failures(msgspec.structs.replace(both, primary=0.95))) == 1


def test_one_wrong_sign_fails() -> None:
    wrong = detection([_figures(verdict="improved")] + [_figures()] * 9, "intent", 20.0, ROUNDS)
    (told,) = failures(_calibration(detections=[wrong]))
    assert "1 of 10" in told and "intent" in told and "20" in told


def test_unequal_twins_fail_unless_calls_were_crowded() -> None:
    (told,) = failures(_calibration(twins=Twins(turns=100, unequal=2, crowded=False)))
    assert "2 of 100" in told
    assert failures(_calibration(twins=Twins(turns=100, unequal=2, crowded=True))) == []
    assert failures(_calibration(twins=Twins(turns=100, unequal=0, crowded=False))) == []


def test_all_reasons_are_told() -> None:
    wrong = detection([_figures(verdict="improved")], "pay", 2.0, ROUNDS)
    twins = Twins(turns=10, unequal=1, crowded=False)
    assert len(failures(_calibration(30, 60, [wrong], twins))) == 3


# Twins


def test_twins_are_equal_to_the_microsecond() -> None:
    pairing = Pairing("A", "B", range(2), 1)
    rows = [row("A", 0), row("B", 0, response_ms=4000.000003), row("A", 1), row("B", 1)]
    assert twins_of(turns_of(rows), pairing, False) == Twins(turns=2, unequal=0, crowded=False)


@pytest.mark.parametrize(
    "other",
    [row("B", 0, response_ms=4000.002), row("B", 0, outcome="declined"), row("B", 0, turn=1)],
)
def test_a_twin_with_another_time_end_or_turn_is_unequal(other: FlowRow) -> None:
    found = twins_of(turns_of([row("A", 0), other]), Pairing("A", "B", range(1), 1), False)
    assert found.unequal >= 1


def test_twins_of_other_rounds_are_not_looked_at() -> None:
    rows = [row("A", 0), row("B", 0, response_ms=1.0), row("A", 1), row("B", 1)]
    assert twins_of(turns_of(rows), Pairing("A", "B", range(1, 2), 1), False).unequal == 0


# From turns to pairs


def _noise(arm: str, rounds: range, seed: int, times: float = 1.0) -> list[FlowRow]:
    rng = np.random.default_rng(seed)
    return [
        row(arm, round_, conversation, response_ms=times * float(rng.lognormal(8.0, 0.3)))
        for round_ in rounds
        for conversation in range(10)
    ]


def test_each_pair_is_compared_within_its_own_rounds() -> None:
    rounds = range(40, 40 + 2 * ROUNDS)
    slow = range(40 + ROUNDS, 40 + 2 * ROUNDS)
    rows = [
        *_noise("A", rounds, 1),
        *_noise("B", range(40, 40 + ROUNDS), 2),
        *_noise("B", slow, 3, times=1.5),
        *_noise("B", range(40), 4, times=9.0),
    ]
    first, second = pairs_of(turns_of(rows), Pairing("A", "B", rounds, ROUNDS), [0.5], seed=1)
    assert (first.pair, first.verdict) == (0, "cannot tell")
    assert (second.pair, second.verdict) == (1, "regressed")
    assert second.percent == pytest.approx(50, abs=12)


def test_pairs_that_were_not_played_are_left_out() -> None:
    rounds = range(3 * ROUNDS)
    rows = _noise("A", range(ROUNDS), 1) + _noise("B", range(ROUNDS), 2)
    figures = pairs_of(turns_of(rows), Pairing("A", "B", rounds, ROUNDS), [0.5, 0.95], seed=1)
    assert [(of.pair, of.quantile) for of in figures] == [(0, 0.5), (0, 0.95)]
    assert pairs_of(turns_of([]), Pairing("A", "B", rounds, ROUNDS), [0.5], seed=1) == []


def test_a_quantile_that_turns_are_too_few_for_has_no_figures() -> None:
    rows = _noise("A", range(ROUNDS), 1) + _noise("B", range(ROUNDS), 2)
    pairing = Pairing("A", "B", range(ROUNDS), ROUNDS)
    assert {of.quantile for of in pairs_of(turns_of(rows), pairing, [0.5, 0.99], seed=1)} == {0.5}
