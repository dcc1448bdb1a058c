"""How often the real-clock gate is wrong: `python -m tests.cli.gate_calibration`, by hand; it is no
test, and takes an hour.

Of unchanged code a regression is a false alarm; of a head in which one stage takes so many percent
more, it is what the gate is for. Runs that cannot be believed say nothing, and are counted apart.
"""

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness.cli.exits import INCONCLUSIVE, INVALID, PASS, REGRESSION
from harness.stats.distributions import clopper_pearson
from tests.cli.command import COMMAND, environment
from tests.cli.gate_doubles import SCENARIO, SLOWER, write_tree
from tests.cli.quick import NAMES, write_profiles

CODES = {
    PASS: "passed",
    REGRESSION: "regressed",
    INCONCLUSIVE: "cannot tell",
    INVALID: "not believed",
}


def share_text(hits: int, of: int) -> str:
    """`2 of 40, 5.0% [0.6%, 16.9%]`, the bounds those of Clopper and Pearson at 95%."""
    if not of:
        return "0 of 0"
    low, high = clopper_pearson(hits, of)
    return f"{hits} of {of}, {hits / of:.1%} [{low:.1%}, {high:.1%}]"


def main(argv: Sequence[str] | None = None) -> None:
    options = _options(argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_profiles(folder, options.times_faster)
        slower = SLOWER.replace("STAGE", options.stage).replace("SHARE", str(options.percent / 100))
        write_tree(folder / "base")
        write_tree(folder / "unchanged", SCENARIO)
        write_tree(folder / "slower", slower)
        for head in options.heads:
            _measure(folder, head, options)


def _measure(folder: Path, head: str, options: argparse.Namespace) -> None:
    def run(seed: int) -> int:
        return _gate(folder, head, seed, options)

    with ThreadPoolExecutor(options.jobs) as pool:
        ended = Counter(pool.map(run, range(1, options.runs + 1)))
    believed = options.runs - ended[INVALID]
    print(f"{head}: {share_text(ended[REGRESSION], believed)} called a regression", flush=True)
    print("  " + ", ".join(f"{CODES[code]} {n}" for code, n in sorted(ended.items())), flush=True)


def _gate(folder: Path, head: str, seed: int, options: argparse.Namespace) -> int:
    done = subprocess.run(
        [
            *COMMAND, "gate", "flows.py", "--base", "base", "--head", head, "--set", "turns=1",
            *NAMES, "--seed", str(seed), "--flows", str(options.flows), "--rounds",
            str(options.rounds), "--rate", str(options.rate), "--tolerance", options.tolerance,
            "--out", f"results-{head}-{seed}",
        ],
        cwd=folder, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = (done.stderr or done.stdout).splitlines()
    first = done.stdout.split("\n\n")[0].replace("\n", " ") or "; ".join(lines[:2])
    print(f"{head} {seed}: {CODES.get(done.returncode, done.returncode)}: {first}", file=sys.stderr)
    if done.returncode not in CODES:
        raise RuntimeError(done.stderr)
    return done.returncode


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=40, help="of each kind")
    parser.add_argument(
        "--jobs", type=int, default=1, help="side by side, which disturb each other"
    )
    parser.add_argument("--heads", nargs="+", default=["unchanged", "slower"])
    parser.add_argument("--stage", default="pay")
    parser.add_argument("--percent", type=float, default=10.0)
    parser.add_argument("--flows", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--tolerance", default="1%")
    parser.add_argument("--times-faster", type=float, default=2.0, help="than the usual profiles")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
