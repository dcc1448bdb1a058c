"""Runs of Locust with doubles of our processes, and what those heard; it tests nothing."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.locust.doubles.collector import LOG
from tests.locust.processes import DOUBLES, locust

TWO_WORKERS = ("--processes", "2")
RATE_EACH = 16.0


@dataclass
class Run:
    """What Locust printed, how it ended, and what the collector heard."""

    code: int
    text: str
    heard: list[dict[str, Any]]

    @property
    def turns(self) -> list[tuple[int, float, str]]:
        """Conversation, due time, worker."""
        told = [line for line in self.heard if line["type"] == "heard"]
        return sorted((n, due, line["worker"]) for line in told for n, due in line.get("turns", []))

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [line for line in self.heard if line["type"] == kind]


def command(out: Path, *more: str) -> list[str]:
    out.mkdir()
    return locust({"flow-rate": str(RATE_EACH), "out": str(out)}, *more, file=DOUBLES)


def heard(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / LOG).read_text().splitlines()]
