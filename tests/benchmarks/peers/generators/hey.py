"""hey as a load generator: ten workers that each keep a tenth of the rate."""

import re
from pathlib import Path

from tests.benchmarks.peers.load import Load
from tests.benchmarks.peers.plan import Measured
from tests.benchmarks.peers.processes import GENERATOR, run
from tests.benchmarks.peers.sample import NoFigures, Sample
from tests.benchmarks.peers.tools import Tool

WORKERS = 10
_PERCENTILE = re.compile(r"^ +(50|90|95|99)% in ([0-9.]+) secs$", re.MULTILINE)
_ANSWERED = re.compile(r"^ +\[200\]\t([0-9]+) responses$", re.MULTILINE)


def stalled(tool: Tool, load: Load, folder: Path) -> Measured:
    each = f"{load.rate / WORKERS:g}"
    command = [tool.command, "-c", str(WORKERS), "-q", each, "-z", f"{load.duration_s:g}s"]
    done = run([*command, load.url], GENERATOR, load.duration_s + 60, folder)
    return Measured({"": parse(done.out)})


def parse(text: str) -> Sample:
    found = {f"p{p}_ms": float(seconds) * 1e3 for p, seconds in _PERCENTILE.findall(text)}
    answered = _ANSWERED.search(text)
    if not found or not answered:
        raise NoFigures("its report has no percentiles")
    return found | {"sent": float(answered[1])}
