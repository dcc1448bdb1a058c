"""How a summary is put into words: names, order, what a verdict says; it never prints or draws."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from harness.record import EffectSummary, QuantileSummary, Tolerance, VariantSummary, Verdict

FACTORS = {
    "prewarm": "pre-warming",
    "token_cache": "token caching",
    "parallel_confirm": "parallel confirmation",
}

NEVER = "never"
NEVER_NOTE = f"{NEVER}: so many turns failed that the figure lies among them"
N_TOO_SMALL = "n too small"
BLACK_BOX = "app"
"""The one variant of a run on an app under test."""
EXPLORATORY = "?"
"""Beside a verdict that an interval would decide if its question were the only one."""
FINDINGS: tuple[Verdict, ...] = ("improved", "regressed")
"""The verdicts that something changed."""

ANY_CHANGE = Tolerance()

Unit = Literal["ms", "%"]


class Change(NamedTuple):
    """An estimate between its bounds, which are None where nothing tells them."""

    estimate: float
    lo: float | None
    hi: float | None


def verdict_word(effect: EffectSummary) -> str:
    """The verdict as it is printed. Two mitigations are no better or worse for meeting: where both
    save, together they save less than the sum, or more; and a third may add to either."""
    if ":" not in effect.factor or effect.verdict not in FINDINGS:
        return marked(effect.verdict, effect.exploratory)
    less, more = _MEETING[min(effect.factor.count(":"), len(_MEETING)) - 1]
    return more if effect.verdict == "regressed" else less


def marked(verdict: Verdict, exploratory: bool) -> str:
    return f"{verdict}{EXPLORATORY}" if exploratory else verdict


def effect_sentences(
    effects: Iterable[EffectSummary], tolerance: Tolerance = ANY_CHANGE
) -> list[str]:
    """One sentence a mitigation with its interactions as clauses, quantile by quantile.

    The first quantile is told in full; at the others an undecided interaction keeps its figures
    for the table. An interaction is the unhalved difference of differences: the first factor's
    effect with the second on, minus its effect with the second off. Figures are on the scale of
    the tolerance, in ms where there is none.
    """
    everything = list(effects)
    quantiles = list(dict.fromkeys(effect.quantile for effect in everything))
    return [
        sentence
        for quantile in quantiles
        for sentence in _at_one_quantile(
            [effect for effect in everything if effect.quantile == quantile],
            tolerance,
            brief=quantile != quantiles[0],
        )
    ]


def simple_sentences(
    effects: Sequence[EffectSummary],
    simple: Iterable[EffectSummary],
    tolerance: Tolerance = ANY_CHANGE,
) -> list[str]:
    """What a mitigation does alone and beside each other that is known to change it.

    `effects` tells which pairs those are, at its quantiles; `simple` holds the figures.
    """
    partners: dict[tuple[str, float], list[str]] = {}
    for effect in effects:
        first, *others = effect.factor.split(":")
        if len(others) == 1 and effect.verdict in FINDINGS:
            partners.setdefault((first, effect.quantile), []).append(others[0])
    clauses: dict[tuple[str, float], list[str]] = {}
    for effect in simple:
        on = [factor for factor, is_on in effect.given.items() if is_on]
        known = partners.get((effect.factor, effect.quantile))
        if known is not None and set(on) <= set(known):
            said = clauses.setdefault((effect.factor, effect.quantile), [])
            said.append(_given(effect, on, tolerance))
    return [
        f"{factor_name(factor)} at {percentile(quantile)}: {'; '.join(parts)}"
        for (factor, quantile), parts in clauses.items()
    ]


def unsaid(quantile: float) -> str:
    """Why no change is told there at all."""
    return (
        f"nothing can be said at {percentile(quantile)}: a strategy has too few turns to tell it, "
        "or so many of them failed that it lies among these"
    )


def judged_in(tolerance: Tolerance) -> Unit:
    """The scale of a tolerance; without one, any change at all, in ms."""
    return "%" if tolerance.unit == "%" and tolerance.amount else "ms"


def tolerance_text(tolerance: Tolerance) -> str:
    """`5%` or `20 ms`."""
    return f"{tolerance.amount:g}{'%' if tolerance.unit == '%' else ' ms'}"


def level_text(level: float) -> str:
    """`95%`, or `98.75%` of one look in four."""
    return f"{100 * level:.4g}%"


def factor_name(factor: str) -> str:
    """`prewarm:token_cache` as `pre-warming x token caching`."""
    return " x ".join(FACTORS.get(part, part) for part in factor.split(":"))


def varied(variants: Sequence[VariantSummary]) -> list[str]:
    """The mitigations, and the flags of a function of the user's own, that were on in some of these
    strategies and off in others."""
    own = dict.fromkeys(factor for v in variants for factor in v.factors)
    levels = {factor: {_is_on(v, factor) for v in variants} for factor in (*FACTORS, *own)}
    return [factor for factor, found in levels.items() if len(found) == 2]


def switched_on(variant: VariantSummary) -> list[str]:
    return [factor for factor in (*FACTORS, *variant.factors) if _is_on(variant, factor)]


def chosen(variants: Iterable[VariantSummary]) -> list[str]:
    """The keywords of a function of the user's own that have a value of several in each of these
    strategies, and are no flags."""
    values = [name for v in variants for name, of in v.factors.items() if isinstance(of, str)]
    return list(dict.fromkeys(values))


def from_baseline(variants: Iterable[VariantSummary]) -> list[VariantSummary]:
    """Baseline first, then each mitigation alone, then pairs, then all of them."""
    return sorted(variants, key=_distance)


def fastest(variants: Iterable[VariantSummary]) -> list[VariantSummary]:
    """The strategies of least p50 to the printed millisecond, from baseline; nobody if unknown."""
    known = [(round(v.p50_ms), v) for v in from_baseline(variants) if v.p50_ms is not None]
    least = min((p50 for p50, _ in known), default=0)
    return [v for p50, v in known if p50 == least]


def switch_word(effects: Iterable[EffectSummary]) -> str:
    """What was switched on and off: a mitigation, or a flag of a function of the user's own."""
    factors = {part for effect in effects for part in effect.factor.split(":")}
    return "flag" if factors - FACTORS.keys() else "mitigation"


