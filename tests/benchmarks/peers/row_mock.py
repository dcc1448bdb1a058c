"""Row 4: how exactly a mock server keeps a delay of one second with 2,000 requests in flight."""

import contextlib
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import msgspec

from tests.benchmarks.peers import mock_servers
from tests.benchmarks.peers.closed_client import RAMP_S, WARM_S, Asked
from tests.benchmarks.peers.load import Lengths
from tests.benchmarks.peers.mock_servers import DELAY_MS, Served
from tests.benchmarks.peers.plan import OURS, Entrant, Measured, Plan
from tests.benchmarks.peers.processes import GENERATOR, run
from tests.benchmarks.peers.results import Figure
from tests.benchmarks.peers.sample import NoFigures, Sample
from tests.benchmarks.peers.tools import ROOT, Tool, Tools

IN_FLIGHT = 2_000

Serve = Callable[[Path], AbstractContextManager[Served]]

PEERS: dict[str, Callable[[Tool, Path], AbstractContextManager[Served]]] = {
    "mountebank": mock_servers.mountebank,
    "Mockoon CLI": mock_servers.mockoon,
}


def plan(tools: Tools, lengths: Lengths) -> Plan:
    there = {name: serve for name, serve in PEERS.items() if not tools[name].missing}
    absent = {name: tools[name].missing for name in PEERS if name not in there}
    return Plan(
        number=4,
        title=f"A mock at {DELAY_MS:,} ms, {IN_FLIGHT:,} requests in flight, one core",
        setting=(
            f"{IN_FLIGHT:,} connections over {RAMP_S:g} s, each asking again when answered, by a "
            f"raw client; {lengths.mock_s:g} s count after {WARM_S:g} more. Error is what an "
            "answer took beyond the delay; connecting, which mountebank needs each time, is left "
            "out. tollbench also checks a key and books every order."
        ),
        figures=[
            Figure(key="p50_ms", label="error p50 ms", better="less", target=1.0),
            Figure(key="p99_ms", label="p99 ms", better="less", target=20.0),
            Figure(
                key="min_ms", label="least ms", better="more", target=0.0, digits=3, contest=False,
            ),
            Figure(
                key="served_per_s", label="served/s", better="more", target=0.995 * IN_FLIGHT,
                digits=0, contest=False, gate=True,
            ),
            Figure(key="failed", label="failed", digits=0),
        ],
        entrants=[
            Entrant(OURS, partial(_measured, mock_servers.flat, lengths)),
            *(
                Entrant(name, partial(_measured, partial(serve, tools[name]), lengths))
                for name, serve in there.items()
            ),
        ],
        absent={**absent, "WireMock": "needs Java"},
    )  # fmt: skip


def _measured(serve: Serve, lengths: Lengths, folder: Path) -> Measured:
    with serve(folder) as served:
        asked = Asked(served.url, served.headers, IN_FLIGHT, DELAY_MS, lengths.mock_s)
        module = "tests.benchmarks.peers.closed_client"
        command = [sys.executable, "-m", module, msgspec.json.encode(asked).decode()]
        done = run(command, GENERATOR, lengths.mock_s + RAMP_S + WARM_S + 60, ROOT)
        with contextlib.suppress(msgspec.DecodeError):
            return Measured({"": msgspec.json.decode(done.out, type=Sample)})
        raise NoFigures(done.last_words)
