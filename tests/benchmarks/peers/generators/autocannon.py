"""autocannon as a load generator: an overall rate over ten connections, its correction on, as it
is unless told otherwise."""

from pathlib import Path

import msgspec

from tests.benchmarks.peers.load import Load
from tests.benchmarks.peers.plan import Measured
from tests.benchmarks.peers.processes import GENERATOR, run
from tests.benchmarks.peers.sample import NoFigures, Sample
from tests.benchmarks.peers.tools import Tool

CONNECTIONS = 10


class _Latency(msgspec.Struct):
    p50: float
    p90: float
    p99: float


class _Requests(msgspec.Struct):
    total: float


class _Report(msgspec.Struct):
    latency: _Latency
    requests: _Requests


def stalled(tool: Tool, load: Load, folder: Path) -> Measured:
    command = [
        tool.command, "--overallRate", f"{load.rate}", "--connections", f"{CONNECTIONS}",
        "--duration", f"{load.duration_s:g}", "--json", load.url,
    ]  # fmt: skip
    return Measured({"": parse(run(command, GENERATOR, load.duration_s + 60, folder).out)})


def parse(text: str) -> Sample:
    """It tells p97.5 and no p95."""
    try:
        told = msgspec.json.decode(text, type=_Report)
    except msgspec.DecodeError as error:
        raise NoFigures(f"its report cannot be read: {error}") from None
    latency = told.latency
    found = {"p50_ms": latency.p50, "p90_ms": latency.p90, "p99_ms": latency.p99}
    return found | {"sent": told.requests.total}