def pays_apart(variants: Iterable[VariantSummary]) -> bool:
    """Whether these differ in the payment providers that they pay by, and not in strategy."""
    return len({variant.pay for variant in variants}) > 1


def apart(variants: Sequence[VariantSummary]) -> bool:
    """Whether these differ in a choice among several, of a provider or of a keyword's value, and
    not in what is switched on."""
    return pays_apart(variants) or bool(chosen(variants))


def is_black_box(variants: Iterable[VariantSummary]) -> bool:
    """Whether it was an app under test, which plays a strategy of its own."""
    return [variant.name for variant in variants if variant.turns] == [BLACK_BOX]


def label(variant: VariantSummary) -> str:
    """`baseline`, `pre-warming + token caching`, or `all three` where nothing is off; the payment
    profile where the variant is named for it."""
    on = switched_on(variant)
    if variant.name not in ("baseline", "+".join(on)):
        return variant.name
    if on == list(FACTORS) and not variant.factors:
        return "all three"
    return " + ".join(map(factor_name, on)) or "baseline"


def percentile(quantile: float) -> str:
    return f"p{quantile * 100:g}"


def quantile_text(
    turns: float, quantile: float, estimate: float | None, lo: float | None, hi: float | None
) -> str:
    """`3812 [3768, 3861]`, `n too small`, or `never` for a figure among turns never answered.

    A 95% interval between order statistics has both ends when quantile ** turns (below the median,
    1 - quantile) is at most 0.025; from there on, only an infinite figure is left out.
    """
    return (
        N_TOO_SMALL if max(quantile, 1 - quantile) ** turns > 0.025 else _or_never(estimate, lo, hi)
    )


def point_text(point: QuantileSummary, turns: int) -> str:
    """The same of a quantile that may know how many independent turns its turns are worth."""
    worth = turns if point.effective_turns is None else point.effective_turns
    return quantile_text(worth, point.quantile, point.ms, point.lo_ms, point.hi_ms)


def points_of(variant: VariantSummary) -> list[QuantileSummary]:
    """Its quantiles, which runs of an older schema hold only as fields of p50, p95 and p99."""
    if variant.quantiles:
        return variant.quantiles
    return [
        QuantileSummary(quantile=q, ms=ms, lo_ms=lo, hi_ms=hi, effective_turns=None)
        for q, ms, lo, hi in (
            (0.50, variant.p50_ms, variant.p50_ms_lo, variant.p50_ms_hi),
            (0.95, variant.p95_ms, variant.p95_ms_lo, variant.p95_ms_hi),
            (0.99, variant.p99_ms, variant.p99_ms_lo, variant.p99_ms_hi),
        )
    ]


