"""k6 as a load generator: a constant arrival rate, and its own percentiles from its summary."""

from pathlib import Path

import msgspec

from tests.benchmarks.peers.load import Load
from tests.benchmarks.peers.plan import Measured
from tests.benchmarks.peers.processes import GENERATOR, run
from tests.benchmarks.peers.sample import NoFigures, Sample
from tests.benchmarks.peers.tools import Tool

SCRIPT = Path(__file__).with_name("k6.js")
SEND, WHOLE = "http_req_duration", "with http_req_blocked"
_KEYS = {"med": "p50_ms", "p(90)": "p90_ms", "p(95)": "p95_ms", "p(99)": "p99_ms"}


class _Metric(msgspec.Struct):
    values: dict[str, float]


Metrics = dict[str, _Metric]


def added(tool: Tool, load: Load, folder: Path) -> Measured:
    metrics = _loaded(tool, load, 2 * load.rate, folder)
    sent = {"sent_per_s": metrics["iterations"].values["count"] / load.duration_s}
    return Measured(
        {
            SEND: trend(metrics, "added") | sent,
            WHOLE: trend(metrics, "added_whole") | sent,
        },
        dropped(metrics),
    )


def stalled(tool: Tool, load: Load, folder: Path) -> Measured:
    metrics = _loaded(tool, load, round(1.5 * load.rate), folder)
    sent = {"sent": metrics["iterations"].values["count"]}
    return Measured({"": trend(metrics, "http_req_duration") | sent}, dropped(metrics))


def parse(text: bytes) -> Metrics:
    return msgspec.json.decode(text, type=Metrics)


def trend(metrics: Metrics, name: str) -> Sample:
    if name not in metrics:
        raise NoFigures(f"its summary has no {name}")
    values = metrics[name].values
    return {key: values[theirs] for theirs, key in _KEYS.items() if theirs in values}


def dropped(metrics: Metrics) -> str:
    """k6 counts the arrivals that it had nobody for."""
    if "dropped_iterations" not in metrics:
        return ""
    return f"{metrics['dropped_iterations'].values['count']:.0f} iterations dropped"


def _loaded(tool: Tool, load: Load, users: int, folder: Path) -> Metrics:
    summary = folder / "summary.json"
    settings = {
        "URL": load.url,
        "RATE": f"{load.rate}",
        "DURATION_S": f"{load.duration_s:g}",
        "WARM_MS": f"{load.warm_s * 1e3:g}",
        "VUS": f"{users}",
        "SUMMARY": str(summary),
    }
    words = [word for name, text in settings.items() for word in ("--env", f"{name}={text}")]
    command = [tool.command, "run", "--quiet", "--no-usage-report", *words, str(SCRIPT)]
    done = run(command, GENERATOR, 2 * load.duration_s + 120, folder)
    if not summary.is_file():
        raise NoFigures(done.last_words)
    return parse(summary.read_bytes())
