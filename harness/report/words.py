"""How a summary is put into words: names, order, three-way readings; it never prints or draws."""

from collections.abc import Iterable, Sequence
from typing import Literal

from harness.record import EffectSummary, VariantSummary

FACTORS = {
    "prewarm": "pre-warming",
    "token_cache": "token caching",
    "parallel_confirm": "parallel confirmation",
}

NEVER = "never"

Reading = Literal["saves", "costs", "cannot tell", "too few rounds"]


def reading(effect: EffectSummary) -> Reading:
    """Which of four things the interval allows us to say; only the first two are a finding."""
    if effect.lo_ms is None or effect.hi_ms is None:
        return "too few rounds"
    if effect.lo_ms <= 0 <= effect.hi_ms:
        return "cannot tell"
    return "saves" if effect.hi_ms < 0 else "costs"


def effect_sentences(effects: Iterable[EffectSummary]) -> list[str]:
    """One sentence a mitigation with its interactions as clauses, quantile by quantile.

    The first quantile is told in full; at the others an undecided interaction keeps its figures
    for the table. An interaction is the unhalved difference of differences: the first factor's
    effect with the second on, minus its effect with the second off.
    """
    everything = list(effects)
    quantiles = list(dict.fromkeys(effect.quantile for effect in everything))
    return [
        sentence
        for quantile in quantiles
        for sentence in _at_one_quantile(
            [effect for effect in everything if effect.quantile == quantile],
            brief=quantile != quantiles[0],
        )
    ]


def factor_name(factor: str) -> str:
    """`prewarm:token_cache` as `pre-warming x token caching`."""
    return " x ".join(FACTORS.get(part, part) for part in factor.split(":"))


def varied(variants: Sequence[VariantSummary]) -> list[str]:
    """The mitigations that were on in some of these strategies and off in others."""
    return [factor for factor in FACTORS if len({getattr(v, factor) for v in variants}) == 2]


def switched_on(variant: VariantSummary) -> list[str]:
    return [factor for factor in FACTORS if getattr(variant, factor)]


def from_baseline(variants: Iterable[VariantSummary]) -> list[VariantSummary]:
    """Baseline first, then each mitigation alone, then pairs, then all of them."""
    return sorted(variants, key=_distance)


def fastest(variants: Iterable[VariantSummary]) -> list[VariantSummary]:
    """The strategies of least p50 to the printed millisecond, from baseline; nobody if unknown."""
    known = [(round(v.p50_ms), v) for v in from_baseline(variants) if v.p50_ms is not None]
    least = min((p50 for p50, _ in known), default=0)
    return [v for p50, v in known if p50 == least]


def pays_apart(variants: Iterable[VariantSummary]) -> bool:
    """Whether these differ in the payment providers that they pay by, and not in strategy."""
    return len({variant.pay for variant in variants}) > 1


def label(variant: VariantSummary) -> str:
    """`baseline`, `pre-warming + token caching`, or `all three` where nothing is off; the payment
    profile where the variant is named for it."""
    on = switched_on(variant)
    if variant.name not in ("baseline", "+".join(on)):
        return variant.name
    if len(on) == len(FACTORS):
        return "all three"
    return " + ".join(FACTORS[factor] for factor in on) or "baseline"


def percentile(quantile: float) -> str:
    return f"p{quantile * 100:g}"


def quantile_text(
    turns: int, quantile: float, estimate: float | None, lo: float | None, hi: float | None
) -> str:
    """`3812 [3768, 3861]`, `n too small`, or `never` for a figure among turns never answered.

    A 95% interval between order statistics has an upper end when quantile ** turns is at most
    0.025; from there on, only an infinite figure is left out of a summary.
    """
    if quantile**turns > 0.025:
        return "n too small"
    known = [figure for figure in (estimate, lo, hi) if figure is not None]
    told = iter(rounded(known) if known else [])
    middle, low, high = (NEVER if x is None else next(told) for x in (estimate, lo, hi))
    return NEVER if lo is None else f"{middle} [{low}, {high}]"


def interval(estimate: float, lo: float | None, hi: float | None) -> str:
    """`-388 [-397, -379]`; one decimal where whole milliseconds would round a finding to 0."""
    if lo is None or hi is None:
        return f"{rounded([estimate])[0]} [unknown]"
    middle, low, high = rounded([estimate, lo, hi])
    return f"{middle} [{low}, {high}]"


