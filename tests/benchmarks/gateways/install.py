"""Installs the gateways, each into a folder of its own: `python -m
tests.benchmarks.gateways.install [FOLDER]`. What cannot be had is told, and left out; nothing of it
becomes a part of tollbench.

LiteLLM's proxy pins its own clients, so it gets a venv. Portkey's gateway answers every stream with
500 on the hono that its package asks for today (github.com/Portkey-AI/gateway/issues/1389); with
the versions put in its place here streams pass.
"""

import sys
from pathlib import Path

import msgspec

from tests.benchmarks.gateways.tools import found
from tests.benchmarks.peers.install import install, into_venv, npm

LITELLM = "litellm[proxy]==1.106.2"

PORTKEY = ("@portkey-ai/gateway", "1.15.2")
INSTEAD = {"hono": "4.9.7", "@hono/node-server": "1.3.3"}


def main() -> int:
    return install({LITELLM: _litellm, "@".join(PORTKEY): _portkey}, found)


def _litellm(folder: Path) -> None:
    into_venv(folder / "litellm", LITELLM)


def _portkey(folder: Path) -> None:
    place = folder / "portkey"
    place.mkdir(exist_ok=True)
    name, version = PORTKEY
    wanted = {"private": True, "dependencies": {name: version}, "overrides": INSTEAD}
    (place / "package.json").write_bytes(msgspec.json.encode(wanted))
    npm(place)


if __name__ == "__main__":
    sys.exit(main())
