"""The answer before its figures: a card a mitigation, and sentences; it judges nothing."""

from dataclasses import dataclass

from harness.record import EffectSummary, RunSummary
from harness.report.capacity import capacity_sentence
from harness.report.page.cells import Cell, change, place, within
from harness.report.page.effects import effect_name, verdict_cell
from harness.report.series import side_note, side_sentences
from harness.report.words import (
    FINDINGS,
    Unit,
    effect_sentences,
    judged_in,
    pays_apart,
    percentile,
    simple_sentences,
    tolerance_text,
    unsaid,
    varied,
)

SHAPES = {
    "improved": "\N{BLACK DOWN-POINTING TRIANGLE}",
    "regressed": "\N{BLACK UP-POINTING TRIANGLE}",
    "unchanged": "=",
    "cannot tell": "?",
    "unknown": "\N{EN DASH}",
    "met": "\N{CHECK MARK}",
    "missed": "\N{MULTIPLICATION X}",
}
"""A verdict is told by a word, a shape and a colour."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large a change is, and its bounds apart from it."""

    estimate: Cell
    bounds: Cell
    unit: str


@dataclass(frozen=True, slots=True)
class Card:
    """One verdict with the figures that it stands on, first those it was judged by."""

    name: str
    where: Cell
    verdict: Cell
    sizes: list[Size]
    rounds_needed: Cell | None


def cards(summary: RunSummary) -> list[Card]:
    """The main effects at the primary quantile: the question that the run was asked."""
    return [
        _card(effect, place("effects", i), judged_in(summary.tolerance))
        for i, effect in enumerate(summary.effects)
        if effect.quantile == summary.primary and ":" not in effect.factor
    ]


def sentences(summary: RunSummary) -> list[str]:
    """The primary quantile's, then what is otherwise at another one; of a sweep, the capacity; of
    strategies side by side, what each changed."""
    if summary.capacity is not None:
        return [f"{summary.scenario} {capacity_sentence(summary)}"]
    beside = side_sentences(summary)
    if beside:
        return [*beside, side_note(summary)]
    primary = [e for e in summary.effects if e.quantile == summary.primary]
    told = effect_sentences(primary, summary.tolerance)
    for effect in summary.effects:
        if _says_otherwise(effect, primary):
            (sentence,) = effect_sentences([effect], summary.tolerance)
            told.append(f"but {sentence}" if primary else sentence)
    return [unsaid(summary.primary), *told] if told and not primary else told


def simple(summary: RunSummary) -> list[str]:
    """What a mitigation does alone and beside others, where pairs are known to change it."""
    primary = [e for e in summary.effects if e.quantile == summary.primary]
    return simple_sentences(primary, summary.simple_effects, summary.tolerance)


def question(summary: RunSummary) -> str:
    """What the verdicts answer."""
    against = tolerance_text(summary.tolerance)
    bar = "any change at all counts" if not summary.tolerance.amount else f"a change of {against}"
    if summary.tolerance.amount:
        bar += f" or more matters, judged in {judged_in(summary.tolerance)}"
    return (
        f"The question, declared before the run: what changes {percentile(summary.primary)}? "
        f"Here {bar}."
    )


def silence(summary: RunSummary) -> str:
    """Why there is no verdict, where there is none."""
    if pays_apart(summary.variants):
        return "Payment providers side by side: no mitigation was varied, so there is no verdict."
    if not varied(summary.variants):
        return "Nothing was compared: no mitigation was varied, so there is no verdict."
    return f"{unsaid(summary.primary).capitalize()}."


def _card(effect: EffectSummary, at: str, unit: Unit) -> Card:
    needed = effect.rounds_needed
    sizes = [_milliseconds(effect, at)]
    if effect.percent is not None:
        sizes.insert(0 if unit == "%" else 1, _percent(effect, effect.percent, at))
    return Card(
        name=effect_name(effect),
        where=Cell(percentile(effect.quantile), (at + "/quantile",), 100),
        verdict=verdict_cell(effect),
        sizes=sizes,
        rounds_needed=None
        if needed is None
        else Cell(f"about {needed:,} rounds would decide", (at + "/rounds_needed",)),
    )


def _milliseconds(effect: EffectSummary, at: str) -> Size:
    run = within(at, "estimate_ms", "lo_ms", "hi_ms")
    return _size(change(effect.estimate_ms, effect.lo_ms, effect.hi_ms, run), "ms")


def _percent(effect: EffectSummary, percent: float, at: str) -> Size:
    run = within(at, "percent", "percent_lo", "percent_hi")
    return _size(change(percent, effect.percent_lo, effect.percent_hi, run, "%"), "%")


def _size(told: Cell, unit: Unit) -> Size:
    estimate, bounds = told.text.split(" ", 1)
    return Size(Cell(estimate, told.run[:1]), Cell(bounds, told.run[1:]), unit)


def _says_otherwise(effect: EffectSummary, primary: list[EffectSummary]) -> bool:
    """A change at another quantile that the primary one does not show."""
    if ":" in effect.factor or effect in primary or effect.verdict not in FINDINGS:
        return False
    return all(e.verdict != effect.verdict for e in primary if e.factor == effect.factor)
