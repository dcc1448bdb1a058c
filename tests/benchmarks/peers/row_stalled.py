"""Row 3: what a load generator says of a server that stands still for a second in every four."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from tests.benchmarks.peers.delays import TRUTH_MS
from tests.benchmarks.peers.generators import (
    artillery,
    autocannon,
    hey,
    k6,
    locust,
    ours,
    wrk,
)
from tests.benchmarks.peers.load import Lengths, Load
from tests.benchmarks.peers.neutral import neutral
from tests.benchmarks.peers.plan import OURS, Entrant, Measured, Plan
from tests.benchmarks.peers.results import Figure
from tests.benchmarks.peers.tools import Tool, Tools

RATE = 100

PEERS: Mapping[str, Callable[[Tool, Load, Path], Measured]] = {
    "k6": k6.stalled,
    "Artillery": artillery.stalled,
    "Locust": locust.stalled,
    "hey": hey.stalled,
    "autocannon": autocannon.stalled,
    "wrk": wrk.stalled,
}


def plan(tools: Tools, lengths: Lengths) -> Plan:
    there = {name: of for name, of in PEERS.items() if not tools[name].missing}
    return Plan(
        number=3,
        title=f"A server that stalls, {RATE} requests/s",
        setting=(
            f"5 ms, but whoever comes in the last second of every 4.003 s waits for its end; "
            f"{lengths.stalled_s:g} s of arrivals in even steps. Truth by construction. wrk has no "
            "rate and sends what it can."
        ),
        figures=[
            Figure(key="p50_ms", label="p50 ms", digits=0),
            *(
                Figure(
                    key=key, label=f"{key[:3]} ms", better="near", target=ms, tolerance=0.01,
                    digits=0,
                )
                for key, ms in TRUTH_MS.items()
            ),
            Figure(
                key="sent", label="sent", better="near", target=RATE * lengths.stalled_s,
                tolerance=0.01, digits=0, contest=False, gate=True,
            ),
        ],
        entrants=[
            Entrant(OURS, partial(_measured, ours.stalled, lengths)),
            *(
                Entrant(name, partial(_measured, partial(stalled, tools[name]), lengths))
                for name, stalled in there.items()
            ),
        ],
        absent={name: tools[name].missing for name in PEERS if name not in there},
    )  # fmt: skip


def _measured(
    stalled: Callable[[Load, Path], Measured], lengths: Lengths, folder: Path
) -> Measured:
    with neutral("stalled") as server:
        return stalled(Load(server.url, RATE, lengths.stalled_s), folder)
