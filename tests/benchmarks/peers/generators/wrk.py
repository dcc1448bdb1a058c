"""wrk as a load generator: ten connections as fast as they are answered, as it has no rate."""

import re
from pathlib import Path

from tests.benchmarks.peers.load import Load
from tests.benchmarks.peers.plan import Measured
from tests.benchmarks.peers.processes import GENERATOR, run
from tests.benchmarks.peers.sample import NoFigures, Sample
from tests.benchmarks.peers.tools import Tool

CONNECTIONS = 10
_UNIT_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3}
_PERCENTILE = re.compile(r"^ +(50|90|99)% +([0-9.]+)(us|ms|s)$", re.MULTILINE)
_ANSWERED = re.compile(r"^ +([0-9]+) requests in ", re.MULTILINE)


def stalled(tool: Tool, load: Load, folder: Path) -> Measured:
    command = [tool.command, "-t1", f"-c{CONNECTIONS}", f"-d{load.duration_s:g}s", "--latency"]
    done = run([*command, load.url], GENERATOR, load.duration_s + 60, folder)
    return Measured({"": parse(done.out)})


def parse(text: str) -> Sample:
    found = {f"p{p}_ms": float(n) * _UNIT_MS[unit] for p, n, unit in _PERCENTILE.findall(text)}
    answered = _ANSWERED.search(text)
    if not found or not answered:
        raise NoFigures("its report has no percentiles")
    return found | {"sent": float(answered[1])}
