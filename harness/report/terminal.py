"""A run's summary as tables and sentences for 80 columns; it never computes a statistic."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import product
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.record import (
    ClaimSummary,
    Health,
    RunSummary,
    Stratum,
    VariantSummary,
)
from harness.report.cold_starts import print_cold_starts
from harness.report.costs import (
    claim_sentence,
    cost_sentence,
    print_fees,
    print_hanging,
    provenance_sentence,
)
from harness.report.effects import print_effects, print_verdict
from harness.report.engines import print_engines
from harness.report.failures import print_failures
from harness.report.health import counts, errors, lost, strain
from harness.report.notes import note_sentences
from harness.report.resilience import books_sentence, faults_text, print_resilience
from harness.report.series import print_side_by_side, rounds_text, side_by_side
from harness.report.slo import print_slos
from harness.report.tables import fits, marks, print_heading, strategy_table
from harness.report.words import (
    NEVER,
    NEVER_NOTE,
    factor_name,
    fastest,
    from_baseline,
    label,
    level_text,
    pays_apart,
    percentile,
    point_text,
    points_of,
    switched_on,
    turn_count,
    varied,
)

BUDGETS = ("1s", "3s", "5s")
STAGES = ("intent", "session", "pay", "confirm")
NOTABLE_SHARE = 0.05
STRATA: tuple[Literal["cold", "steady"], ...] = ("cold", "steady")
TROUBLE_HEADERS = {"corrections": "correc-\ntions", "guarded": "guarded", "errors": "errors"}
CURRENCY_EXPONENTS = {"JPY": 0, "KRW": 0, "VND": 0}


def print_report(
    summary: RunSummary, results_path: str, console: Console, *, currency: str = "CNY"
) -> None:
    """Print the whole report, built to read well at exactly 80 columns.

    `currency` is the one whose minor units the mean fee counts. The path is never broken, so that
    it can be copied; on a console that is no terminal there are no colour codes.
    """
    variants = from_baseline(v for v in summary.variants if v.turns)
    _print_title(summary, variants, console)
    print_slos(summary, console)
    if side_by_side(summary):
        print_side_by_side(summary, console)
    elif varied(variants):
        print_verdict(summary, console)
        print_effects(summary, console)
    if variants:
        _print_latency(summary, variants, console)
        _print_strata(summary, variants, console)
        _print_costs(variants, currency, console)
        _print_stages(variants, console)
        print_cold_starts(summary, console)
        _print_human(variants, console)
        print_resilience(summary, variants, console)
    print_failures(summary, console)
    print_engines(summary, console)
    if pays_apart(variants):
        print_fees(summary, console)
    _print_claims(summary.claims, console)
    _print_provenance(summary, console)
    _print_notes(summary, console)
    _print_validity(summary, results_path, console)


def _print_title(summary: RunSummary, variants: list[VariantSummary], console: Console) -> None:
    facts = [f"{summary.clock} clock, {summary.endpoints}", f"seed {summary.seed}"]
    if variants:
        whom = "provider" if pays_apart(variants) else "strategy"
        facts.append(f"{turn_count([v.turns for v in variants])} a {whom}")
    facts.append(rounds_text(summary))
    console.print(Text.assemble((summary.scenario, "bold"), "  ", "  ".join(facts)))
    if not summary.valid:
        console.print(Text("INVALID: no figure below is to be believed; why is told last", "red"))
    if summary.faults:
        print_hanging("faults", Text(faults_text(summary)), console)
    fixed = [f for f in switched_on(variants[0]) if f not in varied(variants)] if variants else []
    if fixed:
        console.print(Text(f"on throughout: {', '.join(map(factor_name, fixed))}"))


def _print_latency(summary: RunSummary, variants: list[VariantSummary], console: Console) -> None:
    heading = f"Response time, ms, with {level_text(summary.level)} intervals"
    print_heading(heading, console)
    quantiles = list(dict.fromkeys(p.quantile for v in variants for p in points_of(v)))
    cells = {(v.name, p.quantile): point_text(p, v.turns) for v in variants for p in points_of(v)}
    for first in range(0, len(quantiles), 3):
        some = quantiles[first : first + 3]
        for gap, stacked in ((2, False), (1, False), (2, True)):
            table = _latency_table(variants, some, cells, console, gap, stacked)
            if fits(table, console):
                break
        console.print(table)
    if any(NEVER in cell for cell in cells.values()):
        console.print(Text(NEVER_NOTE, style="dim"))


def _latency_table(
    variants: list[VariantSummary],
    quantiles: Sequence[float],
    cells: Mapping[tuple[str, float], str],
    console: Console,
    gap: int,
    stacked: bool,
) -> Table:
    """Strategies by quantiles; stacked puts an interval under its estimate where 80 is too few."""
    table = strategy_table(variants, map(percentile, quantiles), gap)
    best = fastest(variants)
    for v in variants:
        figures = [cells.get((v.name, q), "") for q in quantiles]
        if stacked:
            figures = [figure.replace(" [", "\n[") for figure in figures]
        bold = [v in best and q == 0.5 for q in quantiles]
        told = [Text(t, style="bold" if b else "") for t, b in zip(figures, bold, strict=True)]
        table.add_row(*marks(v, variants, console), *told)
    return table


def _print_strata(summary: RunSummary, variants: list[VariantSummary], console: Console) -> None:
    """Turns that had to open a session beside those that did not, where a strategy has both."""
    strata = [{stratum.name: stratum for stratum in v.strata} for v in variants]
    if not any(len([s for s in of.values() if s.turns]) == 2 for of in strata):
        return
    where = percentile(summary.primary)
    print_heading(f"Cold turns, which open a session, and steady ones: {where}, ms", console)
    for gap in (2, 1):
        table = strategy_table(variants, ["cold\nturns", where, "steady\nturns", where], gap)
        for v, of in zip(variants, strata, strict=True):
            cold, steady = (_stratum_cells(of.get(name), summary) for name in STRATA)
            table.add_row(*marks(v, variants, console), *cold, *steady)
        if fits(table, console):
            break
    console.print(table)


def _stratum_cells(stratum: Stratum | None, summary: RunSummary) -> tuple[str, str]:
    if stratum is None or not stratum.turns:
        return "0", ""
    points = [point for point in stratum.quantiles if point.quantile == summary.primary]
    told = [point_text(point, stratum.turns) for point in points]
    return str(stratum.turns), "".join(told) or "unknown"


def _print_costs(variants: list[VariantSummary], currency: str, console: Console) -> None:
    print_heading("Turns answered within a budget, and what they took", console)
    troubles = {
        name: counts
        for name, counts in (
            ("corrections", [v.corrections for v in variants]),
            ("guarded", [v.guarded for v in variants]),
            ("errors", [v.errors for v in variants]),
        )
        if any(counts)
    }
    # Errors are the last to leave the table for a line below it, and what nobody has the very last.
    choices: tuple[Collection[str], ...] = (troubles, troubles.keys() & {"errors"}, ())
    for left_out, named, gap in product(([], _nobodys(variants)), choices, (2, 1)):
        shown = {name: counts for name, counts in troubles.items() if name in named}
        table = _cost_table(variants, currency, shown, left_out, console, gap)
        if fits(table, console):
            break
    console.print(table)
    if left_out:
        console.print(Text(f"0 everywhere: {', '.join(left_out)}", style="dim"))
    for name in (name for name in troubles if name not in shown):
        told = [f"{v.name} {n}" for v, n in zip(variants, troubles[name], strict=True) if n]
        console.print(Text(f"{name}: {', '.join(told)}"))
    console.print(Text(cost_sentence(variants), style="dim"))


def _nobodys(variants: Sequence[VariantSummary]) -> list[str]:
    """The counts that are 0 in all of these."""
    return [name for name, (_, count) in _COUNTS.items() if not any(map(count, variants))]


def _cost_table(
    variants: list[VariantSummary],
    currency: str,
    troubles: Mapping[str, Sequence[int]],
    left_out: Collection[str],
    console: Console,
    gap: int,
) -> Table:
    budgets = [f"within\n{budget[:-1]} {budget[-1]}" for budget in BUDGETS]
    counted = [of for name, of in _COUNTS.items() if name not in left_out]
    fixed = ["calls/\nturn", *(header for header, _ in counted), "mean\ncost"]
    headers = [TROUBLE_HEADERS[name] for name in troubles]
    table = strategy_table(variants, [*budgets, *fixed, *headers], gap)
    for row, v in enumerate(variants):
        table.add_row(
            *marks(v, variants, console),
            *(_share(v.slo.get(budget)) for budget in BUDGETS),
            f"{v.calls_per_turn:.2f}",
            *(str(count(v)) for _, count in counted),
            _money(v.fee_minor_mean + v.token_cost_minor_mean, currency),
            *(str(counts[row]) for counts in troubles.values()),
        )
    return table


_COUNTS: Mapping[str, tuple[str, Callable[[VariantSummary], int]]] = {
    "wasted warms": ("wasted\nwarms", lambda v: v.wasted_prewarms),
    "stale tokens": ("stale\ntokens", lambda v: v.stale_tokens),
    "reversals": ("rever-\nsals", lambda v: v.reversals),
}
"""By name: a column's header, and whose figure it is."""