def interval(estimate: float, lo: float | None, hi: float | None, unit: Unit = "ms") -> str:
    """`-388 [-397, -379]`; one decimal where whole milliseconds would round a finding to 0."""
    if lo is None or hi is None:
        return f"{written([estimate], unit)[0]} [unknown]"
    middle, low, high = written([estimate, lo, hi], unit)
    return f"{middle} [{low}, {high}]"


def told(change: Change | None, unit: Unit) -> str:
    """`-388 ms [-397, -379]` or `-9.7% [-10.1, -9.4]`; nothing of what is not known."""
    if change is None:
        return ""
    figure, bounds = interval(*change, unit).split(" ", 1)
    return f"{figure}{'%' if unit == '%' else ' ms'} {bounds}"


def written(figures: Sequence[float], unit: Unit) -> list[str]:
    """Milliseconds as `rounded`; percent with one decimal, or two where one would leave 0."""
    if unit == "ms":
        return rounded(figures)
    decimals = 2 if any(0 < abs(x) < 0.05 for x in figures) else 1
    return [f"{x:z.{decimals}f}" for x in figures]


def rounded(figures: Sequence[float]) -> list[str]:
    """The figures with as many decimals as all of them need: none, or one near 0 ms."""
    fine = max(map(abs, figures)) < 9.95 or any(0 < abs(x) < 0.5 for x in figures)
    return [f"{x:z.1f}" if fine else f"{x:z.0f}" for x in figures]


def turn_count(turns: Sequence[int]) -> str:
    """`1000 turns`, or `990 to 1000 turns` where strategies differ."""
    low, high = min(turns), max(turns)
    return f"{high} turns" if low == high else f"{low} to {high} turns"


def _or_never(estimate: float | None, lo: float | None, hi: float | None) -> str:
    known = [figure for figure in (estimate, lo, hi) if figure is not None]
    told = iter(rounded(known) if known else [])
    middle, low, high = (NEVER if x is None else next(told) for x in (estimate, lo, hi))
    return NEVER if lo is None else f"{middle} [{low}, {high}]"


def _distance(variant: VariantSummary) -> tuple[int, tuple[bool, ...]]:
    flags = (factor for factor, of in variant.factors.items() if isinstance(of, bool))
    on = tuple(_is_on(variant, factor) for factor in (*FACTORS, *flags))
    return sum(on), tuple(not each for each in on)


def _is_on(variant: VariantSummary, factor: str) -> bool:
    own = variant.factors.get(factor, False)
    return own is True or bool(factor in FACTORS and getattr(variant, factor))


class _Figures(NamedTuple):
    """The figures that a sentence tells of a change, on the scale that it was judged on."""

    change: Change
    unit: Unit

    def told(self) -> str:
        """`-388 ms [-397, -379]`."""
        return told(self.change, self.unit).removesuffix(" [unknown]")

    def size(self) -> str:
        """`388 ms`, of a change that is decided."""
        return self._unsigned().split(" [")[0]

    def bounds(self) -> str:
        """`[379, 397]`, of a change that is decided: from less to more, whichever way."""
        return f"[{self._unsigned().split(' [')[1]}"

    def _unsigned(self) -> str:
        estimate, lo, hi = self.change
        assert lo is not None and hi is not None
        return told(Change(abs(estimate), *sorted((abs(lo), abs(hi)))), self.unit)


def _change(effect: EffectSummary, tolerance: Tolerance) -> _Figures:
    if judged_in(tolerance) == "%" and effect.percent is not None:
        return _Figures(Change(effect.percent, effect.percent_lo, effect.percent_hi), "%")
    return _Figures(Change(effect.estimate_ms, effect.lo_ms, effect.hi_ms), "ms")


