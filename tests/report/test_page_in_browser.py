"""The page in a real headless Chromium: what it asks for, shows, hides, and lets a keyboard reach.

One browser is started for all of it. Where there is none the tests are skipped, but not in CI.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, cast

import pytest

from harness.record import RunSummary, columns_of
from harness.report.charts import charts_of, svg_of
from harness.report.page import write_page
from tests.report.browser import Browser, chromium
from tests.report.sample import sample_run
from tests.report.told import Told, as_json, mistakes
from tests.report.whole import RUNS, filled

pytestmark = pytest.mark.browser

WIDTHS = (1280, 390)
MOUNTED = "Array.from(document.querySelectorAll('figure .chart'))"
FOCUSABLE = "a[href], summary, [tabindex='0']"
SMALLEST_PX = 6.4
"""Of a chart's text on a phone, whose pixels are a third of these."""
CONTRAST = 4.5
"""The least of text to its ground, WCAG 2.2, 1.4.3."""


class Shown(NamedTuple):
    browser: Browser
    page: Path
    run: RunSummary
    charts: list[str]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """A whole page with every chart of its run."""
    command = chromium()
    if command is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI has no Chromium: .ci/run installs it")
        pytest.skip("no Chromium is installed: the page is looked at by nobody")
    sample, rows = sample_run(rounds=8, turns=60)
    run, columns = filled(sample), columns_of(rows)
    svgs = {name: svg_of(name, run, columns) for name in charts_of(run)}
    page = write_page(tmp_path_factory.mktemp("page"), run, svgs)
    browser = Browser(command)
    yield Shown(browser, page, run, list(svgs))
    browser.close()


def _texts(browser: Browser, expression: str) -> list[str]:
    return cast(list[str], json.loads(cast(str, browser.ask(f"JSON.stringify({expression})"))))


@pytest.mark.parametrize("width", WIDTHS)
def test_it_asks_for_nothing_but_itself_and_complains_of_nothing(shown: Shown, width: int) -> None:
    browser = shown.browser
    browser.requests.clear()
    browser.complaints.clear()
    browser.open(shown.page, width)
    outside = [url for url in browser.requests if not url.startswith("data:")]
    assert outside == [shown.page.as_uri()]
    assert browser.complaints == []


@pytest.mark.parametrize("name", RUNS)
def test_no_kind_of_run_makes_it_complain(shown: Shown, name: str, tmp_path: Path) -> None:
    page = write_page(tmp_path, RUNS[name], {})
    shown.browser.complaints.clear()
    shown.browser.open(page, 390)
    assert shown.browser.complaints == []
    assert shown.browser.ask("document.documentElement.scrollWidth") == 390


def test_its_numbers_are_those_of_run_json(shown: Shown) -> None:
    shown.browser.open(shown.page, 1280)
    text, run, times = (
        _texts(shown.browser, f"Array.from(document.querySelectorAll('[data-run]')).map(e => {of})")
        for of in ("e.textContent", "e.dataset.run", "e.dataset.times || '1'")
    )
    cells = [
        Told(told, tuple(places.split()), float(factor))
        for told, places, factor in zip(text, run, times, strict=True)
    ]
    assert len(cells) > 500
    assert mistakes(cells, as_json(shown.run)) == []


@pytest.mark.parametrize("width", WIDTHS)
def test_every_chart_is_there_named_and_large_enough_to_see(shown: Shown, width: int) -> None:
    shown.browser.open(shown.page, width)
    seen = _texts(shown.browser, f"{MOUNTED}.map(e => e.closest('figure').id)")
    assert sorted(seen) == sorted(f"figure-{name}" for name in shown.charts)
    assert len(seen) >= 9
    small = _texts(
        shown.browser,
        f"{MOUNTED}.filter(e => {{ const b = e.getBoundingClientRect();"
        " return b.width < 280 || b.height < 100 || !e.checkVisibility()"
        " || !e.querySelector('title').textContent || !e.querySelector('desc').textContent"
        " || e.getAttribute('role') !== 'img' }).map(e => e.closest('figure').id)",
    )
    assert small == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("opened", [False, True])
