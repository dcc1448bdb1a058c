"""Charts are written whole and the same each time; this file never compares pixels."""

import io
import xml.etree.ElementTree as ET
from collections.abc import Callable
from functools import cache
from itertools import combinations
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from msgspec.structs import replace

from harness.record import Outcome, Rows, RunSummary
from harness.report.charts import CHARTS, STYLE, charts_of, draw, draw_all, median_turn

from .sample import FACTORS, sample_run
from .test_costs import by_provider

REASONS = ["start lag p99 14.20 ms is above 1 ms and above 1% of p50", "9 turns never started"] * 2


def troubled() -> tuple[RunSummary, Rows]:
    summary, rows = sample_run(rounds=4, turns=20, error_share=0.2)
    return replace(summary, valid=False, invalid_because=REASONS, scenario="odd $name_$"), rows


RUNS: dict[str, Callable[[], tuple[RunSummary, Rows]]] = {
    "one factor": lambda: sample_run(FACTORS[:1], rounds=4, turns=20),
    "two factors": lambda: sample_run(FACTORS[1:], rounds=4, turns=20),
    "three factors": lambda: sample_run(rounds=4, turns=20),
    "one strategy": lambda: sample_run((), rounds=4, turns=20),
    "errors, invalid": troubled,
    "too few rounds": lambda: sample_run(rounds=1, turns=3),
    "only errors": lambda: sample_run(FACTORS[:1], rounds=2, turns=3, error_share=1.0),
    "three providers": lambda: (by_provider(), Rows()),
}


def figure_of(name: str, run: tuple[RunSummary, Rows]) -> Figure:
    with mpl.rc_context(mpl.RcParams(STYLE)):
        figure = CHARTS[name](*run)
        figure.savefig(io.BytesIO(), format="png")
    return figure


@cache
def figure_of_run(name: str, run: str) -> Figure:
    return figure_of(name, RUNS[run]())


def texts(figure: Figure) -> list[Text]:
    return [t for t in figure.findobj(Text) if isinstance(t, Text) and t.get_text().strip()]


@pytest.mark.parametrize("run", RUNS)
def test_every_chart_is_written_as_svg_and_png(run: str, tmp_path: Path) -> None:
    summary, rows = RUNS[run]()
    paths = draw_all(summary, rows, tmp_path)
    names = [f"{n}.{kind}" for n in charts_of(summary) for kind in ("svg", "png")]
    assert [path.name for path in paths] == names
    for path in paths:
        if path.suffix == ".svg":
            assert ET.parse(path).getroot().tag.endswith("svg")
        else:
            assert path.read_bytes().startswith(b"\x89PNG")


def test_a_run_without_rows_or_strategies_is_drawn_empty(tmp_path: Path) -> None:
    summary, _ = sample_run(FACTORS[:1], rounds=2, turns=3)
    draw_all(replace(summary, variants=[], effects=[]), Rows(), tmp_path)
    assert len(draw_all(summary, Rows(), tmp_path)) == 6


@pytest.mark.parametrize("name", CHARTS)
def test_the_same_run_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    written = []
    for folder in (tmp_path / "once", tmp_path / "again"):
        folder.mkdir()
        summary, rows = sample_run(rounds=3, turns=10)
        written.append([path.read_bytes() for path in draw(name, summary, rows, folder)])
    assert written[0] == written[1]
    assert b"<dc:date>" not in written[0][0]


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("name", CHARTS)
def test_no_text_leaves_the_page(name: str, run: str) -> None:
    figure = figure_of_run(name, run)
    width, height = figure.canvas.get_width_height()
    for text in visible(figure):
        box = text.get_window_extent()
        inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
        assert inside, text.get_text()


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("name", CHARTS)
def test_no_text_covers_another(name: str, run: str) -> None:
    shown = visible(figure_of_run(name, run))
    for one, other in combinations(shown, 2):
        a, b = one.get_window_extent(), other.get_window_extent()
        wide = min(a.x1, b.x1) - max(a.x0, b.x0)
        high = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert wide < 1 or high < 1, (one.get_text(), other.get_text())


