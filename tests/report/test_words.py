"""Sentences never claim more than an interval allows; this file never prints or draws."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from harness.record import EffectSummary, QuantileSummary, Tolerance
from harness.report.words import (
    Unit,
    effect_sentences,
    fastest,
    from_baseline,
    interval,
    judged_in,
    label,
    level_text,
    point_text,
    points_of,
    quantile_text,
    simple_sentences,
    tolerance_text,
    varied,
    verdict_word,
)
from harness.stats.verdict import judge

from .sample import sample_run


def effect(
    factor: str,
    estimate: float,
    lo: float | None,
    hi: float | None,
    quantile: float = 0.5,
    **more: object,
) -> EffectSummary:
    """In ms, against no tolerance; in percent it is a tenth."""
    judged = EffectSummary(
        factor=factor,
        quantile=quantile,
        estimate_ms=estimate,
        lo_ms=lo,
        hi_ms=hi,
        percent=estimate / 10,
        percent_lo=None if lo is None else lo / 10,
        percent_hi=None if hi is None else hi / 10,
        verdict=judge(lo, hi, 0.0, 0.0),
    )
    return replace(judged, **more)


SAVES = effect("prewarm", -388, -397, -379)
COSTS = effect("prewarm", 120, 100, 140)
UNDECIDED = effect("prewarm", -12, -40, 15)
PAIR = "prewarm:token_cache"


@pytest.mark.parametrize(
    ("effects", "sentence"),
    [
        ([SAVES], "pre-warming saves 388 ms at p50 [379, 397]"),
        ([COSTS], "pre-warming costs 120 ms at p50 [100, 140]"),
        ([UNDECIDED], "cannot tell whether pre-warming changes p50 (-12 ms [-40, 15])"),
        (
            [effect("token_cache", 0.0, 0.0, 0.0)],
            "token caching does not change p50 (0.0 ms [0.0, 0.0])",
        ),
        (
            [effect("parallel_confirm", -590, None, None)],
            "too few rounds or turns to say whether parallel confirmation changes p50 (-590 ms)",
        ),
        (
            [effect("parallel_confirm", -12, -24, -0.3, 0.95)],
            "parallel confirmation saves 12.0 ms at p95 [0.3, 24.0]",
        ),
        (
            [SAVES, effect(PAIR, 240, 222, 258)],
            "pre-warming saves 388 ms at p50 [379, 397]; "
            "with token caching on it saves 240 ms less than with it off [222, 258]",
        ),
        (
            [SAVES, effect(PAIR, -240, -258, -222)],
            "pre-warming saves 388 ms at p50 [379, 397]; "
            "with token caching on it saves 240 ms more than with it off [222, 258]",
        ),
        (
            [COSTS, effect(PAIR, 40, 30, 50)],
            "pre-warming costs 120 ms at p50 [100, 140]; "
            "with token caching on it costs 40 ms more than with it off [30, 50]",
        ),
        (
            [COSTS, effect(PAIR, -40, -50, -30)],
            "pre-warming costs 120 ms at p50 [100, 140]; "
            "with token caching on it costs 40 ms less than with it off [30, 50]",
        ),
        (
            [UNDECIDED, effect(PAIR, 20, 10, 30)],
            "cannot tell whether pre-warming changes p50 (-12 ms [-40, 15]); "
            "with token caching on its effect is 20 ms worse than with it off [10, 30]",
        ),
        (
            [SAVES, effect(PAIR, 900, 800, 1000)],
            "pre-warming saves 388 ms at p50 [379, 397]; "
            "with token caching on its effect is 900 ms worse than with it off [800, 1000]",
        ),
        (
            [SAVES, effect(PAIR, 5, -10, 20)],
            "pre-warming saves 388 ms at p50 [379, 397]; "
            "cannot tell whether token caching changes that (5 ms [-10, 20])",
        ),
        (
            [SAVES, effect(PAIR, 55, None, None)],
            "pre-warming saves 388 ms at p50 [379, 397]; "
            "too few rounds or turns to say whether token caching changes that (55 ms)",
        ),
        (
            [effect(PAIR, 240, 222, 258)],
            "with token caching on pre-warming saves 240 ms less at p50 [222, 258]",
        ),
        (
            [effect(f"{PAIR}:parallel_confirm", 30, 20, 40)],
            "with parallel confirmation on pre-warming and token caching "
            "overlap 30 ms more at p50 [20, 40]",
        ),
    ],
)
def test_a_sentence_says_what_the_interval_allows(
    effects: list[EffectSummary], sentence: str
) -> None:
    assert effect_sentences(effects) == [sentence]


def test_later_quantiles_leave_undecided_figures_to_the_table() -> None:
    effects = [
        effect("prewarm", -388, -397, -379, 0.5),
        effect(PAIR, 5, -10, 20, 0.5),
        effect("prewarm", -410, -441, -380, 0.95),
        effect(PAIR, 6, -30, 42, 0.95),
    ]
    assert effect_sentences(effects)[1] == (
        "pre-warming saves 410 ms at p95 [380, 441]; cannot tell whether token caching changes that"
    )


@given(
    st.floats(-5000, 5000), st.floats(0.0, 5000), st.floats(0.0, 5000),
    st.sampled_from(["prewarm", PAIR]),
)  # fmt: skip
def test_a_finding_is_claimed_exactly_when_the_interval_excludes_zero(
    estimate: float, below: float, above: float, factor: str
) -> None:
    lo, hi = estimate - below, estimate + above
    (sentence,) = effect_sentences([effect(factor, estimate, lo, hi)])
    found = " saves " in sentence or " costs " in sentence or " overlap" in sentence
    assert found == (lo > 0 or hi < 0)


FIVE = Tolerance(5.0, "%")


@pytest.mark.parametrize(
    ("one", "tolerance", "sentence"),
    [
        (SAVES, FIVE, "pre-warming saves 38.8% at p50 [37.9, 39.7]"),
        (SAVES, Tolerance(40.0, "ms"), "pre-warming saves 388 ms at p50 [379, 397]"),
        (
            replace(UNDECIDED, verdict="unchanged"),
            FIVE,
            "pre-warming changes p50 by no more than 5% (-1.2% [-4.0, 1.5])",
        ),
        (
            replace(UNDECIDED, rounds_needed=80),
            Tolerance(20.0, "ms"),
            "cannot tell whether pre-warming changes p50 by more than 20 ms (-12 ms [-40, 15]); "
            "about 80 rounds would tell",
        ),
        (
            replace(SAVES, verdict="cannot tell", exploratory=True),
            Tolerance(),
            "cannot tell, with so many questions at once, whether pre-warming changes p50 "
            "(-388 ms [-397, -379])",
        ),
    ],
)
def test_figures_are_on_the_scale_of_the_tolerance_and_name_it(
    one: EffectSummary, tolerance: Tolerance, sentence: str
) -> None:
    assert effect_sentences([one], tolerance) == [sentence]


def test_a_ratio_of_ratios_is_neither_more_nor_less_of_a_ratio() -> None:
    (sentence,) = effect_sentences([SAVES, effect(PAIR, 60, 50, 70)], FIVE)
    assert sentence.endswith(
        "; with token caching on its effect is 6.0% worse than with it off [5.0, 7.0]"
    )


def test_simple_effects_are_told_beside_what_is_known_to_change_them() -> None:
    settings = [(cache, confirm) for cache in (False, True) for confirm in (False, True)]
    simple = [
        effect("prewarm", ms, ms - 9, ms + 9, given={"token_cache": c, "parallel_confirm": p})
        for ms, (c, p) in zip((-400, -390, -3, -2), settings, strict=True)
    ]
    effects = [SAVES, effect(PAIR, 380, 370, 390), effect("prewarm:parallel_confirm", 5, -9, 19)]
    assert simple_sentences(effects, simple) == [
        "pre-warming at p50: alone it saves 400 ms [391, 409]; "
        "with token caching on: cannot tell (-3 ms [-12, 6])"
    ]
    assert simple_sentences(effects[:1], simple) == []


@pytest.mark.parametrize(
    ("one", "word"),
    [
        (SAVES, "improved"),
        (COSTS, "regressed"),
        (UNDECIDED, "cannot tell"),
        (replace(UNDECIDED, exploratory=True), "cannot tell?"),
        (effect("prewarm", 0, 0, 0), "unchanged"),
        (effect("prewarm", 5, None, None), "unknown"),
        (effect(PAIR, 9, 5, 13), "overlap"),
        (effect(PAIR, -9, -13, -5), "reinforce"),
        (effect(f"{PAIR}:parallel_confirm", -9, -13, -5), "overlap less"),
        (effect(PAIR, 9, -5, 13), "cannot tell"),
    ],
)
def test_mitigations_that_meet_overlap_and_are_no_regression(one: EffectSummary, word: str) -> None:
    assert verdict_word(one) == word


@given(st.floats(1, 5000), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_the_interval_of_a_saving_runs_from_less_to_more(
    saved: float, below: float, above: float
) -> None:
    effects = [effect("prewarm", -saved, -saved * (1 + above), -saved * below - 1e-6)]
    low, high = re.findall(r"[\d.]+(?=[,\]])", effect_sentences(effects)[0])
    assert float(low) <= float(high)


@pytest.mark.parametrize(
    ("figures", "text"),
    [
        ((3812.4, 3768.0, 3861.2), "3812 [3768, 3861]"),
        ((3812.4, None, None), "3812 [unknown]"),
        ((4.25, -1.0, 9.5), "4.2 [-1.0, 9.5]"),
        ((-0.01, -0.04, -0.0), "0.0 [0.0, 0.0]"),
    ],
)
def test_an_interval_is_printed_whole_or_its_lack_is(
    figures: tuple[float, float | None, float | None], text: str
) -> None:
    assert interval(*figures) == text


@pytest.mark.parametrize(
    ("figures", "text"),
    [
        ((-12.34, -20.0, -4.0), "-12.3 [-20.0, -4.0]"),
        ((0.04, 0.01, 0.09), "0.04 [0.01, 0.09]"),
        ((3.0, None, None), "3.0 [unknown]"),
    ],
)
def test_percent_have_a_decimal_and_two_where_one_would_leave_0(
    figures: tuple[float, float | None, float | None], text: str
) -> None:
    assert interval(*figures, unit="%") == text


@pytest.mark.parametrize(
    ("tolerance", "unit", "text"),
    [
        (Tolerance(), "ms", "0%"),
        (FIVE, "%", "5%"),
        (Tolerance(2.5, "%"), "%", "2.5%"),
        (Tolerance(20.0, "ms"), "ms", "20 ms"),
    ],
)
def test_without_a_tolerance_figures_are_in_ms(tolerance: Tolerance, unit: Unit, text: str) -> None:
    assert (judged_in(tolerance), tolerance_text(tolerance)) == (unit, text)


def test_a_level_keeps_the_decimals_that_it_has() -> None:
    assert [level_text(level) for level in (0.95, 0.99, 0.9875)] == ["95%", "99%", "98.75%"]


@pytest.mark.parametrize(
    ("turns", "quantile", "figures", "text"),
    [
        (1000, 0.99, (3812.4, 3768.0, 3861.2), "3812 [3768, 3861]"),
        (367, 0.99, (None, None, None), "n too small"),
        (368, 0.99, (None, None, None), "never"),
        (71, 0.95, (None, None, None), "n too small"),
        (72, 0.95, (3812.4, 3768.0, None), "3812 [3768, never]"),
        (6, 0.5, (None, 3768.0, None), "never [3768, never]"),
        (0, 0.5, (None, None, None), "n too small"),
        (71, 0.05, (None, None, None), "n too small"),
    ],
)
def test_an_infinite_quantile_is_told_from_one_with_too_few_turns(
    turns: int,
    quantile: float,
    figures: tuple[float | None, float | None, float | None],
    text: str,
) -> None:
    assert quantile_text(turns, quantile, *figures) == text


def test_turns_that_resemble_each_other_can_be_too_few() -> None:
    def told(effective: float | None) -> str:
        point = QuantileSummary(
            quantile=0.99, ms=None, lo_ms=None, hi_ms=None, effective_turns=effective
        )
        return point_text(point, 1000)

    assert (told(200.0), told(900.0), told(None)) == ("n too small", "never", "never")


def test_a_run_without_its_list_of_quantiles_still_has_three() -> None:
    variant = sample_run(rounds=2, turns=3)[0].variants[0]
    points = points_of(replace(variant, quantiles=[], p50_ms=1.0))
    assert [(point.quantile, point.ms) for point in points] == [
        (0.5, 1.0),
        (0.95, None),
        (0.99, None),
    ]
    assert points_of(variant) is variant.quantiles


def test_strategies_go_from_baseline_to_everything_on() -> None:
    summary, _ = sample_run(rounds=2, turns=3)
    names = [label(variant) for variant in from_baseline(reversed(summary.variants))]
    assert names == [
        "baseline",
        "pre-warming",
        "token caching",
        "parallel confirmation",
        "pre-warming + token caching",
        "pre-warming + parallel confirmation",
        "token caching + parallel confirmation",
        "all three",
    ]


@pytest.mark.parametrize("factors", [(), ("token_cache",), ("prewarm", "parallel_confirm")])
def test_only_a_mitigation_that_was_on_and_off_counts_as_varied(factors: tuple[str, ...]) -> None:
    summary, _ = sample_run(factors, rounds=2, turns=3)
    assert tuple(varied(summary.variants)) == factors


def test_nobody_is_fastest_while_no_p50_is_known() -> None:
    summary, _ = sample_run(rounds=1, turns=2)
    assert fastest(summary.variants) == []
