"""A run as Markdown for a pull request: short, and safe in any table; it computes nothing."""

from collections.abc import Iterator, Sequence

from harness.record import EffectSummary, RunSummary
from harness.report.costs import claim_sentence, cost_sentence, provenance_sentence
from harness.report.forest import forest
from harness.report.notes import note_sentences
from harness.report.page.cells import Table
from harness.report.page.cold_starts import first_requests_table, openings_table
from harness.report.page.effects import effects_table
from harness.report.page.facts import command, health_table, run_facts, unmodelled
from harness.report.page.resilience import breaches_table, by_fault_table, resilience_table
from harness.report.page.service import engines_table, failures_table, slos_table
from harness.report.page.tables import (
    capacity_table,
    cost_table,
    ordered_variants,
    strategies_table,
)
from harness.report.page.verdicts import question, sentences, silence, simple
from harness.report.resilience import books_sentence
from harness.report.words import (
    Change,
    factor_name,
    judged_in,
    level_text,
    percentile,
    told,
    verdict_word,
)

PLOT = 41
"""Characters of the plot: with names and figures about a line of a pull request."""


CUT = "\n\nCut off here: report.html tells all of it.\n"
LIMIT = 60_000
"""Bytes: a comment on a pull request holds no more than 65,536 characters."""


def run_markdown(summary: RunSummary) -> str:
    """The verdict, a forest plot in characters, tables, and how to have the run again.

    Where that is too long, without what is folded; and where that is, cut off, which it says.
    """
    for folded in (True, False):
        text = "\n".join(_lines(summary, folded)).strip() + "\n"
        if len(text.encode()) <= LIMIT:
            return text
    whole = text.encode()[: LIMIT - len(CUT)].decode(errors="ignore")
    return whole.rsplit("\n", 1)[0] + CUT


def markdown_table(table: Table) -> Iterator[str]:
    """Its caption as a paragraph, its rows, its note."""
    yield from (f"{safe(table.caption)}:", "")
    yield _row(table.header)
    yield f"|{'|'.join('--:' if figures else '---' for figures in table.figures)}|"
    for row in table.rows:
        yield _row([cell.text for cell in row])
    yield from ("", safe(table.note), "") if table.note else ("",)


def safe(text: str) -> str:
    """A line that no table or list of Markdown breaks at, and that no mark of it changes."""
    for mark in "\\`*_|":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split()).replace("<", "&lt;")


def _lines(summary: RunSummary, folded: bool) -> Iterator[str]:
    ran = bool(ordered_variants(summary))
    yield from (f"### tollbench: {safe(summary.scenario)}", "")
    yield from _state(summary)
    if (slos := slos_table(summary)) is not None:
        yield from markdown_table(slos)
    primary = [effect for effect in summary.effects if effect.quantile == summary.primary]
    if primary:
        yield from (question(summary), "")
    told = [*sentences(summary), *simple(summary)] or [silence(summary)]
    yield from _list(told)
    if primary:
        yield from _forest(primary, summary)
    if summary.capacity is not None:
        yield from markdown_table(capacity_table(summary))
    elif ran:
        yield from markdown_table(strategies_table(summary))
    if summary.effects and folded:
        yield from _folded("All effects", effects_table(summary))
    if ran:
        yield from markdown_table(cost_table(summary))
        yield from (safe(cost_sentence([v for _, v in ordered_variants(summary)])), "")
    for cold in (openings_table(summary), first_requests_table(summary)):
        yield from markdown_table(cold) if cold is not None else ()
    if (resilience := resilience_table(summary)) is not None:
        yield from markdown_table(resilience)
        if folded and (by_fault := by_fault_table(summary)) is not None:
            yield from _folded("Under each fault", by_fault)
    if summary.reconciliation is not None:
        yield from (f"Books: {safe(books_sentence(summary.reconciliation))}.", "")
    if (breaches := breaches_table(summary)) is not None:
        yield from markdown_table(breaches)
    if (failures := failures_table(summary)) is not None:
        yield from markdown_table(failures)
    yield from _list([claim_sentence(claim) for claim in summary.claims])
    yield from _list(note_sentences(summary))
    if summary.provenance:
        yield from (f"Mocked: {safe(provenance_sentence(summary.provenance))}.", "")
    if folded:
        yield from _folded("What the instrument knows of itself", health_table(summary))
        if (engines := engines_table(summary)) is not None:
            yield from _folded("Engines", engines)
    if left_out := unmodelled(summary):
        yield from (f"Not modelled: {safe('; '.join(left_out))}.", "")
    yield from _again(summary)


def _state(summary: RunSummary) -> Iterator[str]:
    facts = ", ".join(safe(fact.text) for fact in run_facts(summary))
    yield from (f"**{'VALID' if summary.valid else 'INVALID'}**: {facts}", "")
    if not summary.valid:
        yield from ("No figure below is to be believed:", "")
        yield from _list(summary.invalid_because or ["no reason was recorded"])


def _forest(effects: Sequence[EffectSummary], summary: RunSummary) -> Iterator[str]:
    unit, tolerance = judged_in(summary.tolerance), summary.tolerance.amount
    changes = [_change(effect, unit == "%") for effect in effects]
    plot = forest(changes, PLOT, unit=unit, tolerance=tolerance)
    names = [factor_name(effect.factor) for effect in effects]
    figures = [told(change, unit) for change in changes]
    wide, deep = max(map(len, names)), max(map(len, figures))
    level = level_text(summary.effect_level)
    yield from (f"Change of {percentile(summary.primary)}, {level} intervals, below 0 saves:", "")
    yield "```text"
    for effect, name, line, figure in zip(effects, names, plot.lines, figures, strict=True):
        yield f"{name:{wide}} {line} {figure:>{deep}}  {verdict_word(effect)}"
    yield f"{'ms' if unit == 'ms' else 'percent':>{wide}} {plot.scale}".rstrip()
    yield from ("```", "")


def _change(effect: EffectSummary, in_percent: bool) -> Change | None:
    if not in_percent:
        return Change(effect.estimate_ms, effect.lo_ms, effect.hi_ms)
    if effect.percent is None:
        return None
    return Change(effect.percent, effect.percent_lo, effect.percent_hi)


def _again(summary: RunSummary) -> Iterator[str]:
    """As code, which nothing in it can end: its fence is longer than any run of marks inside."""
    typed = command(summary)
    fence = "```"
    while fence in typed:
        fence += "`"
    yield from ("How to have it again:", "", f"{fence}sh", typed, fence, "")
    yield f"tollbench {safe(summary.tool_version)}, rows {safe(summary.rows_sha256)}"


def _folded(summary: str, table: Table) -> Iterator[str]:
    yield from (f"<details><summary>{summary}</summary>", "")
    yield from markdown_table(table)
    yield from ("</details>", "")


def _list(sentences: Sequence[str]) -> Iterator[str]:
    if sentences:
        yield from (f"- {safe(sentence)}" for sentence in sentences)
        yield ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(safe, cells))} |"