def test_nothing_sticks_out_of_the_page(shown: Shown, width: int, opened: bool) -> None:
    shown.browser.open(shown.page, width)
    if opened:
        shown.browser.ask("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert shown.browser.ask("document.documentElement.scrollWidth") == width
    outside = _texts(
        shown.browser,
        "Array.from(document.body.querySelectorAll('*')).filter(e => !e.closest('.scroll')"
        " && !e.closest('svg') && !e.matches('.skip')"
        " && e.getBoundingClientRect().right > innerWidth + 0.5)"
        ".map(e => e.outerHTML.slice(0, 80))",
    )
    assert outside == []


@pytest.mark.parametrize("width", WIDTHS)
def test_charts_stand_side_by_side_where_there_is_room(shown: Shown, width: int) -> None:
    shown.browser.open(shown.page, width)
    sides = shown.browser.ask(
        f"new Set({MOUNTED}.map(e => Math.round(e.getBoundingClientRect().left / 40))).size"
    )
    assert (sides == 2) == (width == 1280)


def test_the_text_of_charts_can_be_read_on_a_phone(shown: Shown) -> None:
    shown.browser.open(shown.page, 390)
    least = shown.browser.ask(
        f"Math.min(...{MOUNTED}.flatMap(e => Array.from(e.querySelectorAll('text'))).map(t => {{"
        " const { c, d } = t.getScreenCTM();"
        " return parseFloat(getComputedStyle(t).fontSize) * Math.hypot(c, d) }))"
    )
    assert cast(float, least) >= SMALLEST_PX


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_stands_out_from_its_ground(shown: Shown, dark: bool) -> None:
    shown.browser.open(shown.page, 1280, dark=dark)
    shown.browser.ask("document.querySelectorAll('details').forEach(d => d.open = true)")
    faint = _texts(shown.browser, _FAINT.replace("LEAST", str(CONTRAST)))
    assert faint == []


def test_light_and_dark_differ_in_the_page_and_in_its_charts(shown: Shown) -> None:
    grounds, inks = set(), set()
    for dark in (False, True):
        shown.browser.open(shown.page, 1280, dark=dark)
        grounds.add(shown.browser.ask("getComputedStyle(document.body).backgroundColor"))
        inks.add(shown.browser.ask(f"getComputedStyle({MOUNTED}[0].querySelector('text')).fill"))
    assert (len(grounds), len(inks)) == (2, 2)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_tab_key_reaches_everything_in_order_and_shows_where_it_is(
    shown: Shown, width: int
) -> None:
    browser = shown.browser
    browser.open(shown.page, width)
    browser.call("Emulation.setFocusEmulationEnabled", enabled=True)
    browser.ask(
        f"window.all = Array.from(document.querySelectorAll({json.dumps(FOCUSABLE)}))"
        ".filter(e => e.checkVisibility({contentVisibilityAuto: true})); null"
    )
    count = cast(int, browser.ask("all.length"))
    reached = []
    for _ in range(count):
        browser.press("Tab")
        reached.append(
            browser.ask(
                "(() => { const e = document.activeElement, s = getComputedStyle(e);"
                " const ring = s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2;"
                " return ring ? all.indexOf(e) : 'no ring: ' + e.outerHTML.slice(0, 80) })()"
            )
        )
    assert count > 25
    assert reached == list(range(count))


def test_the_enter_key_opens_the_numbers_of_a_chart(shown: Shown) -> None:
    browser = shown.browser
    browser.open(shown.page, 1280)
    browser.ask("document.querySelector('figure summary').focus()")
    browser.press("Enter")
    assert browser.ask("document.querySelector('figure details').open") is True
    assert browser.ask("document.querySelector('figure table').checkVisibility()") is True


def test_what_scrolls_can_be_scrolled_with_a_keyboard_and_has_a_name(shown: Shown) -> None:
    shown.browser.open(shown.page, 390)
    shown.browser.ask("document.querySelectorAll('details').forEach(d => d.open = true)")
    unnamed = _texts(
        shown.browser,
        "Array.from(document.querySelectorAll('*')).filter(e => e.scrollWidth > e.clientWidth + 1"
        " && ['auto', 'scroll'].includes(getComputedStyle(e).overflowX)"
        " && !(e.tabIndex === 0 && e.getAttribute('role') === 'region'"
        " && e.getAttribute('aria-label'))).map(e => e.outerHTML.slice(0, 80))",
    )
    assert unnamed == []


def test_on_paper_nothing_is_folded_and_all_is_light(shown: Shown, tmp_path: Path) -> None:
    browser = shown.browser
    browser.open(shown.page, 720, dark=True)  # as wide as A4 within its margins
    browser.dress(dark=True, medium="print")
    hidden = _texts(
        browser,
        "Array.from(document.querySelectorAll('table')).filter(e => !e.checkVisibility()"
        " || e.getBoundingClientRect().height < 20).map(e => e.caption.textContent)",
    )
    assert hidden == []
    assert browser.ask("document.documentElement.scrollWidth") == 720
    assert browser.ask("document.querySelector('nav').checkVisibility()") is False
    assert browser.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    browser.paper(tmp_path / "page.pdf")
    printed = (tmp_path / "page.pdf").read_bytes()
    assert printed.startswith(b"%PDF")
    assert len(printed) > 50_000


def test_a_picture_of_it_can_be_taken(shown: Shown, tmp_path: Path) -> None:
    shown.browser.open(shown.page, 390, dark=True)
    picture = tmp_path / "page.png"
    shown.browser.picture(picture)
    assert len(picture.read_bytes()) > 100_000


_FAINT = """
(() => {
  const parse = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = c => {
    const [r, g, b] = c.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = e => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  const texts = Array.from(document.body.querySelectorAll('*')).filter(e => e.checkVisibility()
    && !e.matches('title, desc, style, .skip')
    && Array.from(e.childNodes).some(n => n.nodeType === 3 && n.data.trim()));
  return texts.filter(e => {
    const style = getComputedStyle(e), ink = parse(e.closest('svg') ? style.fill : style.color);
    const [a, b] = [light(ink), light(ground(e))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05) < LEAST;
  }).map(e => (e.closest('svg') ? 'chart ' : '') + e.textContent.slice(0, 40) + ' '
    + getComputedStyle(e)[e.closest('svg') ? 'fill' : 'color']);
})()
"""
