"""A whole run from Locust's form to its stored report, in a real browser: nothing is a double."""

import json
from pathlib import Path
from typing import cast

import pytest

from tests.free_port import free_port
from tests.locust.processes import begun, fast_profiles, locust, until
from tests.locust.web_window import Web, Window, window

pytestmark = [pytest.mark.socket, pytest.mark.browser, pytest.mark.thorough]

FRAME = "document.querySelector('tollbench-tab iframe')?.contentDocument"
STRATEGY = "document.querySelector('[name=strategy]')"
SHORT = ("--set", "turns=2", "--set", "idle_share=0", "-u", "6", "-r", "12")
FILES = ["report.html", "run.json", "flows.parquet", "spans.parquet"]


def _text(browser: Window, selector: str) -> str:
    return cast(str, browser.ask(f"{FRAME}.querySelector('{selector}').textContent"))


def _cells(browser: Window, table: str, column: int) -> list[str]:
    of = f"Array.from({FRAME}.querySelectorAll('{table} tbody tr'))"
    told = browser.ask(f"JSON.stringify({of}.map(r => r.cells[{column}].textContent))")
    return cast(list[str], json.loads(cast(str, told)))


def test_a_run_is_started_watched_stopped_and_read_in_the_browser(tmp_path: Path) -> None:
    options = {**fast_profiles(tmp_path), "flow-rate": "5", "out": str(tmp_path / "results")}
    port = str(free_port())
    command = locust(options, *SHORT, "--processes", "2", "--slo", "p50<1ms")
    command.remove("--headless")
    command += ["--web-host", "127.0.0.1", "--web-port", port]
    served = Web(f"http://127.0.0.1:{port}")
    with window() as browser, begun(command) as process:
        until(process, b"Starting web interface")

        browser.visit(f"{served.url}/")
        browser.click("p", "Custom parameters")
        browser.until(f"{STRATEGY}.checkVisibility({{visibilityProperty: true}})")
        browser.type_into("strategy", "nonsense")
        browser.click("button", "START")
        browser.until("document.querySelector('[role=alert]')?.innerText.includes('nonsense')")
        assert json.loads(served.get("stats/requests")[1])["state"] == "ready"

        browser.type_into("strategy", "baseline vs prewarm")
        browser.click("button", "START")
        browser.click("[role=tab]", "TOLLBENCH")
        browser.until(f"{FRAME}?.querySelectorAll('#slos .badge.bad').length == 2")
        assert "VALID" in _text(browser, "#validity")
        assert _cells(browser, "#times", 1)[:2] == ["baseline", "prewarm"]
        assert [state[1:] for state in _cells(browser, "#workers", 1)] == ["running"] * 2

        browser.click("button", "STOP")
        browser.until(f"{FRAME}.getElementById('phase').textContent.startsWith('stored after')")
        (folder,) = (tmp_path / "results").glob("*-real-*")
        for name in FILES:
            assert served.get(f"tollbench/files/{name}") == (200, (folder / name).read_bytes())
        assert served.get("tollbench/report/")[1] == (folder / "report.html").read_bytes()

        # Whether a busy machine makes it INVALID or not: the page and the file say the same.
        run = json.loads((folder / "run.json").read_text())
        assert _text(browser, "#validity") == ("✓VALID" if run["valid"] else "✕INVALID")
        shown = [int(cell.replace(",", "")) for cell in _cells(browser, "#workers", 3)]
        assert sum(shown) == run["health"]["started"] > 0
        assert [slo["verdict"] for slo in run["slos"]] == ["missed"] * 2
