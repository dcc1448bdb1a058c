"""Installs the gateways, each into a folder of its own: `python -m
tests.benchmarks.gateways.install [FOLDER]`. What cannot be had is told, and left out; nothing of it
becomes a part of tollbench.

LiteLLM's proxy pins its own clients, so it gets a venv. Portkey's gateway answers every stream with
500 on the hono that its package asks for today (github.com/Portkey-AI/gateway/issues/1389); with
the versions put in its place here streams pass.
"""

import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from tests.benchmarks.gateways.tools import FOLDER, found
from tests.benchmarks.peers.install import CannotInstall, run_installer

LITELLM = "litellm[proxy]==1.106.2"

PORTKEY = ("@portkey-ai/gateway", "1.15.2")
INSTEAD = {"hono": "4.9.7", "@hono/node-server": "1.3.3"}


def main() -> int:
    folder = Path(sys.argv[1]).absolute() if sys.argv[1:] else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    steps: Mapping[str, Callable[[Path], None]] = {
        LITELLM: _litellm,
        "@".join(PORTKEY): _portkey,
    }
    for what, install in steps.items():
        print(f"installing {what}", flush=True)
        try:
            install(folder)
        except CannotInstall as why:
            print(f"  left out: {why}", flush=True)
    for tool in found(folder).values():
        print(f"{tool.name:12} {tool.missing or tool.version}")
    return 0


def _litellm(folder: Path) -> None:
    venv = folder / "litellm"
    run_installer([sys.executable, "-m", "venv", str(venv)])
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    run_installer([*pip, "--disable-pip-version-check", LITELLM])


def _portkey(folder: Path) -> None:
    if shutil.which("npm") is None:
        raise CannotInstall("there is no npm here; Node 20 brings it")
    place = folder / "portkey"
    place.mkdir(exist_ok=True)
    name, version = PORTKEY
    wanted = {"private": True, "dependencies": {name: version}, "overrides": INSTEAD}
    (place / "package.json").write_bytes(msgspec.json.encode(wanted))
    options = ["--ignore-scripts", "--no-fund", "--no-audit", "--loglevel", "error"]
    run_installer(["npm", "install", "--prefix", str(place), *options])


if __name__ == "__main__":
    sys.exit(main())
