"""Promises and whether they were kept, in words and as lines; it judges none."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from harness.record import RunSummary, SloSummary
from harness.report.costs import print_hanging
from harness.report.tables import print_heading
from harness.report.words import N_TOO_SMALL, NEVER, label, rounded

SLO_STYLES = {"met": "bold green", "missed": "bold red", "cannot tell": "bold yellow"}
WORST_FIRST = ("missed", "cannot tell", "met")


def slo_sentences(summary: RunSummary) -> Iterator[tuple[SloSummary, str]]:
    """Each promise with what was found of it: `p99<3s: 2011 ms [1900, 2201] of 1,200 turns`, and
    whose turns they are where there are several strategies."""
    names = {variant.name: label(variant) for variant in summary.variants}
    for slo in summary.slos:
        whose = f", {names.get(slo.variant, slo.variant)}" if len(names) > 1 else ""
        yield slo, f"{slo.text}{whose}: {found(slo)}"


def slo_headline(slos: Sequence[SloSummary]) -> str:
    """`1 of 3 SLOs missed, 1 cannot be told`, or `3 of 3 SLOs met`."""
    counts = {verdict: sum(slo.verdict == verdict for slo in slos) for verdict in WORST_FIRST}
    told = f"{counts['met']} of {len(slos)} {'SLO' if len(slos) == 1 else 'SLOs'} met"
    told += f", {counts['missed']} missed" if counts["missed"] else ""
    return told + (f", {counts['cannot tell']} cannot be told" if counts["cannot tell"] else "")


def print_slos(summary: RunSummary, console: Console) -> None:
    """The headline, then each with its verdict before it."""
    if not summary.slos:
        return
    print_heading(slo_headline(summary.slos), console)
    for slo, told in slo_sentences(summary):
        verdict = Text(f"{slo.verdict:11}", SLO_STYLES[slo.verdict])
        print_hanging(verdict, Text(told), console)


def found(slo: SloSummary) -> str:
    """The figure with its interval, and of how many turns or calls."""
    if not slo.count:
        return f"no call of stage {slo.stage} was made" if slo.stage else "no turn was made"
    what = ("call" if slo.stage else "turn") + ("s" if slo.count != 1 else "")
    if slo.quantile is None:
        return f"{share_text(slo)} of {slo.count:,} {what} failed"
    time = time_text(slo)
    return f"{time}{':' if time == N_TOO_SMALL else ' of'} {slo.count:,} {what}"


def time_text(slo: SloSummary, unit: str = " ms") -> str:
    """`2011 ms [1900, 2201]`."""
    if slo.lo is None:
        # Too few turns decide nothing; turns that never answered have an infinite interval.
        return NEVER if slo.verdict == "missed" else N_TOO_SMALL
    known = iter(rounded([x for x in (slo.figure, slo.lo, slo.hi) if x is not None]))
    middle, low, high = (NEVER if x is None else next(known) for x in (slo.figure, slo.lo, slo.hi))
    return f"{middle}{'' if slo.figure is None else unit} [{low}, {high}]"


def share_text(slo: SloSummary) -> str:
    """`0.11% [0.05, 0.21]`."""
    if slo.figure is None or slo.lo is None or slo.hi is None:
        return N_TOO_SMALL
    return f"{100 * slo.figure:.3g}% [{100 * slo.lo:.3g}, {100 * slo.hi:.3g}]"
