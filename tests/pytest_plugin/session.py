"""A pytest session of a user's, in a folder of its own; it asserts nothing."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

# What is loaded within an inner session is unloaded after it: not these, which take half a second.

NOT_OURS = ("cacheprovider", "anyio", "hypothesispytest", "respx", "schemathesis")
"""Plugins that have no part in this and take time to load."""

SMALL = "turns=20, rounds=5"
"""Keywords of a flow that takes a twentieth of a second."""

SHOP = """
import httpx

PACK_S = 0.1

async def ask():
    async with httpx.AsyncClient() as client:
        answer = await client.post(
            "https://api.openai.com/v1/chat/completions",
            headers={"authorization": "Bearer sk-of-the-user"},
            json={"model": "gpt-4o", "messages": [{"role": "user", "content": "12 yuan to bob"}]},
        )
        answer.raise_for_status()

async def buy(turn):
    with turn.stage("intent"):
        await ask()
    with turn.stage("pack"):
        await turn.sleep(PACK_S)
"""
"""A user's own module: a call, and a step that can be slowed."""


@dataclass(frozen=True)
class User:
    """Whose project it is."""

    pytester: pytest.Pytester

    @property
    def folder(self) -> Path:
        return self.pytester.path

    def write(self, **files: str) -> None:
        """Python files by their names."""
        self.pytester.makepyfile(**files)

    def run(self, *options: str, apart: bool = False) -> pytest.RunResult:
        """All tests, each warning an error; `apart` is a process of its own."""
        run = self.pytester.runpytest_subprocess if apart else self.pytester.runpytest_inprocess
        return run("-W", "error", *(f"-pno:{name}" for name in NOT_OURS), *options)

    def told(self, folder: str) -> list[dict[str, object]]:
        """The tests in latency.json."""
        found = json.loads((self.folder / folder / "latency.json").read_bytes())
        return cast(list[dict[str, object]], found["tests"])


def errors(result: pytest.RunResult) -> Sequence[str]:
    """The lines of what failed."""
    return [line.removeprefix("E ").strip() for line in result.outlines if line.startswith("E ")]