def visible(figure: Figure) -> list[Text]:
    hidden = set(hidden_ticks(figure))
    return [text for text in texts(figure) if text.get_visible() and text not in hidden]


def hidden_ticks(figure: Figure) -> list[Text]:
    """Labels of ticks beyond an axis's limits, which matplotlib keeps but never draws."""
    hidden = []
    for axes in figure.axes:
        for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            low, high = sorted(limits)
            for tick in axis.get_major_ticks() + axis.get_minor_ticks():
                if not low <= tick.get_loc() <= high:
                    hidden += [tick.label1, tick.label2]
    return hidden


def test_curves_stop_short_of_100_percent_by_the_failed_share() -> None:
    summary, rows = sample_run(FACTORS[:1], rounds=4, turns=50, error_share=0.2)
    figure = figure_of("ecdf", (summary, rows))
    failed = sum(flow.outcome == "error" for flow in rows.flows) / len(rows.flows)
    curves = [line for line in figure.axes[0].lines if not str(line.get_label()).startswith("_")]
    tops = [np.max(np.asarray(curve.get_ydata(), dtype=float)) for curve in curves]
    assert failed > 0 and tops == pytest.approx([1 - failed] * 2)


def test_a_long_curve_is_thinned_without_losing_its_ends() -> None:
    summary, rows = sample_run((), rounds=20, turns=100)
    (curve,) = [
        line
        for line in figure_of("ecdf", (summary, rows)).axes[0].lines
        if not str(line.get_label()).startswith("_")
    ]
    times = sorted(flow.response_ms / 1000 for flow in rows.flows)
    drawn = np.asarray(curve.get_xdata(), dtype=float)
    assert len(drawn) <= 1000 and (drawn[0], drawn[-1]) == (times[0], times[-1])


def test_eight_strategies_have_eight_appearances() -> None:
    figure = figure_of("ecdf", sample_run(rounds=4, turns=20))
    looks = {
        (line.get_color(), line.get_linestyle())
        for line in figure.axes[0].lines
        if not str(line.get_label()).startswith("_")
    }
    assert len(looks) == 8


def test_an_invalid_run_says_so_on_every_chart() -> None:
    for name in CHARTS:
        figure = figure_of(name, troubled())
        words = " ".join(" ".join(t.get_text() for t in texts(figure)).split())
        assert "INVALID RUN: start lag p99 14.20 ms" in words


def test_the_median_turn_is_the_order_statistic_and_paid_where_one_is_near() -> None:
    _, rows = sample_run((), rounds=1, turns=5)
    flows = [
        replace(flow, response_ms=float(ms), outcome="paid")
        for flow, ms in zip(rows.flows, (50, 10, 30, 20, 40), strict=True)
    ]
    chosen = median_turn("baseline", flows)
    assert chosen is not None and chosen.response_ms == 30
    flows[2] = replace(flows[2], outcome="declined")
    chosen = median_turn("baseline", flows)
    assert chosen is not None and chosen.response_ms == 20
    assert median_turn("prewarm", flows) is None


def test_failed_turns_rank_behind_all_answered_ones() -> None:
    _, rows = sample_run((), rounds=1, turns=5)
    outcomes: list[Outcome] = ["error", "unknown", "paid", "paid", "paid"]
    flows = [
        replace(flow, response_ms=10.0 * place, outcome=outcome)
        for place, (flow, outcome) in enumerate(zip(rows.flows, outcomes, strict=True))
    ]
    chosen = median_turn("baseline", flows)
    assert chosen is not None and chosen.response_ms == 40
    flows[2] = replace(flows[2], outcome="error")
    assert median_turn("baseline", flows) is None


def test_the_waterfall_ends_at_the_response_time_of_the_turn_it_shows() -> None:
    summary, rows = sample_run(rounds=4, turns=20)
    words = [t.get_text() for t in texts(figure_of("waterfall", (summary, rows)))]
    for name in ("baseline", "prewarm+token_cache+parallel_confirm"):
        turn = median_turn(name, rows.flows)
        assert turn is not None and f"{turn.response_ms:.0f} ms" in words
