"""A Locust that serves its web interface and a Chromium to look at it; neither outlives a test."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import msgspec
import pytest

from harness.load.live_figures import Snapshot
from tests.locust.processes import LIMIT_S, ROOT
from tests.report.browser import Browser, chromium

DOUBLE = [sys.executable, "-m", "tests.locust.web_double"]


class Web:
    """A Locust's address: what it answers."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, data: bytes | None = None) -> tuple[int, bytes]:
        """Status and body; with data, of a POST."""
        try:
            with urllib.request.urlopen(f"{self.url}/{path}", data, LIMIT_S) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def post(self, path: str, **form: str) -> dict[str, object]:
        """What a form is answered."""
        _, body = self.get(path, urllib.parse.urlencode(form).encode())
        return cast(dict[str, object], json.loads(body))


class Double(Web):
    """Of which nothing is real but Locust's interface and the tab."""

    def __init__(self, process: "subprocess.Popen[str]", url: str) -> None:
        super().__init__(url)
        self._process = process

    def move(
        self,
        snapshot: Snapshot | None = None,
        folder: str = "",
        problems: Sequence[str] = (),
        stored: bool = False,
    ) -> None:
        """Returns when the board has it."""
        told = msgspec.json.encode(snapshot).decode() if snapshot else ""
        move = {"snapshot": told, "folder": folder, "problems": list(problems), "stored": stored}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(move), file=self._process.stdin, flush=True)
        assert self._process.stdout.readline() == "\n"

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def double(base: str = "", *more: str) -> Iterator[Double]:
    pipe = subprocess.PIPE
    command = [*DOUBLE, base, *more]
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        found = Double(process, f"http://127.0.0.1:{process.stdout.readline().strip()}{base}")
        try:
            yield found
        finally:
            found.end()


class Window(Browser):
    """A browser that shows what has an address."""

    def visit(self, url: str, width: int = 1280, height: int = 900, *, dark: bool = False) -> None:
        """Returns when it is loaded; what its scripts do comes later."""
        size = {"width": width, "height": height}
        self.call("Emulation.setDeviceMetricsOverride", **size, deviceScaleFactor=1, mobile=False)
        self.dress(dark=dark)
        self.call("Page.navigate", url=url)
        while self._hear(self._read()) != "Page.loadEventFired":
            pass

    def until(self, expression: str) -> None:
        """Until this is so."""
        limit = time.monotonic() + LIMIT_S / 4
        while not self.ask(f"!!({expression})"):
            assert time.monotonic() < limit, f"never: {expression}\n{self.ask(_TEXT)}"
            time.sleep(0.02)

    def type_into(self, name: str, text: str) -> None:
        """Into a field of Locust's form, so that its interface notices."""
        self.ask(f"document.querySelector('[name={name}]').select()")
        self.call("Input.insertText", text=text)

    def click(self, tag: str, text: str) -> None:
        """The first such element with this text, once it is there."""
        found = f"Array.from(document.querySelectorAll('{tag}')).find(e => e.innerText == '{text}')"
        self.until(found)
        self.ask(f"{found}.click()")


@contextmanager
def window() -> Iterator[Window]:
    """Skips the test where there is no browser, but not in CI."""
    command = chromium()
    if command is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI has no Chromium: .ci/run installs it")
        pytest.skip("no Chromium is installed: the tab is looked at by nobody")
    browser = Window(command)
    try:
        yield browser
    finally:
        browser.close()


_TEXT = "document.body.innerText"
