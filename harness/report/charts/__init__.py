"""A run's charts as SVG and PNG; this folder alone imports matplotlib, and computes no verdict."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from harness.record import Columns, RunSummary
from harness.report.charts.attribution import attributed, draw_attribution
from harness.report.charts.ecdf import draw_ecdf
from harness.report.charts.effects import draw_effects
from harness.report.charts.fees import draw_fees
from harness.report.charts.heat import draw_heat
from harness.report.charts.in_flight import draw_in_flight
from harness.report.charts.load_curve import draw_load_curve
from harness.report.charts.page import PAPER, STYLE
from harness.report.charts.percentiles import draw_percentiles
from harness.report.charts.rounds import draw_rounds, in_rounds
from harness.report.charts.shift import draw_shift
from harness.report.charts.waterfall import draw_waterfall, median_turn
from harness.report.words import pays_apart

__all__ = ["CHARTS", "STYLE", "charts_of", "draw", "draw_all", "figure_of", "median_turn", "svg_of"]

DPI = 110

CHARTS: dict[str, Callable[[RunSummary, Columns], Figure]] = {
    "effects": draw_effects,
    "shift": draw_shift,
    "percentiles": draw_percentiles,
    "ecdf": draw_ecdf,
    "attribution": draw_attribution,
    "waterfall": draw_waterfall,
    "in_flight": draw_in_flight,
    "load_curve": draw_load_curve,
    "heat": draw_heat,
    "rounds": draw_rounds,
    "fees": draw_fees,
}


def charts_of(summary: RunSummary) -> list[str]:
    """Those that say something of this run, in the order in which a reader wants them."""
    apart, swept = pays_apart(summary.variants), summary.capacity is not None
    ran = any(variant.turns for variant in summary.variants)
    # The turns of a sweep met all loads: pooled they are nobody's response times.
    says = {
        "effects": bool(summary.effects) and not apart,
        "shift": any(shift.points for shift in summary.shifts),
        "percentiles": not swept
        and any(point.ms is not None for v in summary.variants for point in v.percentiles),
        "ecdf": ran and not swept,
        "attribution": bool(attributed(summary)),
        "waterfall": ran and not swept,
        "in_flight": any(p.ms is not None for found in summary.in_flight for p in found.quantiles),
        "load_curve": summary.capacity is not None and bool(summary.capacity.steps),
        "heat": ran,
        "rounds": bool(in_rounds(summary)),
        "fees": bool(summary.fees) and apart,
    }
    return [name for name in CHARTS if says[name]]


def draw_all(summary: RunSummary, columns: Columns, folder: Path) -> list[Path]:
    """Write every chart as SVG and PNG into an existing folder and return the paths."""
    return [path for name in charts_of(summary) for path in draw(name, summary, columns, folder)]


def draw(name: str, summary: RunSummary, columns: Columns, folder: Path) -> list[Path]:
    """Write one of `CHARTS` as `<name>.svg` and `<name>.png`; the same run gives the same bytes."""
    svg, png = folder / f"{name}.svg", folder / f"{name}.png"
    with _style(name):
        figure = CHARTS[name](summary, columns)
        svg.write_text(_as_svg(figure), "utf-8")
        figure.savefig(png, dpi=DPI, facecolor=PAPER)
    return [svg, png]


def svg_of(name: str, summary: RunSummary, columns: Columns) -> str:
    """One of `CHARTS` as the text of an SVG file, with nothing behind it: its page shows through.

    What its parts refer to in it is named by a hash of the chart's name too, so that charts in one
    document do not take each other's.
    """
    with _style(name):
        return _as_svg(CHARTS[name](summary, columns))


def figure_of(name: str, summary: RunSummary, columns: Columns) -> Figure:
    """One of `CHARTS`, not yet written anywhere."""
    with _style(name):
        return CHARTS[name](summary, columns)


@contextmanager
def _style(name: str) -> Iterator[None]:
    """The charts' own settings, whatever the user's are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(mpl.RcParams(STYLE | {"svg.hashsalt": name}))
        yield


def _as_svg(figure: Figure) -> str:
    text = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(text, format="svg", metadata=nothing, facecolor="none")
    return text.getvalue()
