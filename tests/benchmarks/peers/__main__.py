"""The command behind `make bench-peers`: measures the rows, prints them, keeps them as JSON."""

import argparse
import datetime
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from rich.console import Console

from harness.cli.machine import machine
from tests.benchmarks.peers import (
    row_added,
    row_mock,
    row_payments,
    row_stalled,
    row_virtual,
    table,
    tools,
    words,
)
from tests.benchmarks.peers.load import QUICK, USUAL, Lengths
from tests.benchmarks.peers.plan import Plan, play
from tests.benchmarks.peers.processes import CORES, allow_many_files
from tests.benchmarks.peers.results import Results, Row, load, save, with_again
from tests.benchmarks.peers.tools import FOLDER, ROOT, Tools

PATH = ROOT / "results" / "peers.json"

MakePlan = Callable[[Tools, Lengths], Plan]

ROWS: dict[int, MakePlan] = {
    1: lambda tools, lengths: row_added.plan(1, tools, lengths),
    2: lambda tools, lengths: row_added.plan(2, tools, lengths),
    3: row_stalled.plan,
    4: row_mock.plan,
    5: lambda tools, lengths: row_payments.plan(lengths),
    6: lambda tools, lengths: row_virtual.plan(lengths),
}


def main() -> int:
    asked = _asked()
    if asked.readme:
        print(table.markdown(load(asked.out)), end="")
        return 0
    if len(CORES) < 2:
        print("two cores of a Linux machine are needed: one asks, one answers", file=sys.stderr)
        return 2
    allow_many_files()
    # Every context ends its processes; a shell may have told its background to ignore Ctrl-C.
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    console = Console(width=80 if not sys.stdout.isatty() else None)
    results = _measured(asked, console)
    for line in words.provenance(results):
        console.print(line, highlight=False, markup=False)
    return 0


def _measured(asked: argparse.Namespace, console: Console) -> Results:
    """What is there is kept after every row, so that an interrupt loses one row at most."""
    began, started_at = time.perf_counter(), datetime.datetime.now(datetime.UTC)
    there = tools.found(asked.peers)
    versions, lengths = tools.versions(there), QUICK if asked.quick else USUAL
    about = {**_processor(), **machine(), "load at the start": f"{os.getloadavg()[0]:.2f}"}
    rows: list[Row] = []
    # Some rows by themselves stand in for those of an earlier run of all.
    kept = load(asked.out) if asked.out.exists() and set(asked.rows) < set(ROWS) else None
    for number in asked.rows:
        rows.append(play(ROWS[number](there, lengths), asked.repeats))
        table.show_row(rows[-1], console)
        results = Results(
            started_at=started_at.isoformat(timespec="seconds"),
            wall_s=round(time.perf_counter() - began, 1),
            repeats=asked.repeats,
            quick=asked.quick,
            machine=about,
            versions=versions,
            rows=rows,
        )
        save(with_again(kept, results) if kept else results, asked.out)
    return load(asked.out)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.peers",
        description="tollbench beside the tools that people would otherwise use.",
    )
    parser.add_argument("--rows", type=_rows, default=list(ROWS), metavar="N,N")
    parser.add_argument("--repeats", type=_repeats, default=None, metavar="N", help="usually 5")
    parser.add_argument("--quick", action="store_true", help="short, once: does it run at all?")
    parser.add_argument(
        "--peers", type=Path, default=FOLDER, metavar="FOLDER", help="where install.py put them"
    )
    parser.add_argument(
        "--out", type=Path, default=PATH, metavar="FILE", help="usually results/peers.json"
    )
    parser.add_argument(
        "--readme", action="store_true", help="print the last results as Markdown; measure nothing"
    )
    asked = parser.parse_args()
    asked.repeats = asked.repeats or (1 if asked.quick else 5)
    asked.peers, asked.out = asked.peers.absolute(), asked.out.absolute()
    return asked


def _rows(text: str) -> list[int]:
    numbers = [int(word) for word in text.split(",")]
    if not set(numbers) <= ROWS.keys():
        raise argparse.ArgumentTypeError(f"rows are {', '.join(map(str, ROWS))}")
    return numbers


def _repeats(text: str) -> int:
    repeats = int(text)
    if not 1 <= repeats <= 100:
        raise argparse.ArgumentTypeError("repeats are from 1 to 100")
    return repeats


def _processor() -> dict[str, str]:
    """Linux alone tells its name."""
    return dict(list(_models())[:1])


def _models() -> Iterator[tuple[str, str]]:
    path = Path("/proc/cpuinfo")
    for line in path.read_text().splitlines() if path.is_file() else []:
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            yield "model", value.strip()


def _end(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\ninterrupted; the rows before this one are kept", file=sys.stderr)
        sys.exit(130)
