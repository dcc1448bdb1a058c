"""Which charts a page shows, in what order, and the table beside each; it draws none of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from harness.record import RunSummary
from harness.report.page.cells import Table
from harness.report.page.effects import attribution_table, effects_table
from harness.report.page.fees import fees_table
from harness.report.page.tables import (
    budgets_table,
    capacity_table,
    in_flight_table,
    medians_table,
    percentiles_table,
    rounds_table,
    shifts_table,
    stages_table,
    strategies_table,
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart by its name among the charts: what it shows, how it is read, and its numbers."""

    chart: str
    chapter: str
    title: str
    reading: str
    table: Callable[[RunSummary], Table]


CHAPTERS = {
    "verdict": "Verdict",
    "changes": "Effects",
    "times": "Response times",
    "stages": "Where the time goes",
    "load": "Load and rounds",
    "cost": "What it costs",
    "faults": "What faults cost",
    "strata": "Cold and steady",
    "validity": "Can it be believed?",
    "claims": "Claims and measurements",
    "again": "How to have it again",
    "unmodelled": "What the mocks leave out",
}
"""In the page's order; each has a template of its own."""

FIGURES = (
    Figure(
        "effects",
        "changes",
        "What each mitigation changes",
        "A bar is an interval: left of the line at zero it saves, right of it it costs, across it "
        "the run cannot tell.",
        effects_table,
    ),
    Figure(
        "shift",
        "changes",
        "Where in the distribution the change lies",
        "The difference from the baseline at every percentile: a level curve moves all turns "
        "alike, one that bends at its end moves the slow ones.",
        shifts_table,
    ),
    Figure(
        "percentiles",
        "times",
        "Response time by percentile",
        "Each strategy from its median outwards; a curve ends where too few turns are left to "
        "know more.",
        percentiles_table,
    ),
    Figure(
        "ecdf",
        "times",
        "How many turns are answered by when",
        "The share of turns answered within a time: a curve further left is faster.",
        budgets_table,
    ),
    Figure(
        "attribution",
        "stages",
        "Which stages the change comes from",
        "Each change laid out by the stages of the critical path; they add up to it.",
        attribution_table,
    ),
    Figure(
        "waterfall",
        "stages",
        "The median turn, call by call",
        "One actual turn a panel. Filled bars are what the user waits for; hatched ones are "
        "hidden behind them.",
        stages_table,
    ),
    Figure(
        "in_flight",
        "load",
        "Response time against load",
        "Turns that found more others in flight when they were due, against those that found "
        "fewer.",
        in_flight_table,
    ),
    Figure(
        "load_curve",
        "load",
        "Response time against the offered rate",
        "Each rate that was tried, and whether it was held.",
        capacity_table,
    ),
    Figure(
        "heat",
        "load",
        "Response times over the run",
        "Each column is a stretch of the run, the darker the more turns took so long; the strip "
        "below shows which strategy ran when.",
        medians_table,
    ),
    Figure(
        "rounds",
        "load",
        "Round by round",
        "A dot a round, or a batch of a run of one: the difference of medians in it. The interval "
        "stands on their spread.",
        rounds_table,
    ),
    Figure(
        "fees",
        "cost",
        "What a payment costs by its amount",
        "Fees of each provider; where two lines cross, the cheaper one changes.",
        fees_table,
    ),
)


def figures_of(charts: Iterable[str]) -> list[Figure]:
    """Those of these charts, in the page's order; a chart that is none of them comes last."""
    names, known = list(charts), {figure.chart for figure in FIGURES}
    others = [
        Figure(name, "load", name.replace("_", " ").capitalize(), "", strategies_table)
        for name in names
        if name not in known
    ]
    return [figure for figure in FIGURES if figure.chart in names] + others
