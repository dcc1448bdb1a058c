"""The page of a run: whole, safe, in order, and every number on it the one in run.json."""

import re
from functools import cache
from pathlib import Path

import pytest
from msgspec import structs

from harness.report.page import page, write_page
from harness.report.page.figures import CHAPTERS, FIGURES
from harness.report.page.inline import PALETTE, inline, width_of
from harness.report.page.verdicts import cards, sentences
from harness.report.words import written
from tests.report.told import SAID_FOR_NULL, Page, as_json, mistakes, numbers
from tests.report.whole import RUNS

SVG = """<?xml version="1.0"?>
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
<svg xmlns:xlink="http://www.w3.org/1999/xlink" width="403pt" height="80pt" viewBox="0 0 403 80">
 <metadata><x>who drew it</x></metadata>
 <defs><style type="text/css">*{stroke-linejoin: round}</style></defs>
 <g id="figure_1"><!-- a -- note -->
  <defs><path id="m1" d="M 0 0"/></defs>
  <use xlink:href="#m1" style="fill: #222222; stroke: #D55E00"/>
  <path clip-path="url(#c1)" style="fill: #123456" d="M 1 1"/>
  <clipPath id="c1"/>
  <text>order #222222</text>
 </g>
</svg>"""
SVGS = {figure.chart: SVG for figure in FIGURES}

every_run = pytest.mark.parametrize("run", RUNS)


@cache
def html_of(run: str) -> str:
    return page(RUNS[run], SVGS)


@cache
def told_by(run: str) -> Page:
    return Page(html_of(run))


@every_run
def test_every_number_on_it_is_the_one_at_its_place(run: str) -> None:
    told = told_by(run).told
    assert len(told) > 15
    assert mistakes(told, as_json(RUNS[run])) == []


@every_run
def test_no_cell_of_a_table_tells_digits_of_unknown_origin(run: str) -> None:
    named = ("a 5-token label", "a 60-token call")
    lost = [text for text, known in told_by(run).cells if not known and numbers(text)]
    assert [text for text in lost if text not in named and not text.startswith("no: ")] == []


def test_every_number_of_a_sentence_on_effects_is_one_of_an_effect() -> None:
    run = RUNS["compared"]
    known = {f"{run.tolerance.amount:g}"}
    for effect in [*run.effects, *run.simple_effects]:
        known |= {f"{100 * effect.quantile:g}", str(effect.rounds_needed)}
        ms = (effect.estimate_ms, effect.lo_ms, effect.hi_ms)
        percent = (effect.percent, effect.percent_lo, effect.percent_hi)
        for three, unit in ((ms, "ms"), (percent, "%")):
            figures = [x for x in three if x is not None]
            known |= {n.lstrip("-") for n in written(figures, "ms" if unit == "ms" else "%")}
    told = [number for sentence in sentences(run) for number in numbers(sentence)]
    assert len(told) > 10
    assert {number.lstrip("-") for number in told} <= known


@every_run
def test_ids_are_unique_and_every_link_leads_to_one(run: str) -> None:
    read = told_by(run)
    assert len(read.ids) == len(set(read.ids))
    assert {link.removeprefix("#") for link in read.links} <= set(read.ids)
    assert all(link.startswith("#") for link in read.links)


@every_run
def test_it_has_no_script_and_names_nothing_outside(run: str) -> None:
    html, read = html_of(run), told_by(run)
    assert not {"script", "iframe", "img", "object", "embed"} & set(read.tags)
    assert "default-src 'none'" in html
    elsewhere = set(re.findall(r"(?:https?:)?//[\w.]+[^\s\"<]*", html))
    assert elsewhere <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_a_name_of_the_users_is_text_and_nothing_else() -> None:
    html = html_of("compared")
    assert "<b>" not in html
    assert "&lt;b&gt;coffee&lt;/b&gt; &amp; | tea.py" in html
    assert "<turn>" not in html_of("few")


def test_validity_comes_first_then_the_verdict_then_the_charts() -> None:
    html = html_of("compared")
    marks = ["VALID</span>", "<h1>", 'id="verdict"', *(f'id="figure-{f.chart}"' for f in FIGURES)]
    places = [html.index(mark) for mark in marks]
    assert places == sorted(places)


def test_an_invalid_run_says_so_before_all_else_and_why() -> None:
    html = page(RUNS["few"], {})
    assert html.index("INVALID</span>") < html.index("no &lt;turn&gt; finished in 3 s")
    assert html.index("no &lt;turn&gt; finished in 3 s") < html.index('id="verdict"')
    assert "✓" not in html
    assert "no reason was recorded" in page(RUNS["nothing"], {})


