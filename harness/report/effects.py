"""What each mitigation changes, as sentences, a forest plot and tables; it computes no effect."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from harness.record import Attribution, EffectSummary, RunSummary
from harness.report.costs import print_hanging
from harness.report.forest import OTHER_STYLE, VERDICT_STYLES, Row, print_forest
from harness.report.tables import plain_table, print_heading
from harness.report.words import (
    EXPLORATORY,
    FINDINGS,
    Change,
    effect_sentences,
    factor_name,
    interval,
    level_text,
    percentile,
    rounded,
    simple_sentences,
    switch_word,
    tolerance_text,
    unsaid,
    verdict_word,
)

MAIN_NOTE = "A {switch}'s change is averaged over the settings of the others."
PAIR_NOTE = (
    "a x b is the change of a with b on, minus with b off: above 0 they overlap,\n"
    "below 0 they reinforce each other."
)
TRIPLE_NOTE = "a x b x c is a x b with c on, minus with c off."
RATIO_NOTE = "In percent a x b is a ratio of ratios."
EXPLORATORY_NOTE = (
    f"{EXPLORATORY} its own interval would decide, but not with so many questions asked at once."
)


def print_verdict(summary: RunSummary, console: Console) -> None:
    """The answer before its figures: a sentence a mitigation at the primary quantile, and those
    at others that say something else."""
    primary = [e for e in summary.effects if e.quantile == summary.primary]
    print_heading("Verdict", console)
    if not primary:
        print_hanging("-", Text(unsaid(summary.primary)), console)
    for sentence in effect_sentences(primary, summary.tolerance):
        print_hanging("-", Text(sentence), console)
    for effect in _otherwise(summary.effects, primary):
        (sentence,) = effect_sentences([effect], summary.tolerance)
        print_hanging("-", Text(f"but {sentence}" if primary else sentence), console)


def print_effects(summary: RunSummary, console: Console) -> None:
    """The forest plot at the primary quantile, a table of the others, and the stages behind."""
    primary = [e for e in summary.effects if e.quantile == summary.primary]
    others = [e for e in summary.effects if e.quantile != summary.primary]
    if primary:
        _print_forest(primary, summary, console)
    if others:
        _print_others(others, summary, console)
    _print_notes(summary, console)
    _print_simple(primary, summary, console)
    _print_attribution(summary.attribution, console)


def _otherwise(
    effects: Sequence[EffectSummary], primary: Sequence[EffectSummary]
) -> list[EffectSummary]:
    """Main effects that are decided at another quantile, and not the same way as at this one."""
    known = {effect.factor: effect.verdict for effect in primary}
    return [
        effect
        for effect in effects
        if effect not in primary
        and ":" not in effect.factor
        and effect.verdict in FINDINGS
        and effect.verdict != known.get(effect.factor)
    ]


def _print_forest(effects: Sequence[EffectSummary], summary: RunSummary, console: Console) -> None:
    where, level = percentile(summary.primary), level_text(summary.effect_level)
    switch = switch_word(effects)
    heading = f"What each {switch} changes at {where}, with {level} intervals (below 0 saves)"
    print_heading(heading, console)
    print_forest([_row(effect) for effect in effects], console, summary.tolerance)


def _row(effect: EffectSummary) -> Row:
    return Row(
        label=_label(effect.factor),
        ms=Change(effect.estimate_ms, effect.lo_ms, effect.hi_ms),
        percent=None
        if effect.percent is None
        else Change(effect.percent, effect.percent_lo, effect.percent_hi),
        verdict=effect.verdict,
        word=verdict_word(effect),
    )


def _label(factor: str) -> tuple[str, ...]:
    """A line for each of several mitigations."""
    *before, last = factor_name(factor).split(" x ")
    return (*(f"{name} x" for name in before), last)


def _print_others(effects: Sequence[EffectSummary], summary: RunSummary, console: Console) -> None:
    quantiles = list(dict.fromkeys(effect.quantile for effect in effects))
    found = {(effect.factor, effect.quantile): effect for effect in effects}
    where = " and ".join(map(percentile, quantiles))
    print_heading(f"The same at {where}, ms", console)
    table = plain_table(gap=2)
    table.add_column(switch_word(effects))
    for quantile in quantiles:
        table.add_column(percentile(quantile), justify="right", no_wrap=True)
    for factor in dict.fromkeys(effect.factor for effect in effects):
        cells = [_cell(found.get((factor, quantile))) for quantile in quantiles]
        table.add_row("\n".join(_label(factor)), *cells)
    console.print(table)


def _cell(effect: EffectSummary | None) -> Text:
    if effect is None:
        return Text("")
    figures = interval(effect.estimate_ms, effect.lo_ms, effect.hi_ms)
    style = VERDICT_STYLES.get(effect.verdict, OTHER_STYLE)
    return Text(f"{figures}\n{verdict_word(effect)}", style=style)


def _print_notes(summary: RunSummary, console: Console) -> None:
    notes = []
    if any(":" in effect.factor for effect in summary.effects):
        notes += [MAIN_NOTE.format(switch=switch_word(summary.effects)), PAIR_NOTE]
        notes += [TRIPLE_NOTE] if any(e.factor.count(":") > 1 for e in summary.effects) else []
        notes += [RATIO_NOTE] if any(e.percent is not None for e in summary.effects) else []
    if summary.tolerance.amount:
        notes.append(f": marks the tolerance, {tolerance_text(summary.tolerance)} either way.")
    if any(effect.exploratory for effect in summary.effects):
        notes.append(EXPLORATORY_NOTE)
    if notes:
        console.print(Text("\n".join(notes), style="dim"))


def _print_simple(primary: Sequence[EffectSummary], summary: RunSummary, console: Console) -> None:
    sentences = simple_sentences(primary, summary.simple_effects, summary.tolerance)
    if sentences:
        switch = switch_word(primary)
        print_heading(f"One {switch} beside another that changes what it does", console)
    for sentence in sentences:
        print_hanging("-", Text(sentence), console)


def _print_attribution(attribution: Sequence[Attribution], console: Console) -> None:
    """A line a main effect; the stages of a line add up to its change of the mean."""
    mains = [a for a in attribution if a.quantile is None and not a.given and ":" not in a.factor]
    if mains:
        print_heading("Which stages the change of the mean comes from, ms", console)
    for of in mains:
        head = f"{factor_name(of.factor)} {_signed(of.total_ms)}"
        print_hanging("-", Text(f"{head}: {_parts(of)}"), console)


def _parts(of: Attribution) -> str:
    """The largest first; those too small to print are one."""
    told = sorted(of.parts, key=lambda part: -abs(part.ms))
    large = [part for part in told if abs(part.ms) >= 0.5]
    rest = sum(part.ms for part in told if part not in large)
    texts = [f"{part.stage} {_signed(part.ms)}" for part in large]
    return ", ".join(texts + ([f"other {_signed(rest)}"] if abs(rest) >= 0.5 else [])) or "no stage"


def _signed(ms: float) -> str:
    (text,) = rounded([ms]) if abs(ms) < 9.95 else (f"{ms:.0f}",)
    return text if ms < 0 else f"+{text}"
