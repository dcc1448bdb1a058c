"""What each mitigation changes, as tables; each figure beside its place, and none computed."""

from collections.abc import Sequence

from harness.record import Attribution, EffectSummary, RunSummary, StagePart
from harness.report.effects import EXPLORATORY_NOTE
from harness.report.page.cells import (
    UNKNOWN,
    Cell,
    Table,
    change,
    ms,
    name_of,
    place,
    probability,
    table,
    within,
)
from harness.report.words import (
    FACTORS,
    FINDINGS,
    factor_name,
    level_text,
    percentile,
    switch_word,
    tolerance_text,
    verdict_word,
)

PAIR_NOTE = (
    "a x b is the change of a with b on, less its change with b off: above 0 the two overlap. "
    "A {switch}'s own change is averaged over the settings of the others. In percent, a x b is "
    "a ratio of ratios."
)


def effects_table(summary: RunSummary) -> Table:
    """All main effects and interactions, quantile by quantile."""
    effects = list(enumerate(summary.effects))
    quantiles = list(dict.fromkeys(effect.quantile for _, effect in effects))
    effects.sort(key=lambda of: (quantiles.index(of[1].quantile), of[1].factor.count(":")))
    rows = [_effect_row(effect, place("effects", i)) for i, effect in effects]
    marked = any(effect.exploratory for effect in summary.effects)
    switch = switch_word(summary.effects)
    notes = (
        [PAIR_NOTE.format(switch=switch)] if any(":" in e.factor for e in summary.effects) else []
    )
    notes += [EXPLORATORY_NOTE] if marked else []
    return table(
        f"What each {switch} changes, with {level_text(summary.effect_level)} intervals; "
        f"{_bar(summary)}",
        ("what", "at", "change, ms", "change, %", "p", "p by Holm", "verdict", "rounds to decide"),
        rows,
        " ".join(notes),
    )


def simple_effects_table(summary: RunSummary) -> Table:
    """What each mitigation changes under one setting of the others."""
    return table(
        f"What each {switch_word(summary.effects)} changes under one setting of the others, with "
        f"{level_text(summary.effect_level)} intervals",
        ("what", "at", "change, ms", "change, %", "p", "p by Holm", "verdict", "rounds to decide"),
        [_effect_row(e, place("simple_effects", i)) for i, e in enumerate(summary.simple_effects)],
    )


def attribution_table(summary: RunSummary) -> Table:
    """Each change laid out by the stage it lies in."""
    parts = [part for one in summary.attribution for part in one.parts]
    stages = list(dict.fromkeys(part.stage for part in parts))
    return table(
        "In which stage of the critical path a change lies, ms; the stages add up to the change",
        ("what", "at", *stages, "change"),
        [_attribution_row(one, i, stages) for i, one in enumerate(summary.attribution)],
    )


def verdict_cell(effect: EffectSummary) -> Cell:
    """The verdict in a word, marked where only its own interval would decide."""
    tone = effect.verdict
    if ":" in effect.factor and effect.verdict in FINDINGS:
        tone = "unchanged"  # Two mitigations are no better or worse for meeting.
    return Cell(verdict_word(effect), verdict=tone)


def effect_name(effect: EffectSummary | Attribution) -> str:
    """`pre-warming`, or `pre-warming, with token caching on and parallel confirmation off`."""
    settings = [
        f"{FACTORS.get(factor, factor)} {'on' if on else 'off'}"
        for factor, on in effect.given.items()
    ]
    given = f", with {' and '.join(settings)}" if settings else ""
    return factor_name(effect.factor) + given


def percent_cell(effect: EffectSummary, at: str) -> Cell:
    if effect.percent is None:
        return Cell(UNKNOWN, (at + "/percent",))
    return change(
        effect.percent,
        effect.percent_lo,
        effect.percent_hi,
        within(at, "percent", "percent_lo", "percent_hi"),
        "%",
    )


def _bar(summary: RunSummary) -> str:
    if not summary.tolerance.amount:
        return "any change at all counts"
    return f"verdicts against a tolerance of {tolerance_text(summary.tolerance)}"


def _effect_row(effect: EffectSummary, at: str) -> Sequence[Cell]:
    figures = within(at, "estimate_ms", "lo_ms", "hi_ms")
    needed = effect.rounds_needed
    return (
        name_of(effect_name(effect)),
        Cell(percentile(effect.quantile), (at + "/quantile",), 100),
        change(effect.estimate_ms, effect.lo_ms, effect.hi_ms, figures),
        percent_cell(effect, at),
        probability(effect.p, at + "/p"),
        probability(effect.p_holm, at + "/p_holm"),
        verdict_cell(effect),
        Cell("") if needed is None else Cell(f"about {needed:,}", (at + "/rounds_needed",)),
    )


def _attribution_row(one: Attribution, i: int, stages: Sequence[str]) -> list[Cell]:
    at = place("attribution", i)
    where = (
        Cell("mean")
        if one.quantile is None
        else Cell(percentile(one.quantile), (at + "/quantile",), 100)
    )
    places = {part.stage: n for n, part in enumerate(one.parts)}
    cells = [name_of(effect_name(one)), where]
    for stage in stages:
        n = places.get(stage)
        cells.append(Cell("") if n is None else _part(one.parts[n], f"{at}/parts/{n}"))
    return [*cells, ms(one.total_ms, at + "/total_ms")]


def _part(part: StagePart, at: str) -> Cell:
    if part.lo_ms is None or part.hi_ms is None:
        return ms(part.ms, at + "/ms")
    return change(part.ms, part.lo_ms, part.hi_ms, within(at, "ms", "lo_ms", "hi_ms"))