def test_a_card_a_mitigation_judged_by_its_own_interval() -> None:
    run = RUNS["compared"]
    primary = [e for e in run.effects if e.quantile == 0.5 and ":" not in e.factor]
    told = cards(run)
    assert [card.verdict.text for card in told] == [effect.verdict for effect in primary]
    assert {size.unit for card in told for size in card.sizes[:1]} == {"%"}  # as the tolerance
    in_ms = cards(structs.replace(run, tolerance=RUNS["few"].tolerance))
    assert {size.unit for card in in_ms for size in card.sizes[:1]} == {"ms"}


def test_a_verdict_is_a_word_and_a_shape_and_no_colour_alone() -> None:
    shapes = re.findall(r'<span class="shape" aria-hidden="true">(.)</span>(\w[\w ?]*)<', 
                        html_of("compared"))  # fmt: skip
    assert {"improved", "cannot tell", "cannot tell?", "unchanged"} <= {word for _, word in shapes}
    assert {shape for shape, word in shapes if word == "improved"} == {"▼"}
    assert {shape for shape, word in shapes if word == "cannot tell"} == {"?"}


def test_a_run_that_varied_nothing_has_no_verdict_and_says_so() -> None:
    run = structs.replace(RUNS["swept"], capacity=None)
    html = page(run, SVGS)
    assert "Nothing was compared: no mitigation was varied" in html
    assert 'class="card"' not in html


def test_providers_are_told_apart_by_their_fees() -> None:
    html = html_of("providers")
    assert "alipay-ai and wechat-ai meet at" in html or "only its minimum" in html
    assert 'class="card"' not in html


def test_a_sweep_tells_its_capacity_and_pools_nothing() -> None:
    html = html_of("swept")
    assert "sustains 12.5 turns/s within 3 s at p99; fails at 25" in html
    assert "Nothing was compared" not in html
    assert 'id="strata"' not in html


def test_too_few_rounds_are_unknown_and_no_number_is_made_up() -> None:
    read = told_by("few")
    assert [(e.lo_ms, e.hi_ms) for e in RUNS["few"].effects] == [(None, None)]
    bounds = [t for t in read.told if {"/effects/0/lo_ms", "/effects/0/percent_lo"} & {*t.run}]
    assert len(bounds) > 2
    assert all(t.text.split("[")[1].strip("]") in SAID_FOR_NULL for t in bounds)


def test_a_median_that_was_never_answered_says_so() -> None:
    read = told_by("failed")
    p50 = [told.text for told in read.told if told.run[0] == "/variants/0/quantiles/0/ms"]
    assert p50
    assert all(text.startswith("never") for text in p50)
    assert "Nothing can be said at p50" in html_of("failed")


def test_a_page_without_an_answer_at_the_primary_quantile_says_so_before_any_other() -> None:
    run = RUNS["compared"]
    others = [effect for effect in run.effects if effect.quantile != run.primary]
    first, second, *_ = sentences(structs.replace(run, effects=others))
    assert first.startswith("nothing can be said at p50")
    assert second.startswith("parallel confirmation saves ")


def test_a_chapter_with_nothing_to_tell_is_left_out() -> None:
    html = page(RUNS["nothing"], {})
    assert {id for id in CHAPTERS if f'id="{id}"' in html} == {
        "verdict", "validity", "again", "unmodelled",
    }  # fmt: skip


def test_an_unknown_chart_is_shown_all_the_same() -> None:
    assert 'id="figure-new_chart"' in page(RUNS["compared"], {"new_chart": SVG})


def test_a_chart_in_a_page_is_an_image_with_a_name_and_ids_of_its_own() -> None:
    drawn = inline(SVG, "chart-x", "A <title>", "What it shows & how")
    assert drawn.startswith("<svg")
    assert 'role="img"' in drawn
    assert '<title id="chart-x-title">A &lt;title&gt;</title>' in drawn
    assert '<desc id="chart-x-desc">What it shows &amp; how</desc>' in drawn
    assert 'id="chart-x-m1"' in drawn
    assert '"#chart-x-m1"' in drawn
    assert "url(#chart-x-c1)" in drawn
    for gone in ("figure_1", "metadata", "DOCTYPE", "<style", "<!--", 'width="403pt"'):
        assert gone not in drawn


def test_a_charts_colours_are_the_pages_and_its_texts_are_not_touched() -> None:
    drawn = inline(SVG, "chart-x", "t", "d")
    assert "fill: var(--ink); stroke: var(--vermilion)" in drawn
    assert "fill: #123456" in drawn
    assert "order #222222" in drawn
    html = html_of("compared")
    assert all(html.count(f"--{name}:") == 2 for name in PALETTE.values())  # light and dark


def test_a_chart_is_as_wide_as_it_was_drawn() -> None:
    assert width_of(SVG) == 403


def test_the_page_is_written_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("an older one")
    path = write_page(tmp_path, RUNS["few"], SVGS)
    assert path == tmp_path / "report.html"
    assert path.read_text("utf-8").endswith("</html>")
    assert list(tmp_path.iterdir()) == [path]