def rounded(figures: Sequence[float]) -> list[str]:
    """The figures with as many decimals as all of them need: none, or one near 0 ms."""
    fine = max(map(abs, figures)) < 9.95 or any(0 < abs(x) < 0.5 for x in figures)
    return [f"{x:z.1f}" if fine else f"{x:z.0f}" for x in figures]


def turn_count(turns: Sequence[int]) -> str:
    """`1000 turns`, or `990 to 1000 turns` where strategies differ."""
    low, high = min(turns), max(turns)
    return f"{high} turns" if low == high else f"{low} to {high} turns"


def _distance(variant: VariantSummary) -> tuple[int, tuple[bool, ...]]:
    on = tuple(bool(getattr(variant, factor)) for factor in FACTORS)
    return sum(on), tuple(not each for each in on)


def _at_one_quantile(effects: list[EffectSummary], *, brief: bool) -> list[str]:
    mains = {effect.factor: effect for effect in effects if ":" not in effect.factor}
    clauses = {factor: [_main(effect)] for factor, effect in mains.items()}
    alone = []
    for effect in effects:
        first, *others = effect.factor.split(":")
        if len(others) == 1 and first in mains:
            clauses[first].append(
                _clause(effect, mains[first], FACTORS.get(others[0], others[0]), brief)
            )
        elif others:
            alone.append(_alone(effect))
    return ["; ".join(parts) for parts in clauses.values()] + alone


def _main(effect: EffectSummary) -> str:
    name, where, what = factor_name(effect.factor), percentile(effect.quantile), reading(effect)
    if what in ("saves", "costs"):
        size, bounds = _magnitude(effect)
        return f"{name} {what} {size} ms at {where} {bounds}"
    return _undecided(effect, f"whether {name} changes {where}")


def _clause(effect: EffectSummary, main: EffectSummary, other: str, brief: bool) -> str:
    if reading(effect) not in ("saves", "costs"):
        return _undecided(effect, f"whether {other} changes that", figures=not brief)
    size, bounds = _magnitude(effect)
    return f"with {other} on {_shift(effect, main, size)} than with it off {bounds}"


def _shift(effect: EffectSummary, main: EffectSummary, size: str) -> str:
    # "Saves less" presumes a saving on both sides. Half the interaction lies on either side of
    # the main effect, so a larger one turns a saving into a cost and needs neutral words.
    known, worse = reading(main), reading(effect) == "costs"
    if known not in ("saves", "costs") or abs(effect.estimate_ms) / 2 > abs(main.estimate_ms):
        return f"its effect is {size} ms {'worse' if worse else 'better'}"
    return f"it {known} {size} ms {'more' if worse == (known == 'costs') else 'less'}"


def _alone(effect: EffectSummary) -> str:
    """An interaction without its main effect, or of three mitigations."""
    *inner, last = (FACTORS.get(part, part) for part in effect.factor.split(":"))
    where, subject, pair = percentile(effect.quantile), " and ".join(inner), len(inner) > 1
    if reading(effect) not in ("saves", "costs"):
        what = f"how {subject} overlap" if pair else f"what {subject} does"
        return _undecided(effect, f"whether {last} changes {what} at {where}")
    size, bounds = _magnitude(effect)
    overlap = reading(effect) == "costs"
    verb, how = (
        ("overlap", "more" if overlap else "less")
        if pair
        else ("saves", "less" if overlap else "more")
    )
    return f"with {last} on {subject} {verb} {size} ms {how} at {where} {bounds}"


def _undecided(effect: EffectSummary, question: str, *, figures: bool = True) -> str:
    if reading(effect) == "too few rounds":
        return f"too few rounds to say {question}" + (
            f" ({rounded([effect.estimate_ms])[0]} ms)" if figures else ""
        )
    if not figures:
        return f"cannot tell {question}"
    estimate, bounds = interval(effect.estimate_ms, effect.lo_ms, effect.hi_ms).split(" ", 1)
    return f"cannot tell {question} ({estimate} ms {bounds})"


def _magnitude(effect: EffectSummary) -> tuple[str, str]:
    """The size of a decided effect and its bounds, unsigned and low to high."""
    assert effect.lo_ms is not None and effect.hi_ms is not None
    low, high = sorted((abs(effect.lo_ms), abs(effect.hi_ms)))
    size, *bounds = rounded([abs(effect.estimate_ms), low, high])
    return size, f"[{', '.join(bounds)}]"
