"""A collector that is told ten seconds of a run, and what it stored: that is what it shows last."""

from pathlib import Path

import msgspec

from harness.cli.asked import Asked
from harness.cli.collector import Collector, Opening
from harness.cli.stored import open_run
from harness.load.live_figures import Snapshot
from harness.load.pipe import Close, Closed, Planned
from harness.record import RunSummary
from tests.locust.heard import Engine, turn

ARGV = ["-f", "locustfile.py", "--headless"]
W1, W2 = "w1", "w2"


def opening_of(out: Path, *workers: str, **asked: str) -> Opening:
    options = {"param": ["turns=1"], "out": str(out), **asked}
    return Opening(asked=msgspec.convert(options, Asked), argv=ARGV, workers=list(workers))


def ten_seconds(
    out: Path, *, ended: bool = True, failed: int = 0, **asked: str
) -> tuple[Collector, list[Engine]]:
    """Ten seconds of ten turns/s by two workers, each of a second; the last ones failed."""
    collector = Collector(opening_of(out, W1, W2, **asked))
    engines = [Engine(W1), Engine(W2)]
    collector.take(Planned(0.0, 10.0, [W1, W2]))
    for second in range(10):
        for share, engine in enumerate(engines):
            numbers = range(second * 10 + share, second * 10 + 10, 2)
            turns = [
                turn(n, n / 10, 1000.0 + n, outcome="error" if n >= 100 - failed else "paid")
                for n in numbers
            ]
            engine.begins(len(turns))
            causes = [("pay", "Overloaded 503", sum(f.outcome == "error" for f, _ in turns))]
            collector.take(engine.part(second + 1.0, turns, [c for c in causes if c[2]], [0.2] * 5))
    if ended:
        collector.take(Planned(10.0, 0.0, []))
        for engine in engines:
            collector.take(engine.account(12.0))
    return collector, engines


def closed_of(collector: Collector, why: str = "") -> tuple[RunSummary, Closed]:
    look, closed = collector.close(Close(12.5, why))
    summary, _ = open_run(collector.folder)
    shown = msgspec.json.decode(look.snapshot, type=Snapshot)
    assert (shown.state, shown.stored) == ("stored", True)
    assert (shown.valid, shown.reasons) == (summary.valid, summary.invalid_because)
    return summary, closed
