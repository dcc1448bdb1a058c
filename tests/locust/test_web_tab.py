"""The tab in a real headless Chromium, inside Locust's interface and in a window of its own.

One Locust and one browser serve all of it. Where there is no browser the tests are skipped, but not
in CI.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, cast

import msgspec
import pytest

from tests.locust.sample_snapshot import LONG, NOWHERE, REFUSAL, one_lost, so_far
from tests.locust.web_window import Double, Window, double, window

pytestmark = [pytest.mark.socket, pytest.mark.browser]

FRAME = "document.querySelector('tollbench-tab iframe')"
INSIDE = f"{FRAME}?.contentDocument"
PHASE = "document.getElementById('phase')?.innerText"
TOPS = (
    "JSON.stringify(Array.from(document.querySelectorAll('h2, svg.chart, table'))"
    ".map(e => e.getBoundingClientRect().top))"
)
NONE = "\N{EN DASH}"


class Shown(NamedTuple):
    window: Window
    served: Double

    def alone(self, width: int = 1280, *, dark: bool = False) -> None:
        """The page in a window of its own, once it has been answered."""
        self.window.visit(f"{self.served.url}/tollbench/", width, dark=dark)
        self.window.until("document.getElementById('validity').innerText")


@pytest.fixture(scope="module")
def shown() -> Iterator[Shown]:
    with window() as browser, double("/load") as served:
        yield Shown(browser, served)


def _texts(browser: Window, expression: str) -> list[str]:
    return cast(list[str], json.loads(cast(str, browser.ask(f"JSON.stringify({expression})"))))


def _rows(browser: Window, table: str) -> list[str]:
    """Each as its cells, with a stroke between them."""
    cells = "Array.from(r.cells).map(c => c.textContent).join('|')"
    return _texts(
        browser, f"Array.from(document.querySelectorAll('{table} tbody tr')).map(r => {cells})"
    )


def test_a_form_that_cannot_be_used_is_refused_where_it_was_filled_in(shown: Shown) -> None:
    browser = shown.window
    browser.visit(f"{shown.served.url}/")
    browser.until("document.querySelector('[name=host]')")
    browser.type_into("host", NOWHERE)
    browser.click("button", "START")
    alert = "Array.from(document.querySelectorAll('[role=alert]')).map(e => e.innerText)"
    browser.until(f"{alert}.some(text => text.includes('nonsense'))")
    (told,) = _texts(browser, alert)
    assert told.splitlines() == REFUSAL
    assert browser.ask("document.querySelector('tollbench-tab')") is None


@pytest.mark.thorough
def test_the_tab_is_one_of_locusts_own_and_moves_with_the_run(shown: Shown, tmp_path: Path) -> None:
    browser, served = shown
    served.move(so_far(60))
    assert served.post("swarm", user_count="1", spawn_rate="1")["success"]
    # A page that is asked for sooner shows the form, and keeps it.
    while b'"state": "running"' not in served.get("stats/requests")[1]:
        time.sleep(0.01)
    browser.visit(f"{served.url}/")
    browser.click("[role=tab]", "TOLLBENCH")
    browser.until(f"{INSIDE}?.getElementById('phase')?.innerText == 'running, 60 s'")
    assert browser.ask(f"{INSIDE}.getElementById('validity').textContent") == "✓VALID so far"
    assert browser.ask("location.search") == "?tab=tollbench"

    (tmp_path / "run.json").write_text("{}")
    served.move(one_lost(61), folder=str(tmp_path), stored=True)
    browser.until(f"{INSIDE}.getElementById('phase').innerText == 'stored after 61 s'")
    text = cast(str, browser.ask(f"{INSIDE}.body.textContent"))
    assert "INVALID" in text
    assert "✕missed" in text
    assert f"worker {LONG} was lost after 41 s" in text
    links = _texts(browser, f"Array.from({INSIDE}.querySelectorAll('#files a')).map(a => a.href)")
    assert links == [f"{served.url}/tollbench/files/run.json"]
    told = "getComputedStyle(document.querySelector('[role=tab]:last-of-type > *'), '::after')"
    browser.until(f"{told}.content.includes('INVALID')")
    # As high as what is in it, so that nothing scrolls within what scrolls.
    assert browser.ask(f"{INSIDE}.documentElement.scrollHeight <= {FRAME}.clientHeight") is True
    served.post("stop")


def test_it_shows_each_state_by_words_and_each_figure_as_the_report_does(shown: Shown) -> None:
    browser, served = shown
    served.move(one_lost(60))
    shown.alone()
    assert _rows(browser, "#slos") == [
        "p95<4s|baseline|✓met|3,204 ms|4,210",
        "intent p99<900ms|baseline|✕missed|2,311 ms|4,210",
        "errors<1%|baseline|?cannot tell|0.93%|4,210",
    ]
    assert _rows(browser, "#workers") == [
        "w_0|●running|4,200|4,200|4,185|0|15|0|",
        f"{LONG}|✕lost|4,200|4,200|4,185|0|0|15|its engine ended with signal 9",
    ]
    assert _rows(browser, "#failures") == [
        "pay|status 503|120",
        "pay|no answer within 10 s|7",
        f"intent|could not connect to {LONG}:443|31",
    ]
    first, second, *_ = _rows(browser, "#times")
    assert first == "turn|baseline|4,200|0|2,751|3,767|4,287|5,559|8,012"
    assert second.startswith("turn|prewarm")


def test_a_percentile_among_turns_never_answered_says_so(shown: Shown) -> None:
    run = so_far(60, strategies=("baseline",))
    first = msgspec.structs.replace(
        run.rows[0],
        failed=400,
        p95_ms=None,
        p99_ms=None,
        max_ms=None,
        curve=[(p, ms if p < 90 else None) for p, ms in run.rows[0].curve],
    )
    none = msgspec.structs.replace(
        first, stage="session", count=0, failed=0, p50_ms=None, p90_ms=None
    )
    shown.served.move(msgspec.structs.replace(run, rows=[first, none]))
    shown.alone()
    assert _rows(shown.window, "#times") == [
        "turn|baseline|4,200|400|2,751|3,767|never|never|never",
        f"session|baseline|0|0|{NONE}|{NONE}|{NONE}|{NONE}|{NONE}",
    ]
    way = cast(str, shown.window.ask("document.querySelector('#curves .curve').getAttribute('d')"))
    assert way.count("L") + 1 == sum(ms is not None for _, ms in first.curve)
    assert "NaN" not in way


def test_why_a_test_did_not_start_is_there_to_read(shown: Shown) -> None:
    shown.served.move(problems=["no mocks answer", "w_1: the app did not boot"])
    shown.alone()
    assert shown.window.ask("document.getElementById('validity').textContent") == "✕NOT STARTED"
    told = _texts(shown.window, "document.getElementById('problems').innerText.split('\\n')")
    assert [line for line in told if line][1:] == ["no mocks answer", "w_1: the app did not boot"]


def test_an_update_leaves_everything_where_it_is(shown: Shown) -> None:
    browser, served = shown
    served.move(so_far(60))
    shown.alone()
    before = browser.ask(TOPS)
    browser.ask(
        "window.row = document.querySelector('#times tbody').rows[3]; const s = shown;"
        " s.value = 'strategy:baseline'; s.focus(); s.dispatchEvent(new Event('change'))"
    )
    served.move(so_far(599))
    browser.until(f"{PHASE} == 'running, 599 s'")
    assert browser.ask(TOPS) == before
    assert browser.ask("row.isConnected && row.cells[2].innerText") == "41,930"
    assert browser.ask("document.activeElement.value") == "strategy:baseline"
    legend = "Array.from(document.querySelectorAll('#curves-legend li')).map(e => e.innerText)"
    assert _texts(browser, legend) == ["turn", "intent", "session", "pay", "confirm"]


@pytest.mark.parametrize(
    ("width", "dark"),
    [(1280, False), (800, True), (390, False)],
    ids=["wide", "narrow and dark", "phone"],
)
def test_nothing_sticks_out_and_nothing_is_complained_of(
    shown: Shown, width: int, dark: bool
) -> None:
    browser, served = shown
    browser.requests.clear()
    browser.complaints.clear()
    served.move(one_lost())
    shown.alone(width, dark=dark)
    assert browser.complaints == []
    assert {url.startswith((served.url, "data:")) for url in browser.requests} == {True}
    assert browser.ask("document.documentElement.scrollWidth") == width
    assert browser.ask("document.documentElement.dataset.theme") == ("dark" if dark else "light")


def test_everything_has_a_name_for_those_who_do_not_see_it(shown: Shown) -> None:
    shown.served.move(one_lost())
    shown.alone()
    unnamed = _texts(
        shown.window,
        "Array.from(document.querySelectorAll('svg[role=img]')).filter(e =>"
        " !e.querySelector('title').textContent || !e.querySelector('desc').textContent)"
        ".concat(Array.from(document.querySelectorAll('table')).filter(t => !t.caption ||"
        " Array.from(t.tHead.rows[0].cells).some(c => c.scope != 'col' || !c.innerText) ||"
        " Array.from(t.tBodies[0].rows).some(r => r.cells[0].scope != 'row')))"
        ".concat(Array.from(document.querySelectorAll('select')).filter(s => !s.labels.length))"
        ".map(e => e.outerHTML.slice(0, 80))",
    )
    assert unnamed == []


@pytest.mark.thorough
def test_it_follows_locusts_switch_between_light_and_dark(shown: Shown) -> None:
    browser, served = shown
    served.move(so_far())
    served.post("swarm", user_count="1", spawn_rate="1")
    browser.visit(f"{served.url}/?tab=tollbench")
    browser.until(f"{INSIDE}?.documentElement?.dataset.theme == 'light'")
    browser.ask(f"window.frame = {FRAME}; null")
    browser.ask("Array.from(document.querySelectorAll('header button')).at(-1).click()")
    browser.until(f"{INSIDE}.documentElement.dataset.theme == 'dark'")
    assert browser.ask(f"frame === {FRAME}") is True  # Locust drew its page anew around it
    browser.ask("localStorage.removeItem('theme')")
    served.post("stop")


@pytest.mark.thorough
def test_a_locust_that_answers_no_more_is_told_and_the_figures_stay() -> None:
    with window() as browser, double() as served:
        served.move(so_far())
        browser.visit(f"{served.url}/tollbench/")
        browser.until(f"{PHASE} == 'running, 60 s'")
        served.end()
        browser.until(f"{PHASE}.startsWith('no answer from Locust for ')")
        assert len(_rows(browser, "#times")) == 10
