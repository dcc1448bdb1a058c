"""Row 6: turns that the virtual clock plays in a second of one core, crypto and streams too."""

import sys
from functools import partial
from pathlib import Path

import msgspec

from tests.benchmarks.peers.load import Lengths
from tests.benchmarks.peers.plan import OURS, Entrant, Measured, Plan
from tests.benchmarks.peers.processes import GENERATOR, run
from tests.benchmarks.peers.results import Figure
from tests.benchmarks.peers.sample import NoFigures
from tests.benchmarks.peers.virtual_rounds import Asked, Took

ROOT = Path(__file__).parents[3]
ROUNDS = 5
REAL_TIME = "real time only: a second of response time takes a second"
PEERS = ("k6", "Locust", "Artillery", "hey", "autocannon", "wrk", "mountebank", "Mockoon CLI")


def plan(lengths: Lengths) -> Plan:
    return Plan(
        number=6,
        title="The virtual clock, one core",
        setting=(
            f"The rounds of `tollbench compare --jobs 1`, {lengths.turns} turns for each of eight "
            "strategies: wish, sealed payment, streamed answers. One round before them, which "
            "loads the code, does not count; start, storing and analysis are left out."
        ),
        figures=[
            Figure(key="turns_per_s", label="turns/s", better="more", target=1_200, digits=0),
            Figure(key="response_s_per_s", label="response s per wall s", better="more", digits=0),
            Figure(key="cpu_ms", label="CPU ms a turn", better="less"),
            Figure(key="failed", label="failed", better="less", digits=0),
        ],
        entrants=[Entrant(OURS, partial(_measured, lengths))],
        absent=dict.fromkeys(PEERS, REAL_TIME),
    )


def _measured(lengths: Lengths, folder: Path) -> Measured:
    asked = msgspec.json.encode(Asked(ROUNDS, lengths.turns)).decode()
    command = [sys.executable, "-m", "tests.benchmarks.peers.virtual_rounds", asked]
    done = run(command, GENERATOR, 300.0, folder, env={"PYTHONPATH": str(ROOT)})
    try:
        took = msgspec.json.decode(done.out, type=Took)
    except msgspec.DecodeError:
        raise NoFigures(done.last_words) from None
    sample = {
        "turns_per_s": took.turns / took.wall_s,
        "response_s_per_s": took.response_s / took.wall_s,
        "cpu_ms": took.cpu_s * 1e3 / took.turns,
        "failed": float(took.failed),
    }
    return Measured({"": sample}, f"{took.failed} turns failed" if took.failed else "")
