"""The report that README shows, made from a run; `make readme` writes it, a test compares it."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
BASELINE = ROOT / "results" / "baseline"
KEPT = ("run.json", "ecdf.png", "effects.png", "waterfall.png")
BLOCK = re.compile(r"(<!-- report: [^\n]*-->\n).*?(<!-- /report -->)", re.DOTALL)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        report = shown(compare(Path(folder)))
        BASELINE.mkdir(exist_ok=True)
        for name in KEPT:
            shutil.copy(Path(folder) / "latest" / name, BASELINE / name)
    text = BLOCK.sub(lambda m: f"{m[1]}```text\n{report}```\n{m[2]}", README.read_text("utf-8"))
    README.write_text(text, "utf-8")


def compare(out: Path, *more: str) -> str:
    """What `tollbench compare` prints at 80 columns with all its defaults."""
    # A relative folder, so that the committed run names no path of whoever made it.
    command = [sys.executable, "-m", "harness.cli", "compare", "--out", ".", *more]
    env = {**os.environ, "COLUMNS": "80"}
    done = subprocess.run(command, cwd=out, capture_output=True, text=True, env=env, check=True)
    return done.stdout


def shown(report: str) -> str:
    """The report without what differs from run to run: where it was kept."""
    lines = [line.rstrip() for line in report.splitlines()]
    return "\n".join(line for line in lines if not line.startswith("results ")).strip() + "\n"


if __name__ == "__main__":
    main()
