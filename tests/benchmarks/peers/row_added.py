"""Rows 1 and 2: how much latency a load generator adds to answers of about a second."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from tests.benchmarks.peers.generators import k6, locust, ours
from tests.benchmarks.peers.load import Lengths, Load
from tests.benchmarks.peers.neutral import neutral
from tests.benchmarks.peers.plan import OURS, Entrant, Measured, Plan
from tests.benchmarks.peers.results import Figure
from tests.benchmarks.peers.tools import Tools

SEED = 1

Added = Callable[[Load, Path], Measured]

BLIND = "its report cannot tell an answer's own delay from what was added to it"
ABSENT = {
    "hey": BLIND,
    "autocannon": BLIND,
    "wrk": "it has no rate; " + BLIND,
    "Artillery": "one core does not carry this rate",
}

SERVER_LATE_MS = 0.5
"""Above this at p99, the neutral server is no yardstick: something else had its core."""

TARGETS = {1: (1_500, 0.7, 5.0), 2: (3_000, 1.0, 10.0)}
"""Requests a second, and what the median and the 99th percentile may be in milliseconds."""


def plan(number: int, tools: Tools, lengths: Lengths) -> Plan:
    rate, p50_ms, p99_ms = TARGETS[number]
    entrants = [Entrant(OURS, partial(_measured, ours.added, rate, lengths))]
    absent = dict(ABSENT)
    for name, added in (("k6", k6.added), ("Locust", locust.added)):
        tool = tools[name]
        if tool.missing:
            absent[name] = tool.missing
        else:
            entrants.append(Entrant(name, partial(_measured, partial(added, tool), rate, lengths)))
    return Plan(
        number=number,
        title=f"Latency that the generator adds, {rate:,} requests/s, one core",
        setting=(
            f"Answers after a lognormal second, told in a header; {lengths.load_s:g} s, of which "
            f"the first {lengths.warm_s:g}, when connections are opened, do not count. Added is "
            "what was seen beyond the told delay. tollbench has Poisson arrivals and is held to "
            "the due time; the others' come in even steps, and they count from the send. "
            "Server late: its own share of it, by its clock."
        ),
        figures=[
            Figure(key="p50_ms", label="p50 ms", better="less", target=p50_ms),
            Figure(key="p99_ms", label="p99 ms", better="less", target=p99_ms),
            Figure(
                key="sent_per_s", label="sent/s", better="more", target=0.95 * rate, digits=0,
                contest=False, gate=True,
            ),
            Figure(key="server_late_p99_ms", label="server late p99"),
            Figure(key="valid", label="valid", yes=True),
        ],
        entrants=entrants,
        absent=absent,
    )  # fmt: skip


def _measured(added: Added, rate: int, lengths: Lengths, folder: Path) -> Measured:
    with neutral("lognormal", str(SEED)) as server:
        load = Load(server.url, rate, lengths.load_s, lengths.warm_s)
        measured = added(load, folder)
        late = {"server_late_p99_ms": server.end().late_p99_ms}
        samples: Mapping[str, dict[str, float]] = {
            how: sample | late for how, sample in measured.samples.items()
        }
        return Measured(samples, "; ".join(filter(None, [measured.trouble, _busy(late)])))


def _busy(late: dict[str, float]) -> str:
    late_ms = late["server_late_p99_ms"]
    if late_ms <= SERVER_LATE_MS:
        return ""
    return f"the server itself was {late_ms:.1f} ms late at p99: the machine was busy"
