"""Flags and values of a user's own function go the whole way: the figures are those of mitigations
by another name, and every report names them as the user has.
"""

from collections.abc import Callable
from functools import cache
from io import StringIO

import pytest
from matplotlib.text import Text
from msgspec import structs
from rich.console import Console

from harness.cli.own_vary import LONGEST_VALUE
from harness.record import Columns, Rows, RunSummary, columns_of
from harness.report.charts import charts_of, figure_of
from harness.report.markdown import run_markdown
from harness.report.page import page
from harness.report.terminal import print_report
from harness.report.words import apart, label, varied
from harness.stats.analysis import Question, analyse, with_findings
from tests.report.sample import sample_run
from tests.report.told import Page, as_json, mistakes
from tests.stats.by_hand import Named

Run = Callable[[], tuple[RunSummary, Columns]]

FLAGS = {"prewarm": "fast_model", "token_cache": "early"}
VARIED = ("prewarm", "token_cache")


@cache
def flags() -> tuple[RunSummary, Columns]:
    summary, rows = sample_run(VARIED, rounds=6, turns=20, flags=FLAGS)
    return summary, columns_of(rows)


@cache
def values(second: str = "prewarm") -> tuple[RunSummary, Columns]:
    """What was varied told as values of one keyword, arms by the same names."""
    summary, rows = sample_run(("prewarm",), rounds=6, turns=100)
    named = {"baseline": "baseline", "prewarm": second}
    summary, renamed = structs.replace(summary, variants=[
        structs.replace(of, name=named[of.name]) for of in summary.variants
    ]), Rows(
        [structs.replace(of, variant=named[of.variant]) for of in rows.flows],
        [structs.replace(of, variant=named[of.variant]) for of in rows.spans],
    )  # fmt: skip
    columns = columns_of(renamed)
    arms = [Named(of.name, pay="", factors={"model": of.name}) for of in summary.variants]
    bare = structs.replace(summary, effects=[], simple_effects=[], attribution=[])
    return with_findings(bare, analyse(columns, arms, Question())), columns


def long_values() -> tuple[RunSummary, Columns]:
    """By a name as long as one may be."""
    name = "accounts/fireworks/models/llama-v3p1-405b-instruct"
    assert len(name) == LONGEST_VALUE
    return values(name)


@cache
def long_flags() -> tuple[RunSummary, Columns]:
    named = zip(
        (*VARIED, "parallel_confirm"),
        ("use_the_fast_model", "thank_the_customer_early", "prefetch_everything"),
        strict=True,
    )
    summary, rows = sample_run((*VARIED, "parallel_confirm"), turns=20, flags=dict(named))
    return summary, columns_of(rows)


def printed(summary: RunSummary) -> str:
    out = StringIO()
    print_report(summary, "results/x", Console(file=out, width=80))
    return out.getvalue()


def test_a_flag_changes_what_the_mitigation_does_that_it_stands_for() -> None:
    plain, _ = sample_run(VARIED, rounds=6, turns=20)
    renamed = [
        structs.replace(effect, factor=":".join(FLAGS[part] for part in effect.factor.split(":")))
        for effect in plain.effects
    ]
    assert flags()[0].effects == renamed
    assert [of.total_ms for of in flags()[0].attribution] == [
        of.total_ms for of in plain.attribution
    ]


def test_flags_are_varied_and_named_as_the_user_has() -> None:
    variants = flags()[0].variants
    assert varied(variants) == ["fast_model", "early"] and not apart(variants)
    assert [label(of) for of in variants] == [
        "baseline", "early", "fast_model", "fast_model + early"
    ]  # fmt: skip
    assert variants[3].factors == {"fast_model": True, "early": True}
    assert not any(of.prewarm or of.token_cache for of in variants)


def test_the_terminal_tells_of_flags() -> None:
    text = printed(flags()[0])
    assert "What each flag changes at p50" in text and "mitigation" not in text
    assert "A flag's change is averaged" in text and "fast_model" in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_terminal_tells_of_values_side_by_side() -> None:
    summary = values()[0]
    assert apart(summary.variants) and not varied(summary.variants)
    text = printed(summary)
    assert "prewarm less baseline: p50" in text and "Strategies side by side" in text
    assert any(line.startswith("model ") for line in text.splitlines())


@pytest.mark.parametrize("run", [long_flags, long_values])
def test_long_names_leave_room_for_every_figure(run: Run) -> None:
    summary, _ = run()
    text = printed(summary)
    assert max(map(len, text.splitlines())) <= 80 and "…" not in text
    for variant in summary.variants:
        assert {f"{variant.calls_per_turn:.2f}", f"{variant.p50_ms:.0f}"} <= set(text.split())


@pytest.mark.parametrize("run", [flags, values, long_values])
def test_every_chart_of_them_is_drawn(run: Run) -> None:
    summary, columns = run()
    names = charts_of(summary)
    assert {"shift", "percentiles", "ecdf", "heat", "waterfall"} <= set(names)
    for name in names:
        figure = figure_of(name, summary, columns)
        told = [of.get_text() for of in figure.findobj(Text) if isinstance(of, Text)]
        assert not any("mitigation" in text for text in told), name


@pytest.mark.parametrize("run", [flags, values])
def test_the_page_and_markdown_tell_of_them(run: Run) -> None:
    summary, _ = run()
    read = Page(page(summary, {}))
    assert len(read.told) > 15 and mistakes(read.told, as_json(summary)) == []
    assert summary.variants[1].name in run_markdown(summary)