def _print_stages(variants: list[VariantSummary], console: Console) -> None:
    print_heading("Where the time goes: mean ms on the critical path, and its share", console)
    usual, notable = _named_stages(variants)
    for stages, gap in product(([*usual, *notable], usual), (2, 1)):
        table = _stage_table(variants, stages, console, gap)
        if fits(table, console):
            break
    console.print(table)


def _print_human(variants: Iterable[VariantSummary], console: Console) -> None:
    """What users did meanwhile, which is in no figure above."""
    told = [f"{label(v)} {v.human_ms_mean:.0f} ms" for v in variants if v.human_ms_mean]
    if told:
        text = f"The users' own time to approve, in none of these figures: {', '.join(told)}"
        console.print(Text(text, style="dim"))


def _stage_table(
    variants: list[VariantSummary], stages: list[str], console: Console, gap: int
) -> Table:
    """Named stages, the rest of the critical path as `other`, and the mean they add up to."""
    table = strategy_table(variants, [*stages, "other", "mean"], gap)
    for v in variants:
        total = sum(v.critical_ms.values())
        named = [v.critical_ms.get(stage, 0.0) for stage in stages]
        other = sum(ms for stage, ms in v.critical_ms.items() if stage not in stages)
        parts = [_part(ms, total) for ms in (*named, other)]
        table.add_row(*marks(v, variants, console), *parts, f"{total:.0f}")
    return table


