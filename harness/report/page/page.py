"""The page of a run from its summary and its charts; every number on it is one of run.json.

It has no script, and its policy lets nothing in that is not in the file. Colours follow the
reader's light or dark setting, in the charts too; on paper it is light and nothing is folded.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.record import RunSummary
from harness.report.costs import claim_sentence, cost_sentence, fee_sentences
from harness.report.notes import note_sentences
from harness.report.page import facts, verdicts
from harness.report.page.cells import Cell, Table, with_minus
from harness.report.page.cold_starts import first_requests_table, openings_table
from harness.report.page.effects import simple_effects_table
from harness.report.page.fees import fee_rules_table
from harness.report.page.figures import CHAPTERS, Figure, figures_of
from harness.report.page.inline import inline, width_of
from harness.report.page.resilience import (
    books_table,
    breaches_table,
    by_fault_table,
    resilience_table,
)
from harness.report.page.service import engines_table, failures_table, slos_table
from harness.report.page.tables import (
    cost_table,
    effective_table,
    ordered_variants,
    strata_table,
    strategies_table,
)
from harness.report.words import factor_name, pays_apart, switch_word, switched_on, varied

PAGE = "report.html"
WIDE = 420.0
"""A chart drawn wider than this has a row of its own, in points."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A chart in its place, with its numbers."""

    figure: Figure
    svg: Markup
    wide: bool
    table: Table


@dataclass(frozen=True, slots=True)
class Chapter:
    """A heading, and the charts below it; its template adds tables and sentences."""

    id: str
    title: str
    figures: list[Drawn]


def write_page(folder: Path, summary: RunSummary, svgs: Mapping[str, str]) -> Path:
    """Write the page into a run's folder; whoever reads it meanwhile sees the old one, whole."""
    path, fresh = folder / PAGE, folder / f".{PAGE}-{os.getpid()}"
    try:
        fresh.write_text(page(summary, svgs), encoding="utf-8")
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return path


def page(summary: RunSummary, svgs: Mapping[str, str]) -> str:
    """The page with these charts, by their names; a chart that is not there is left out."""
    environment = Environment(
        loader=PackageLoader("harness.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["minus"] = with_minus
    parts, drawn = _parts(summary), _drawn(summary, svgs)
    return environment.get_template("page.html.j2").render(
        style=Markup(files("harness.report.page").joinpath("style.css").read_text("utf-8")),
        run=summary,
        shapes=verdicts.SHAPES,
        contents=_contents(parts, drawn),
        **parts,
    )


def _parts(summary: RunSummary) -> dict[str, object]:
    """What the templates tell, by the names they know it by; what there is none of is falsy."""
    variants = [v for _, v in ordered_variants(summary)]
    # The turns of a sweep met all loads: pooled they are nobody's response times.
    pooled = summary.capacity is not None
    fixed = [f for v in variants[:1] for f in switched_on(v) if f not in varied(variants)]
    return {
        "facts": facts.run_facts(summary),
        "on_throughout": [factor_name(factor) for factor in fixed],
        "slos": slos_table(summary),
        "failures": failures_table(summary),
        "openings": openings_table(summary),
        "first_requests": first_requests_table(summary),
        "resilience": resilience_table(summary),
        "by_fault": by_fault_table(summary),
        "books": books_table(summary),
        "breaches": breaches_table(summary),
        "engines": engines_table(summary),
        "cards": verdicts.cards(summary),
        "question": verdicts.question(summary),
        "switch": switch_word(summary.effects),
        "sentences": verdicts.sentences(summary),
        "simple_sentences": verdicts.simple(summary),
        "silence": verdicts.silence(summary),
        "fee_sentences": fee_sentences(summary.fees) if pays_apart(variants) else [],
        "simple": simple_effects_table(summary) if summary.simple_effects else None,
        "strategies": strategies_table(summary) if variants and not pooled else None,
        "cost": cost_table(summary) if variants else None,
        "cost_sentence": cost_sentence(variants) if variants else "",
        "fees": fee_rules_table(summary) if summary.fees else None,
        "strata": strata_table(summary) if any(v.strata for v in variants) and not pooled else None,
        "health": facts.health_table(summary),
        "looks": facts.looks_table(summary),
        "notes": note_sentences(summary),
        "effective": effective_table(summary)
        if any(v.quantiles for v in variants) and not pooled
        else None,
        "claims": facts.claims_table(summary),
        "claim_sentences": [claim_sentence(claim) for claim in summary.claims],
        "provenance": facts.provenance_table(summary),
        "targets": facts.targets_table(summary),
        "command": Cell(facts.command(summary), ("/argv",)),
        "reproduction": facts.reproduction_table(summary),
        "parameters": facts.parameters_table(summary) if summary.parameters else None,
        "unmodelled": facts.unmodelled(summary),
    }


def _contents(parts: Mapping[str, object], drawn: Mapping[str, list[Drawn]]) -> list[Chapter]:
    """The chapters that have something to say."""
    needs = {
        "changes": parts["simple"],
        "times": parts["strategies"],
        "cost": parts["cost"],
        "faults": parts["resilience"],
        "strata": parts["strata"],
        "claims": parts["claims"] or parts["provenance"] or parts["targets"],
        "unmodelled": parts["unmodelled"],
        "stages": parts["openings"],
        "load": None,
    }
    return [
        Chapter(name, title, drawn.get(name, []))
        for name, title in CHAPTERS.items()
        if needs.get(name, True) or drawn.get(name)
    ]


def _drawn(summary: RunSummary, svgs: Mapping[str, str]) -> dict[str, list[Drawn]]:
    """The charts by chapter, in the page's order."""
    drawn: dict[str, list[Drawn]] = {}
    for figure in figures_of(svgs):
        svg, numbers = svgs[figure.chart], figure.table(summary)
        described = f"{figure.reading} {numbers.caption}."
        switch = switch_word(summary.effects)
        figure = replace(figure, title=figure.title.replace("mitigation", switch))
        drawing = inline(svg, f"chart-{figure.chart}", figure.title, described)
        drawn.setdefault(figure.chapter, []).append(
            Drawn(figure, Markup(drawing), width_of(svg) > WIDE, numbers)
        )
    return drawn
