"""A headless Chromium that shows a page and tells what it did; it asserts nothing.

It is spoken to in its own protocol (DevTools) over a pair of pipes, a JSON message before each zero
byte, so that no port is opened and nothing but Chromium has to be installed.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")

Json = dict[str, object]

_WIRE = (
    "import os, sys; _, reads, writes, *command = sys.argv; "
    "os.dup2(int(reads), 3); os.dup2(int(writes), 4); os.execv(command[0], command)"
)
"""Chromium reads what it is told from descriptor 3 and answers on 4."""


def chromium() -> str | None:
    """Where the browser is, if it is installed."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One tab. `requests` and `complaints` gather what it asked for and what it complained of."""

    def __init__(self, command: str) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._home = TemporaryDirectory(ignore_cleanup_errors=True)
        reads, self._writes = os.pipe()
        self._reads, writes = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _WIRE, str(reads), str(writes), command, *self._options()],
            pass_fds=(reads, writes),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(reads)
        os.close(writes)
        self._rest, self._sent, self._session = b"", 0, ""
        tab = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
        self._session = cast(str, session)
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def _options(self) -> list[str]:
        return [
            "--headless",
            "--remote-debugging-pipe",
            f"--user-data-dir={self._home.name}",
            "--no-sandbox",  # which root in a container has no means for; it only opens our page
            "--no-first-run",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-extensions",
            "--force-color-profile=srgb",
            "--hide-scrollbars",
        ]

    def close(self) -> None:
        with suppress(EOFError, BrokenPipeError):
            self._session = ""
            self.call("Browser.close")
        os.close(self._writes)
        os.close(self._reads)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._home.cleanup()

    def call(self, method: str, **parameters: object) -> Json:
        """The answer to one command. Raises AssertionError when it is an error."""
        self._sent += 1
        message: Json = {"id": self._sent, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._writes, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._sent:
            self._hear(answer)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return cast(Json, answer["result"])

    def open(self, page: Path, width: int, height: int = 900, *, dark: bool = False) -> None:
        """Show a file at this width and wait until it has loaded."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.dress(dark=dark)
        self.call("Page.navigate", url=page.as_uri())
        while self._hear(self._read()) != "Page.loadEventFired":
            pass

    def dress(self, *, dark: bool = False, medium: str = "screen") -> None:
        """Light or dark, on a screen or on paper."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=medium, features=[scheme])

    def ask(self, expression: str) -> object:
        """What a JavaScript expression is, as JSON knows it."""
        told = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return cast(Mapping[str, object], told["result"]).get("value")

    def press(self, key: str) -> None:
        """A key by its name, down and up again: "Tab", "Enter"."""
        code = {"Tab": 9, "Enter": 13}[key]
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
                **text,
            )

    def picture(self, path: Path) -> None:
        """The whole page, from top to end, as PNG."""
        told = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(cast(str, told["data"])))

    def paper(self, path: Path) -> None:
        """The page as it prints, as PDF."""
        told = self.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        path.write_bytes(base64.b64decode(cast(str, told["data"])))

    def _hear(self, event: Json) -> str:
        """Note what is asked for and what goes wrong; returns the event's name."""
        name = cast(str, event.get("method", ""))
        about = cast(dict[str, dict[str, object]], event.get("params", {}))
        if name == "Network.requestWillBeSent":
            self.requests.append(cast(str, about["request"]["url"]))
        elif name == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
            self.complaints.append(cast(str, about["entry"]["text"]))
        elif name == "Runtime.consoleAPICalled":
            self.complaints.append(f"console: {about['args']}")
        elif name == "Runtime.exceptionThrown":
            self.complaints.append(f"exception: {about['exceptionDetails']}")
        return name

    def _read(self) -> Json:
        while b"\0" not in self._rest:
            more = os.read(self._reads, 1 << 20)
            if not more:
                raise EOFError("Chromium ended")
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        return cast(Json, json.loads(message))
