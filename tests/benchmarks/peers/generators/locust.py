"""Locust as a load generator: its fast client, and enough users of a constant throughput each."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tests.benchmarks.peers.load import Load
from tests.benchmarks.peers.plan import Measured
from tests.benchmarks.peers.processes import GENERATOR, Done, run
from tests.benchmarks.peers.sample import NoFigures, Sample, quantiles
from tests.benchmarks.peers.tools import Tool

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
ADDED, STATS = "added.json", "run_stats.csv"

SPAWN_S = 2.0
"""All users are there after so many seconds; only then do the warm ones begin to count."""

STALLED_USERS = 10


TAIL_S = 2.0
"""Locust cuts off what is under way at its end; those that count are answered by then."""


class Added(msgspec.Struct):
    """What the locustfile writes."""

    sent: int
    added_ms: list[float]


def added(tool: Tool, load: Load, folder: Path) -> Measured:
    """Users who ask once in two seconds, as an answer takes about one; twice as many as requests a
    second, therefore."""
    window_s = load.duration_s - load.warm_s
    users = _Users(2 * load.rate, 0.5, SPAWN_S + load.warm_s, window_s, TAIL_S)
    done = _run(tool, load.url, users, folder)
    try:
        told = msgspec.json.decode((folder / ADDED).read_bytes(), type=Added)
    except OSError:
        raise NoFigures(done.last_words) from None
    p50, p99 = quantiles(told.added_ms, 0.5, 0.99)
    lost = told.sent - len(told.added_ms)
    sample = {"p50_ms": p50, "p99_ms": p99, "sent_per_s": told.sent / window_s}
    return Measured({"": sample}, f"{lost} of {told.sent} requests had no answer" if lost else "")


def stalled(tool: Tool, load: Load, folder: Path) -> Measured:
    """Its own percentiles, rounded as it rounds them."""
    users = _Users(STALLED_USERS, load.rate / STALLED_USERS, 0.0, load.duration_s, 0.0)
    done = _run(tool, load.url, users, folder)
    try:
        return Measured({"": parse((folder / STATS).read_text("utf-8"))})
    except OSError:
        raise NoFigures(done.last_words) from None


def parse(text: str) -> Sample:
    """The line of all requests together in the statistics that --csv writes."""
    for line in csv.DictReader(io.StringIO(text)):
        if line["Name"] == "Aggregated" and line["50%"] != "N/A":
            found = {f"p{p}_ms": float(line[f"{p}%"]) for p in (50, 90, 95, 99)}
            return found | {"sent": float(line["Request Count"])}
    raise NoFigures("its statistics have no line of all requests")


@dataclass(frozen=True, slots=True)
class _Users:
    """How many, how often each, and which of their requests count; seconds from the start."""

    number: int
    each_per_s: float
    warm_s: float
    window_s: float
    tail_s: float


def _run(tool: Tool, url: str, users: _Users, folder: Path) -> Done:
    whole_s = users.warm_s + users.window_s + users.tail_s
    # All at once where nobody waits for them to be there.
    spawned_per_s = users.number / (SPAWN_S if users.warm_s else 1.0)
    command = [
        tool.command, "--locustfile", str(LOCUSTFILE), "--headless", "--only-summary",
        "--users", f"{users.number}", "--spawn-rate", f"{spawned_per_s:g}",
        "--run-time", f"{whole_s:g}s", "--host", url.rstrip("/"),
        "--csv", str(folder / "run"), "--loglevel", "WARNING",
    ]  # fmt: skip
    env = {
        "EACH_PER_S": f"{users.each_per_s:g}",
        "WARM_S": f"{users.warm_s:g}",
        "WINDOW_S": f"{users.window_s:g}",
        "ADDED": str(folder / ADDED),
    }
    return run(command, GENERATOR, 2 * whole_s + 60, folder, env)
