"""Asking for help is quick, and the answer fits a terminal."""

import resource
import subprocess
import sys
from functools import reduce
from pathlib import Path

import pytest

from tests.cli.command import environment, tollbench

HEAVY = ("numpy", "matplotlib", "pyarrow", "httpx", "cryptography", "aiohttp", "uvloop", "locust")


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ((), ("compare", "load")),
        (("--help",), ("compare", "load")),
        (("compare", "--help"), ("prewarm,token_cache,parallel_confirm", "[default: one a core]")),
        (("load", "--help"), ("--url", "[required]")),
        (("doctor", "--help"), ("--reach", "[default: 200]")),
    ],
    ids=" ".join,
)
def test_help_fits_80_columns_and_cuts_nothing_off(
    args: tuple[str, ...], told: tuple[str, ...], tmp_path: Path
) -> None:
    before = _cpu_s()
    done = tollbench(*args, cwd=tmp_path)
    print(f"{_cpu_s() - before:.2f} s of processor time")
    assert (done.code, done.err) == (0, "")
    assert all(len(line) <= 80 for line in done.out.splitlines())
    assert "…" not in done.out
    meant = ("COMMAND [ARGS]...", "token_cache,...", "A,B,...")
    assert "..." not in reduce(lambda text, part: text.replace(part, ""), meant, done.out)
    unwrapped = " ".join(done.out.split())
    assert [part for part in told if part not in unwrapped] == []


def test_help_waits_for_no_heavy_library(tmp_path: Path) -> None:
    code = "import sys, harness.cli.app; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = done.stdout.split()
    assert "typer" in loaded
    assert [name for name in HEAVY if name in loaded] == []


def _cpu_s() -> float:
    """Of all children so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
