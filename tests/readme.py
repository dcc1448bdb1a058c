"""The report and the table of peers that README shows; `make readme` writes them, a test compares.

The report is made from a new run, the table from what `make bench-peers` last measured.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.peers.results import load
from tests.benchmarks.peers.table import markdown

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
BASELINE = ROOT / "results" / "baseline"
KEPT = ("run.json", "ecdf.png", "effects.png", "waterfall.png")
PEERS = ROOT / "results" / "peers.json"
BLOCK = re.compile(r"(<!-- report: [^\n]*-->\n).*?(<!-- /report -->)", re.DOTALL)
PEERS_BLOCK = re.compile(r"(<!-- peers: [^\n]*-->\n).*?(<!-- /peers -->)", re.DOTALL)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        report = shown(compare(Path(folder)))
        BASELINE.mkdir(exist_ok=True)
        for name in KEPT:
            shutil.copy(Path(folder) / "latest" / name, BASELINE / name)
    text = BLOCK.sub(lambda m: f"{m[1]}```text\n{report}```\n{m[2]}", README.read_text("utf-8"))
    text = PEERS_BLOCK.sub(lambda m: f"{m[1]}{peers_shown()}{m[2]}", text)
    README.write_text(text, "utf-8")


def compare(out: Path, *more: str) -> str:
    """What `tollbench compare` prints at 80 columns with all its defaults."""
    # A relative folder, so that the committed run names no path of whoever made it.
    command = [sys.executable, "-m", "harness.cli", "compare", "--out", ".", *more]
    env = {**os.environ, "COLUMNS": "80"}
    done = subprocess.run(command, cwd=out, capture_output=True, text=True, env=env, check=True)
    return done.stdout


def peers_shown() -> str:
    return markdown(load(PEERS))


def shown(report: str) -> str:
    """The report without what differs from run to run: where it was kept."""
    lines = [line.rstrip() for line in report.splitlines()]
    return "\n".join(line for line in lines if not line.startswith("results ")).strip() + "\n"


if __name__ == "__main__":
    main()
