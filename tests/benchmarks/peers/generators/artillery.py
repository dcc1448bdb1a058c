"""Artillery as a load generator: users that arrive at a rate, each with one request."""

from pathlib import Path

import msgspec

from tests.benchmarks.peers.load import Load
from tests.benchmarks.peers.plan import Measured
from tests.benchmarks.peers.processes import GENERATOR, run
from tests.benchmarks.peers.sample import NoFigures, Sample
from tests.benchmarks.peers.tools import Tool


class _Summary(msgspec.Struct):
    p50: float
    p90: float
    p95: float
    p99: float


class _Aggregate(msgspec.Struct):
    counters: dict[str, float]
    summaries: dict[str, _Summary]


class _Report(msgspec.Struct):
    aggregate: _Aggregate


def stalled(tool: Tool, load: Load, folder: Path) -> Measured:
    script, report = folder / "script.json", folder / "report.json"
    script.write_bytes(msgspec.json.encode(_script(load)))
    command = [tool.command, "run", "--quiet", "--output", str(report), str(script)]
    done = run(command, GENERATOR, load.duration_s + 120, folder)
    if not report.is_file():
        raise NoFigures(done.last_words)
    return Measured({"": parse(report.read_bytes())})


def parse(text: bytes) -> Sample:
    told = msgspec.json.decode(text, type=_Report).aggregate
    times = told.summaries.get("http.response_time")
    if times is None:
        raise NoFigures("its report has no http.response_time")
    found = {"p50_ms": times.p50, "p90_ms": times.p90, "p95_ms": times.p95, "p99_ms": times.p99}
    return found | {"sent": told.counters["http.requests"]}


def _script(load: Load) -> object:
    """Its scripts are YAML, of which JSON is a part."""
    return {
        "config": {
            "target": load.url.rstrip("/"),
            "phases": [{"duration": load.duration_s, "arrivalRate": load.rate}],
            "http": {"timeout": 30},
        },
        "scenarios": [{"flow": [{"get": {"url": "/"}}]}],
    }
