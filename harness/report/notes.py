"""What a reader must know to weigh the figures, a sentence each; it never prints or judges."""

from collections.abc import Iterator

from harness.record import Looks, QuantileSummary, RunSummary, VariantSummary
from harness.report.series import black_box_note, round_word, series_note
from harness.report.targets import target_sentences
from harness.report.words import label, level_text, percentile, points_of, turn_count
from harness.stats.batches import is_series
from harness.stats.quantiles import MIN_ROUNDS

NOTABLY_FEWER = 0.5
"""Turns that resemble their round are worth fewer independent ones; told from half of them on."""


def note_sentences(summary: RunSummary) -> list[str]:
    """Who was asked, how the run ended, what it was warmed up by, and how far its turns repeat
    each other."""
    variants = [variant for variant in summary.variants if variant.turns]
    notes = [*target_sentences(summary)]
    notes += [_looks(summary.looks, summary)] if summary.looks else []
    notes += _warm_up(summary)
    if is_series(summary) and variants:
        notes.append(series_note(summary))
    elif 0 < summary.rounds_finished < MIN_ROUNDS:
        notes.append(
            f"fewer than {MIN_ROUNDS} rounds: nothing tells how alike the turns of a round are, "
            "and intervals take turns to be independent"
        )
    group = round_word(summary)
    told = [_resemblance(group, variant, point) for variant, point in _worst(variants)]
    return notes + [note for note in (*told, black_box_note(summary)) if note]


def _looks(looks: Looks, summary: RunSummary) -> str:
    planned, rounds = len(looks.planned), f"{summary.rounds_finished} of {summary.rounds} rounds"
    how = {
        "certain": f"stopped at look {looks.used} of {planned}, certain after {rounds}",
        "last look": f"looked {looks.used} times, as declared, and not certain after {rounds}",
        "stopped": f"cut off after {looks.used} of {planned} looks and {rounds}",
    }[looks.ended]
    return (
        f"{how}; intervals of changes are {level_text(summary.effect_level)} each, so that all "
        f"looks together hold {level_text(1 - looks.alpha)}"
    )


def _warm_up(summary: RunSummary) -> Iterator[str]:
    if summary.warm_up is None:
        return
    names = {variant.name: label(variant) for variant in summary.variants}
    told = [f"{names.get(name, name)} {n}" for name, n in summary.warm_up.transients.items()]
    if told:
        left = summary.warm_up.discarded_turns
        yield (
            f"the first turns differ from the rest by more than chance (MSER-5 would cut "
            f"{', '.join(told)}), beyond the {turn_count([left])} left out to warm up: "
            "warm up longer"
        )


def _worst(variants: list[VariantSummary]) -> Iterator[tuple[VariantSummary, QuantileSummary]]:
    """The quantile that knows least of its strategy's turns, of all."""
    known = [
        (point.effective_turns / variant.turns, variant, point)
        for variant in variants
        for point in points_of(variant)
        if point.effective_turns is not None
    ]
    if known:
        _, variant, point = min(known, key=lambda each: each[0])
        yield variant, point


def _resemblance(group: str, variant: VariantSummary, point: QuantileSummary) -> str:
    assert point.effective_turns is not None
    if point.effective_turns > NOTABLY_FEWER * variant.turns:
        return ""
    return (
        f"turns of a {group} resemble each other: {percentile(point.quantile)} of {label(variant)} "
        f"is known no better than from {point.effective_turns:.0f} independent turns of its "
        f"{variant.turns}"
    )
