"""What the charts show is what run.json says: marks stand where figures are, and nowhere else."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from msgspec.structs import replace

from harness.record import (
    Columns,
    FloatArray,
    FlowRow,
    Outcome,
    QuantileSummary,
    Rows,
    RunSummary,
    columns_of,
)
from harness.report.charts import figure_of, median_turn
from harness.report.charts.page import BLUE, GREY, PAPER, VERMILION
from harness.report.words import interval

from .sample import FACTORS, sample_run
from .sample_sweep import sample_sweep

NOTHING = columns_of(Rows())


@cache
def sampled() -> tuple[RunSummary, Columns]:
    summary, rows = sample_run(rounds=6, turns=40)
    return summary, columns_of(rows)


def words(figure: Figure) -> list[str]:
    return [t.get_text() for t in figure.findobj(Text) if isinstance(t, Text)]


def xs(line: Line2D) -> list[float]:
    return [float(x) for x in np.asarray(line.get_xdata(), dtype=float)]


def ys(line: Line2D) -> list[float]:
    return [float(y) for y in np.asarray(line.get_ydata(), dtype=float)]


def curves(axes: Axes, least: int = 3) -> list[Line2D]:
    """Its lines of many points: not rules, whiskers or single marks."""
    return [line for line in axes.lines if len(line.get_xdata()) >= least]  # type: ignore[arg-type]


def sample_flows(turns: int) -> list[FlowRow]:
    _, rows = sample_run((), rounds=1, turns=turns)
    return rows.flows


# Effects


def test_each_effect_has_its_figures_beside_it() -> None:
    summary, columns = sampled()
    told = words(figure_of("effects", summary, columns))
    for e in summary.effects:
        figures = interval(e.estimate_ms, e.lo_ms, e.hi_ms).replace("-", "\N{MINUS SIGN}")
        assert figures in told


@pytest.mark.parametrize(("primary", "order"), [(0.5, ["p50", "p95"]), (0.95, ["p95", "p50"])])
def test_the_primary_quantile_comes_first(primary: float, order: list[str]) -> None:
    summary, columns = sampled()
    axes = figure_of("effects", replace(summary, primary=primary), columns).axes[0]
    ranks = [t for t in axes.texts if t.get_text() in order]
    ranks.sort(key=lambda text: text.get_position()[1])
    effects = {effect.factor for effect in summary.effects}
    assert len(effects) == 7  # Three mitigations, three pairs and all of them.
    assert [text.get_text() for text in ranks] == order * len(effects)


def test_an_effect_is_coloured_by_its_verdict_and_hollow_where_exploratory() -> None:
    summary, columns = sampled()
    first = summary.effects[0]
    for verdict, exploratory, colour, face in (
        ("improved", False, BLUE, BLUE),
        ("regressed", False, VERMILION, VERMILION),
        ("cannot tell", False, GREY, GREY),
        ("cannot tell", True, GREY, PAPER),
    ):
        effect = replace(first, verdict=verdict, exploratory=exploratory)
        figure = figure_of("effects", replace(summary, effects=[effect]), columns)
        (mark,) = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
        assert xs(mark) == [first.estimate_ms]
        found = to_hex(str(mark.get_color())), to_hex(str(mark.get_markerfacecolor()))
        assert found == (colour.lower(), face.lower())


def test_an_effect_without_an_interval_has_no_bar() -> None:
    summary, columns = sampled()
    effect = replace(summary.effects[0], lo_ms=None, hi_ms=None, verdict="unknown")
    figure = figure_of("effects", replace(summary, effects=[effect]), columns)
    assert [line for line in figure.axes[0].lines if line.get_linewidth() == 2.2 and xs(line)] == [
        line for line in figure.axes[0].lines if line.get_marker() == "x"
    ]


# Shift and percentiles


def test_a_shift_is_drawn_point_for_point_and_only_the_telling_ones_have_a_band() -> None:
    summary, columns = sampled()
    axes = figure_of("shift", summary, columns).axes[0]
    drawn = [ys(line) for line in curves(axes)]
    assert sorted(drawn) == sorted([p.ms for p in s.points] for s in summary.shifts)
    assert len(axes.collections) == 4  # Each mitigation alone, and all of them.


def test_a_shift_of_too_few_rounds_is_a_line_without_a_band() -> None:
    summary, columns = sampled()
    bare = [
        replace(s, points=[replace(p, lo_ms=None, hi_ms=None) for p in s.points])
        for s in summary.shifts
    ]
    figure = figure_of("shift", replace(summary, shifts=bare), columns)
    assert len(curves(figure.axes[0])) == 7 and not figure.axes[0].collections
    assert not any("band" in text for text in words(figure))


def test_a_percentile_line_and_its_ribbon_end_where_n_is_too_small() -> None:
    summary, columns = sampled()
    axes = figure_of("percentiles", summary, columns).axes[0]
    known = [[p.ms for p in v.percentiles] for v in summary.variants]
    assert all(0.95 < v.percentiles[-1].quantile < 0.99 for v in summary.variants)
    assert sorted(ys(line) for line in curves(axes)) == sorted(known)
    assert len(axes.collections) == 5  # The baseline as well.


def test_a_percentile_line_ends_before_the_turns_that_failed() -> None:
    summary, columns = sampled()
    ended = [
        replace(v, percentiles=[*v.percentiles[:-3], *map(unanswered, v.percentiles[-3:])])
        for v in summary.variants
    ]
    axes = figure_of("percentiles", replace(summary, variants=ended), columns).axes[0]
    known = [[p.ms for p in v.percentiles[:-3]] for v in summary.variants]
    assert sorted(ys(line) for line in curves(axes)) == sorted(known)


def unanswered(point: QuantileSummary) -> QuantileSummary:
    return replace(point, ms=None, hi_ms=None)


# Curves of all turns


def test_curves_stop_short_of_100_percent_by_the_failed_share() -> None:
    summary, rows = sample_run(FACTORS[:1], rounds=4, turns=50, error_share=0.2)
    figure = figure_of("ecdf", summary, columns_of(rows))
    failed = sum(flow.outcome == "error" for flow in rows.flows) / len(rows.flows)
    tops = [max(ys(line)) for line in curves(figure.axes[0])]
    assert failed > 0 and tops == pytest.approx([1 - failed] * 2)


def test_a_long_curve_is_thinned_without_losing_its_ends() -> None:
    summary, rows = sample_run((), rounds=20, turns=100)
    (curve,) = curves(figure_of("ecdf", summary, columns_of(rows)).axes[0])
    times = sorted(flow.response_ms / 1000 for flow in rows.flows)
    assert len(xs(curve)) <= 1000 and (xs(curve)[0], xs(curve)[-1]) == (times[0], times[-1])


def test_eight_strategies_have_eight_appearances() -> None:
    figure = figure_of("ecdf", *sampled())
    looks = {(line.get_color(), line.is_dashed()) for line in curves(figure.axes[0])}
    assert len(looks) == 8


# Waterfall


def test_the_median_turn_is_the_order_statistic_and_paid_where_one_is_near() -> None:
    flows = [
        replace(flow, response_ms=float(ms), outcome="paid")
        for flow, ms in zip(sample_flows(5), (50, 10, 30, 20, 40), strict=True)
    ]
    assert median_ms(flows) == 30
    flows[2] = replace(flows[2], outcome="declined")
    assert median_ms(flows) == 20
    assert median_ms(flows, "prewarm") is None


def test_failed_turns_rank_behind_all_answered_ones() -> None:
    outcomes: list[Outcome] = ["error", "unknown", "paid", "paid", "paid"]
    flows = [
        replace(flow, response_ms=10.0 * place, outcome=outcome)
        for place, (flow, outcome) in enumerate(zip(sample_flows(5), outcomes, strict=True))
    ]
    assert median_ms(flows) == 40
    flows[2] = replace(flows[2], outcome="error")
    assert median_ms(flows) is None


def median_ms(flows: Sequence[FlowRow], variant: str = "baseline") -> float | None:
    turns = columns_of(Rows(list(flows))).turns
    row = median_turn(variant, turns)
    return None if row is None else float(turns.response_ms[row])


def test_every_strategy_has_a_turn_and_every_call_of_it_a_bar() -> None:
    summary, columns = sampled()
    figure, turns, spans = figure_of("waterfall", summary, columns), columns.turns, columns.spans
    bars = [p for p in figure.axes[0].patches if isinstance(p, Rectangle)]
    calls, told = 0, words(figure)
    for variant in summary.variants:
        row = median_turn(variant.name, turns)
        assert row is not None and f"{turns.response_ms[row]:.0f} ms" in told
        own = spans.variant.holds(variant.name) & (columns.turn_of_span() == row)
        calls += int(own.sum())
    assert len(bars) == calls
    assert {bar.get_hatch() for bar in bars} == {None, "/////"}


# Load


def test_the_load_curve_has_a_mark_a_step_and_shades_the_bracket() -> None:
    summary = sample_sweep()
    assert summary.capacity is not None
    upper, lower = figure_of("load_curve", summary, NOTHING).axes
    marks = [line for line in lower.lines if line.get_marker() == "o"]
    steps = sorted(summary.capacity.steps, key=lambda step: step.rate)
    assert [(xs(m)[0], ys(m)[0]) for m in marks] == [(s.rate, s.completed_rate) for s in steps]
    hollow = [to_hex(str(m.get_markerfacecolor())) == PAPER.lower() for m in marks]
    assert hollow == [not step.sustained for step in steps]
    assert len([line for line in upper.lines if line.get_marker() == "o"]) == 3 * len(steps)
    for axes in (upper, lower):
        (bracket,) = [p for p in axes.patches if isinstance(p, Rectangle)]
        assert (bracket.get_x(), bracket.get_x() + bracket.get_width()) == (62, 65)


@pytest.mark.parametrize("rates", [(5.0, 10.0), (70.0, 80.0)])
def test_a_capacity_that_was_not_found_is_not_shaded(rates: tuple[float, ...]) -> None:
    figure = figure_of("load_curve", sample_sweep(rates), NOTHING)
    assert not figure.axes[0].patches
    assert any("apacity not found" in text for text in words(figure))


def test_response_times_under_load_are_those_of_the_baseline_and_of_everything() -> None:
    summary, rows = sample_run(FACTORS[:2], rounds=8, turns=90)
    axes = figure_of("in_flight", summary, columns_of(rows)).axes[0]
    groups = [
        [(g, p.ms) for g in summary.in_flight if g.variant == name for p in g.quantiles if at(q, p)]
        for name in ("baseline", "prewarm+token_cache")
        for q in (0.5, 0.95)
    ]
    known = [[((g.least + g.most) / 2, ms) for g, ms in of if ms is not None] for of in groups]
    assert [len(of) - len(told) for of, told in zip(groups, known, strict=True)] == [0, 0, 0, 1]
    marked = [line for line in axes.lines if line.get_marker() in ("o", "s")]
    assert [list(zip(xs(line), ys(line), strict=True)) for line in marked] == known


def at(quantile: float, point: QuantileSummary) -> bool:
    return point.quantile == quantile


# Rounds, stages and time


def test_each_round_has_a_dot_in_order_and_an_unknown_one_has_none() -> None:
    summary, columns = sampled()
    (_, alone, *_) = summary.round_figures
    gap = replace(alone, differences_ms=[None, *alone.differences_ms[1:]])
    figure = figure_of("rounds", replace(summary, round_figures=[gap]), columns)
    _, dots = figure.axes[0].lines[:2]
    assert xs(dots) == [2, 3, 4, 5, 6] and ys(dots) == alone.differences_ms[1:]


def test_panels_of_rounds_span_equally_many_ms() -> None:
    spans = [np.diff(axes.get_ylim())[0] for axes in figure_of("rounds", *sampled()).axes]
    assert len(spans) == 7 and spans == pytest.approx([spans[0]] * 7)


def test_the_stages_of_a_change_add_up_to_it() -> None:
    summary, columns = sampled()
    figure = figure_of("attribution", summary, columns)
    bars = [p.get_width() for p in figure.axes[0].patches if isinstance(p, Rectangle)]
    shown = [a for a in summary.attribution if a.factor in FACTORS and a.quantile is None]
    assert len(shown) == 3 < len(summary.attribution)
    # What is less than half a millisecond is no bar.
    assert sum(bars) == pytest.approx(sum(a.total_ms for a in shown), abs=0.5 * len(shown))
    totals = [f"{a.total_ms:+.0f} in all".replace("-", "\N{MINUS SIGN}") for a in shown]
    assert [text for text in words(figure) if text.endswith(" in all")] == totals


def test_the_strip_shows_which_strategy_ran_when() -> None:
    summary, rows = sample_run(FACTORS[:1], rounds=1, turns=40)
    apart = [replace(f, due_s=f.due_s + 1000 * (f.variant != "baseline")) for f in rows.flows]
    after = strip(summary, columns_of(Rows(apart)))
    assert (after[0, :40] > 0).all() and not after[0, 40:].any()
    assert (after[1, 40:] > 0).all() and not after[1, :40].any()
    mixed = strip(summary, columns_of(rows))
    assert ((mixed > 0).sum(axis=0) == 1).all() and (mixed[0, :40] > 0).sum() == 20


def strip(summary: RunSummary, columns: Columns) -> FloatArray:
    """How opaque the strip is, a row a strategy from the top."""
    _, lower = figure_of("heat", summary, columns).axes
    image = np.asarray(lower.images[0].get_array(), dtype=np.float64)
    opacity: FloatArray = image[::-1, :, 3]
    return opacity


def test_every_answered_turn_is_in_a_cell_and_failed_ones_are_told() -> None:
    summary, rows = sample_run(FACTORS[:1], rounds=4, turns=40, error_share=0.2)
    upper, lower = figure_of("heat", summary, columns_of(rows)).axes
    assert [label.get_text() for label in lower.get_yticklabels()][-1] == "failed"
    low, high = upper.get_ylim()
    times = [f.response_ms / 1000 for f in rows.flows if f.outcome != "error"]
    assert low < np.log10(min(times)) and np.log10(max(times)) < high
