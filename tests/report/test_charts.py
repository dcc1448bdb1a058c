"""Charts are written whole, the same each time, and can be read; no test compares pixels."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from msgspec.structs import replace

from harness.record import Columns, FlowRow, Rows, RunSummary, Tolerance, columns_of
from harness.report.charts import CHARTS, charts_of, draw, draw_all, figure_of, svg_of
from harness.report.charts import page as palette
from harness.stats.analysis import Question, analyse, with_findings

from .sample import FACTORS, sample_run
from .sample_sweep import sample_sweep
from .test_costs import by_provider

REASONS = ["start lag p99 14.20 ms is above 1 ms and above 1% of p50", "9 turns never started"] * 2
LEAST_SIZE = 8.5
"""Points, at which text is 7.5 px high on a phone 390 px wide."""
NOTHING = columns_of(Rows())

Run = tuple[RunSummary, Columns]


def sampled(
    varied: Sequence[str] = FACTORS, *, rounds: int = 6, turns: int = 20, error_share: float = 0.0
) -> Run:
    summary, rows = sample_run(varied, rounds=rounds, turns=turns, error_share=error_share)
    return summary, columns_of(rows)


def troubled() -> Run:
    summary, columns = sampled(rounds=4, error_share=0.2)
    return replace(summary, valid=False, invalid_because=REASONS, scenario="odd $name_$"), columns


def slow() -> Run:
    """Ten times slower, judged in percent: figures of five digits and ratios."""
    summary, rows = sample_run(rounds=6, turns=20)
    columns = columns_of(Rows([ten_times(flow) for flow in rows.flows], rows.spans))
    summary = replace(summary, tolerance=Tolerance(5.0, "%"), effect_level=0.9875)
    asked = Question(factors=FACTORS, tolerance=summary.tolerance, effect_level=0.9875)
    return with_findings(summary, analyse(columns, summary.variants, asked)), columns


def ten_times(flow: FlowRow) -> FlowRow:
    return replace(flow, response_ms=10 * flow.response_ms)


RUNS: dict[str, Callable[[], Run]] = {
    "three factors": lambda: sampled(),
    "one factor": lambda: sampled(FACTORS[:1]),
    "one strategy": lambda: sampled(()),
    "errors, invalid": troubled,
    "slow, in percent": slow,
    "too few rounds": lambda: sampled(rounds=1, turns=3),
    "only errors": lambda: sampled(FACTORS[:1], rounds=2, turns=3, error_share=1.0),
    "three providers": lambda: (by_provider(), NOTHING),
    "sweep": lambda: (sample_sweep(), sampled((), rounds=4)[1]),
}


@cache
def run_of(name: str) -> Run:
    return RUNS[name]()


LAID_OUT = [run for run in RUNS if run != "one strategy"]

WRITTEN = [
    *[(name, "three factors") for name in CHARTS if name not in ("fees", "load_curve")],
    ("fees", "three providers"),
    ("load_curve", "sweep"),
]
"""Each chart once, of a run that has it."""


@pytest.fixture(scope="module", params=LAID_OUT)
def figures(request: pytest.FixtureRequest) -> dict[str, Figure]:
    """Every chart of a run, laid out; of one run after another, so that each is drawn once."""
    return figures_of(request.param)


@cache
def figures_of(run: str) -> dict[str, Figure]:
    figures = {name: figure_of(name, *run_of(run)) for name in charts_of(run_of(run)[0])}
    for figure in figures.values():
        figure.draw_without_rendering()
    return figures


@cache
def svg_of_run(name: str, run: str) -> str:
    return svg_of(name, *run_of(run))


def texts(figure: Figure) -> list[Text]:
    return [t for t in figure.findobj(Text) if isinstance(t, Text) and t.get_text().strip()]


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in texts(figure)]


def test_all_charts_of_a_run_are_written(tmp_path: Path) -> None:
    summary, columns = run_of("one strategy")
    names = [f"{name}.{kind}" for name in charts_of(summary) for kind in ("svg", "png")]
    assert [path.name for path in draw_all(summary, columns, tmp_path)] == names
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


@pytest.mark.parametrize(("name", "run"), WRITTEN)
def test_a_chart_is_written_as_svg_and_png_and_the_same_again(
    name: str, run: str, tmp_path: Path
) -> None:
    svg, png = draw(name, *run_of(run), tmp_path)
    assert ET.parse(svg).getroot().tag.endswith("svg")
    assert "<metadata" not in svg.read_text("utf-8")
    assert svg.read_text("utf-8") == svg_of_run(name, run)
    assert png.read_bytes().startswith(b"\x89PNG")


def test_a_png_is_the_same_again_too(tmp_path: Path) -> None:
    # It is of the same figure as the SVG, which each chart is held to.
    once, again = (draw("heat", *run_of("one strategy"), tmp_path)[1].read_bytes() for _ in "12")
    assert once == again


@pytest.mark.parametrize("name", CHARTS)
def test_a_run_without_rows_or_strategies_is_drawn_empty(name: str) -> None:
    summary, _ = run_of("only errors")
    empty = replace(
        summary, variants=[], effects=[], attribution=[], shifts=[], round_figures=[], in_flight=[]
    )
    assert charts_of(empty) == []
    for run in (summary, empty):
        figure_of(name, run, NOTHING).draw_without_rendering()


def test_no_text_leaves_the_page(figures: dict[str, Figure]) -> None:
    assert [(name, text) for name, figure in figures.items() for text in outside(figure)] == []


def test_effects_of_five_digits_stay_on_the_page() -> None:
    summary, columns = run_of("three factors")
    large = [
        replace(e, estimate_ms=-23_888.0, lo_ms=-28_888.0, hi_ms=-20_888.0) for e in summary.effects
    ]
    figure = figure_of("effects", replace(summary, effects=large), columns)
    figure.draw_without_rendering()
    assert outside(figure) == []


def outside(figure: Figure) -> list[str]:
    width, height = figure.canvas.get_width_height()
    boxes = [(text.get_text(), text.get_window_extent()) for text in visible(figure)]
    return [
        text for text, box in boxes if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height
    ]


def test_no_text_covers_another(figures: dict[str, Figure]) -> None:
    for name, figure in figures.items():
        shown = [(text, text.get_window_extent()) for text in visible(figure)]
        for (one, a), (other, b) in combinations(shown, 2):
            wide = min(a.x1, b.x1) - max(a.x0, b.x0)
            high = min(a.y1, b.y1) - max(a.y0, b.y0)
            assert wide < 1 or high < 1, (name, one.get_text(), other.get_text())


def test_text_can_be_read_on_a_phone(figures: dict[str, Figure]) -> None:
    for name, figure in figures.items():
        assert figure.get_figwidth() == palette.WIDTH_IN
        assert min(float(text.get_fontsize()) for text in visible(figure)) >= LEAST_SIZE, name


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


@pytest.mark.parametrize("run", ["three factors", "three providers", "sweep"])
def test_an_svg_is_of_the_palettes_colours_and_text_and_stands_alone(run: str) -> None:
    known = {
        colour.lower()
        for colour in vars(palette).values()
        if isinstance(colour, str) and re.fullmatch("#[0-9A-F]{6}", colour)
    }
    seen: set[str] = set()
    for name in charts_of(run_of(run)[0]):
        svg = svg_of_run(name, run)
        assert set(re.findall(r"#[0-9a-f]{6}\b", svg)) <= known, name
        assert "<text" in svg and "'DejaVu Sans', 'Verdana', sans-serif" in svg
        assert not re.search(r'href="(?!#|data:image/png)', svg)
        named = set(re.findall(r'(?:href="|url\()#([^")]+)', svg))
        assert named and not named & seen, "charts in one document share a name"
        seen |= named


@pytest.mark.parametrize(
    ("run", "shown"),
    [
        (
            "three factors",
            "effects shift percentiles ecdf attribution waterfall in_flight heat rounds",
        ),
        ("one strategy", "percentiles ecdf waterfall in_flight heat"),
        ("three providers", "percentiles ecdf waterfall in_flight heat fees"),
        ("sweep", "in_flight load_curve heat"),
    ],
)
def test_a_run_has_the_charts_that_say_something_of_it(run: str, shown: str) -> None:
    assert charts_of(run_of(run)[0]) == shown.split()


def test_an_invalid_run_says_so_on_every_chart() -> None:
    for name, figure in figures_of("errors, invalid").items():
        told = " ".join(" ".join(words(figure)).split())
        assert "INVALID RUN: start lag p99 14.20 ms" in told, name
