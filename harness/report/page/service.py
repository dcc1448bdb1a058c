"""Promises, failures and engines as tables, each number beside its place in run.json."""

from harness.record import RunSummary, SloSummary
from harness.report.engines import COUNTS, engines_told
from harness.report.page.cells import Cell, Table, count, name_of, place, table, with_minus, within
from harness.report.page.tables import who
from harness.report.slo import share_text, time_text
from harness.report.words import NEVER, label, level_text

NONE_MADE = "none was made"
"""Of the turns or calls that the promise is about."""


def slos_table(summary: RunSummary) -> Table | None:
    """Each promise with what was found of it and its verdict."""
    if not summary.slos:
        return None
    names = {variant.name: label(variant) for variant in summary.variants}
    several = len(names) > 1
    rows = []
    for i, slo in enumerate(summary.slos):
        at = place("slos", i)
        rows.append(
            (
                Cell(slo.text, (at + "/text",)),
                *([name_of(names.get(slo.variant, slo.variant))] if several else []),
                Cell(slo.verdict, verdict=slo.verdict),
                _found(slo, at),
                name_of("calls" if slo.stage else "turns"),
                count(slo.count, at + "/count"),
            )
        )
    return table(
        f"Service levels (SLO), decided by the whole {level_text(summary.level)} interval",
        ("SLO", *([who(summary)] if several else []), "verdict", "found", "of", "how many"),
        rows,
        f"{NEVER.capitalize()} is a time of turns that got no answer."
        if any(NEVER in _found(slo, "").text for slo in summary.slos)
        else "",
    )


def failures_table(summary: RunSummary) -> Table | None:
    """Calls that failed, the most frequent first."""
    if not summary.failures:
        return None
    return table(
        "Calls that failed, by stage and cause; some of them were made up for",
        ("stage", "cause", "calls"),
        [
            (
                Cell(one.stage, (at + "/stage",)),
                Cell(one.cause, (at + "/cause",)),
                count(one.count, at + "/count"),
            )
            for i, one in enumerate(summary.failures)
            for at in [place("failures", i)]
        ],
    )


def engines_table(summary: RunSummary) -> Table | None:
    """Where several processes made the load, or one lost turns: the account of each."""
    if not engines_told(summary):
        return None
    return table(
        "Engines: started = finished + failed + running + lost",
        ("engine", *COUNTS, "died"),
        [
            (
                Cell(one.name, (at + "/name",)),
                *(count(getattr(one, name), f"{at}/{name}") for name in COUNTS),
                Cell(one.died, (at + "/died",)) if one.died else Cell(""),
            )
            for i, one in enumerate(summary.engines)
            for at in [place("engines", i)]
        ],
    )


def _found(slo: SloSummary, at: str) -> Cell:
    if not slo.count:
        return name_of(NONE_MADE)
    run = within(at, "figure", "lo", "hi")
    if slo.quantile is None:
        return Cell(share_text(slo), run, 100)
    return Cell(with_minus(time_text(slo)), run)