def _named_stages(variants: Iterable[VariantSummary]) -> tuple[list[str], list[str]]:
    """The usual stages that occur, and the one other that takes a notable share of some turns."""
    most: dict[str, float] = {}
    for v in variants:
        total = sum(v.critical_ms.values()) or 1.0
        for stage, ms in v.critical_ms.items():
            most[stage] = max(most.get(stage, 0.0), ms / total)
    others = sorted((stage for stage in most if stage not in STAGES), key=lambda s: (-most[s], s))
    notable = [stage for stage in others if most[stage] >= NOTABLE_SHARE]
    return [stage for stage in STAGES if stage in most], notable[:1]


def _print_claims(claims: Iterable[ClaimSummary], console: Console) -> None:
    """What a model is claimed to take, and the gap to what was measured."""
    for claim in claims:
        console.print()
        print_hanging("claimed", Text(claim_sentence(claim)), console)


def _print_provenance(summary: RunSummary, console: Console) -> None:
    """A claim must not pass for a measurement: the report says which delays were whose."""
    if summary.provenance:
        console.print()
        print_hanging("mocked", Text(provenance_sentence(summary.provenance)), console)


def _print_notes(summary: RunSummary, console: Console) -> None:
    for note in note_sentences(summary):
        console.print()
        print_hanging("note", Text(note), console)


def _print_validity(summary: RunSummary, results_path: str, console: Console) -> None:
    console.print()
    if summary.valid:
        print_hanging(Text("VALID", "bold green"), Text(_health(summary.health)), console)
    else:
        reasons = "; ".join(summary.invalid_because) or "no reason was recorded"
        print_hanging(Text("INVALID", "bold red"), Text(reasons, "red"), console)
        print_hanging("", Text(_health(summary.health)), console)
    if summary.reconciliation is not None:
        print_hanging("books", Text(books_sentence(summary.reconciliation)), console)
    console.print(Text(f"results  {results_path}"), soft_wrap=True)


def _health(health: Health) -> str:
    parts = [errors(health), counts(health), *strain(health)]
    parts += [f"leaks {health.leaks}"] if health.leaks else []
    parts += [lost(health.lost)] if health.lost else []
    return "; ".join(parts)


def _share(share: float | None) -> str:
    """A percentage that says 100% only of every turn, and 0% only of none."""
    if share is None:
        return "unknown"
    if share in (0.0, 1.0):
        return f"{share:.0%}"
    return f"{min(max(share, 0.001), 0.999):.1%}"


def _part(ms: float, total: float) -> str:
    return f"{ms:.0f} {ms / total if total else 0.0:>3.0%}"


def _money(minor: float, currency: str) -> str:
    exponent = CURRENCY_EXPONENTS.get(currency, 2)
    return f"{minor / 10**exponent:.{exponent}f} {currency}"
