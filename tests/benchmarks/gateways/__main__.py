"""The command behind `make bench-gateways`: measures what each gateway adds, prints it, keeps it as
JSON."""

import argparse
import datetime
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from rich.console import Console

from harness.cli.machine import machine
from tests.benchmarks.gateways import table, tools
from tests.benchmarks.gateways.measure import measured
from tests.benchmarks.gateways.plan import QUICK, USUAL
from tests.benchmarks.gateways.results import Results, load, save
from tests.benchmarks.gateways.servers import FIRST_MS, TOTAL_MS
from tests.benchmarks.peers.processes import CORES, allow_many_files
from tests.benchmarks.peers.sample import NoFigures
from tests.benchmarks.peers.tools import ROOT

PATH = ROOT / "results" / "gateways.json"
PAGE = ROOT / "docs" / "gateways.md"


def main() -> int:
    asked = _asked()
    if asked.readme:
        print(table.markdown(load(asked.out)), end="")
        return 0
    if asked.docs:
        PAGE.write_text(table.with_block(PAGE.read_text("utf-8"), load(asked.out)), "utf-8")
        return 0
    if len(CORES) < 2:
        print("two cores of a Linux machine are needed: one asks, one answers", file=sys.stderr)
        return 2
    allow_many_files()
    # Every context ends its processes; a shell may have told its background to ignore Ctrl-C.
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    try:
        results = _measured(asked)
    except NoFigures as no:
        print(f"{no}: python -m tests.benchmarks.gateways.install", file=sys.stderr)
        return 2
    table.show(results, Console(width=80 if not sys.stdout.isatty() else None))
    return 0


def _measured(asked: argparse.Namespace) -> Results:
    """What is there is kept after every repeat, so that an interrupt loses one repeat at most."""
    began, started_at = time.perf_counter(), datetime.datetime.now(datetime.UTC)
    there = tools.found(asked.gateways)
    about = {**machine(), "load at the start": f"{os.getloadavg()[0]:.2f}"}
    lengths = QUICK if asked.quick else USUAL
    for repeat, found in enumerate(measured(there, lengths, asked.repeats), 1):
        results = Results(
            started_at=started_at.isoformat(timespec="seconds"),
            wall_s=round(time.perf_counter() - began, 1),
            repeats=repeat,
            quick=asked.quick,
            first_ms=FIRST_MS,
            total_ms=TOTAL_MS,
            machine={**about, "load at the end": f"{os.getloadavg()[0]:.2f}"},
            versions=tools.versions(there),
            ways=found.ways,
            absent=found.absent,
            cells=found.cells,
            full=found.full,
            troubles=found.troubles,
        )
        save(results, asked.out)
    return load(asked.out)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.gateways",
        description="What gateways add to an answer, run for real before the mocks.",
    )
    parser.add_argument("--repeats", type=_repeats, default=None, metavar="N", help="usually 5")
    parser.add_argument("--quick", action="store_true", help="short, once: does it run at all?")
    parser.add_argument(
        "--gateways", type=Path, default=tools.FOLDER, metavar="FOLDER",
        help="where install.py put them",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=PATH, metavar="FILE", help="usually results/gateways.json"
    )
    parser.add_argument(
        "--readme", action="store_true", help="print the last results as Markdown; measure nothing"
    )
    parser.add_argument(
        "--docs", action="store_true", help="put them into docs/gateways.md; measure nothing"
    )
    asked = parser.parse_args()
    asked.repeats = asked.repeats or (1 if asked.quick else 5)
    asked.gateways, asked.out = asked.gateways.absolute(), asked.out.absolute()
    return asked


def _repeats(text: str) -> int:
    repeats = int(text)
    if not 1 <= repeats <= 100:
        raise argparse.ArgumentTypeError("repeats are from 1 to 100")
    return repeats


def _end(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\ninterrupted; the repeats before this one are kept", file=sys.stderr)
        sys.exit(130)