def _at_one_quantile(
    effects: list[EffectSummary], tolerance: Tolerance, *, brief: bool
) -> list[str]:
    mains = {effect.factor: effect for effect in effects if ":" not in effect.factor}
    clauses = {factor: [_main(effect, tolerance, brief)] for factor, effect in mains.items()}
    alone = []
    for effect in effects:
        first, *others = effect.factor.split(":")
        if len(others) == 1 and first in mains:
            other = FACTORS.get(others[0], others[0])
            clauses[first].append(_clause(effect, mains[first], other, tolerance, brief))
        elif others:
            alone.append(_alone(effect, tolerance))
    return ["; ".join(parts) for parts in clauses.values()] + alone


def _main(effect: EffectSummary, tolerance: Tolerance, brief: bool) -> str:
    name, where = factor_name(effect.factor), percentile(effect.quantile)
    if effect.verdict in FINDINGS:
        change, verb = _change(effect, tolerance), _VERBS[effect.verdict]
        return f"{name} {verb} {change.size()} at {where} {change.bounds()}"
    told_more = effect.rounds_needed and not brief
    more = f"; about {effect.rounds_needed} rounds would tell" if told_more else ""
    return _undecided(effect, name, where, tolerance) + more


def _clause(
    effect: EffectSummary, main: EffectSummary, other: str, tolerance: Tolerance, brief: bool
) -> str:
    if effect.verdict not in FINDINGS:
        return _undecided(effect, other, "that", tolerance, figures=not brief)
    change = _change(effect, tolerance)
    shift = _shift(effect, main, change.size())
    return f"with {other} on {shift} than with it off {change.bounds()}"


def _shift(effect: EffectSummary, main: EffectSummary, size: str) -> str:
    # "Saves less" presumes a saving on both sides. Half the interaction lies on either side of
    # the main effect, so a larger one turns a saving into a cost and needs neutral words. So do
    # ratios of ratios, which are neither more nor less of the ratio that they change.
    worse, costs = effect.verdict == "regressed", main.verdict == "regressed"
    turns = abs(effect.estimate_ms) / 2 > abs(main.estimate_ms)
    if main.verdict not in FINDINGS or turns or size.endswith("%"):
        return f"its effect is {size} {'worse' if worse else 'better'}"
    return f"it {_VERBS[main.verdict]} {size} {'more' if worse == costs else 'less'}"


def _alone(effect: EffectSummary, tolerance: Tolerance) -> str:
    """An interaction without its main effect, or of three mitigations."""
    *inner, last = (FACTORS.get(part, part) for part in effect.factor.split(":"))
    where, subject, pair = percentile(effect.quantile), " and ".join(inner), len(inner) > 1
    if effect.verdict not in FINDINGS:
        what = f"how {subject} overlap" if pair else f"what {subject} does"
        return _undecided(effect, last, f"{what} at {where}", tolerance)
    change, overlap = _change(effect, tolerance), effect.verdict == "regressed"
    verb, how = (
        ("overlap", "more" if overlap else "less")
        if pair
        else ("saves", "less" if overlap else "more")
    )
    size, bounds = change.size(), change.bounds()
    return f"with {last} on {subject} {verb} {size} {how} at {where} {bounds}"


def _given(effect: EffectSummary, on: Sequence[str], tolerance: Tolerance) -> str:
    """What a mitigation does beside these, without its name."""
    beside = f"with {' and '.join(FACTORS.get(part, part) for part in on)} on" if on else "alone"
    change = _change(effect, tolerance)
    if effect.verdict in FINDINGS:
        return f"{beside} it {_VERBS[effect.verdict]} {change.size()} {change.bounds()}"
    return f"{beside}: {effect.verdict} ({change.told()})"


def _undecided(
    effect: EffectSummary, subject: str, what: str, tolerance: Tolerance, *, figures: bool = True
) -> str:
    change = f" ({_change(effect, tolerance).told()})" if figures else ""
    least = tolerance_text(tolerance) if tolerance.amount else ""
    if effect.verdict == "unknown":
        return f"too few rounds or turns to say whether {subject} changes {what}{change}"
    if effect.verdict == "unchanged":
        done = f"changes {what} by no more than {least}" if least else f"does not change {what}"
        return f"{subject} {done}{change}"
    by = f" by more than {least}" if least else ""
    many = ", with so many questions at once," if effect.exploratory else ""
    return f"cannot tell{many} whether {subject} changes {what}{by}{change}"


_MEETING = (("reinforce", "overlap"), ("overlap less", "overlap more"))
_VERBS: dict[Verdict, str] = {"improved": "saves", "regressed": "costs"}
