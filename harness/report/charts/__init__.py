"""A run's charts as SVG and PNG; this folder alone imports matplotlib, and computes no verdict."""

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from harness.record import Rows, RunSummary
from harness.report.charts.ecdf import draw_ecdf
from harness.report.charts.effects import draw_effects
from harness.report.charts.fees import draw_fees
from harness.report.charts.page import STYLE
from harness.report.charts.waterfall import draw_waterfall, median_turn
from harness.report.words import pays_apart

__all__ = ["CHARTS", "STYLE", "charts_of", "draw", "draw_all", "median_turn"]

DPI = 120

CHARTS: dict[str, Callable[[RunSummary, Rows], Figure]] = {
    "ecdf": draw_ecdf,
    "effects": draw_effects,
    "waterfall": draw_waterfall,
    "fees": draw_fees,
}


def charts_of(summary: RunSummary) -> list[str]:
    """Those that say something of this run: effects of mitigations, or fees of providers."""
    left_out = "effects" if pays_apart(summary.variants) else "fees"
    return [name for name in CHARTS if name != left_out]


def draw_all(summary: RunSummary, rows: Rows, folder: Path) -> list[Path]:
    """Write every chart as SVG and PNG into an existing folder and return the paths."""
    return [path for name in charts_of(summary) for path in draw(name, summary, rows, folder)]


def draw(name: str, summary: RunSummary, rows: Rows, folder: Path) -> list[Path]:
    """Write one of `CHARTS` as `<name>.svg` and `<name>.png`; the same run gives the same bytes."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(mpl.RcParams(STYLE))
        figure = CHARTS[name](summary, rows)
        svg, png = folder / f"{name}.svg", folder / f"{name}.png"
        figure.savefig(svg, metadata={"Date": None})
        figure.savefig(png, dpi=DPI)
    return [svg, png]
