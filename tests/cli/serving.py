"""`tollbench mocks serve` in a process of its own, and a client of it; it asserts nothing but that
the server began."""

import contextlib
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec

from tests.cli.command import COMMAND, environment, hear_interrupts

PATIENCE_S = 30.0
CHAT = {"model": "quick", "messages": [{"role": "user", "content": "Hello?"}]}
_FROM = 'provenance = "assumed"\nsource = "tests"\ndate = 2026-01-01\n'
QUICK = f"""provider = "openai"
[latency]
ttft_p50_ms = 50.0
ttft_p99_ms = 150.0
tokens_per_s = 1000.0
{_FROM}"""
"""A model whose answers take a tenth of a second."""


@dataclass
class Serving:
    """A server that runs, and what it said when it began."""

    process: subprocess.Popen[str]
    told: dict[str, Any]
    err: str = ""
    client: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False, timeout=30))

    def get(self, path: str) -> httpx.Response:
        return self.client.get(self.told["base_url"] + path)

    def chat(self) -> httpx.Response:
        provider = self.told["providers"]["openai"]
        headers = {"authorization": f"Bearer {provider['key']}"}
        return httpx.post(
            provider["url"] + "/chat/completions", json=CHAT, headers=headers, timeout=PATIENCE_S,
            trust_env=False,
        )  # fmt: skip

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        _, self.err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode


@contextlib.contextmanager
def serving(
    cwd: Path, *args: str, command: Sequence[str] = COMMAND, profile: str = QUICK
) -> Iterator[Serving]:
    (cwd / "quick.toml").write_text(profile)
    with subprocess.Popen(
        [*command, "mocks", "serve", "--port", "0", "--json", "--profile", "quick.toml", *args],
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_interrupts,
    ) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert line, process.stderr and process.stderr.read()
            run = Serving(process, msgspec.json.decode(line))
            with run.client:
                yield run
        finally:
            process.kill()
