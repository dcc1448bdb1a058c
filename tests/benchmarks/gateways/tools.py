"""Which gateways are on this machine and which versions they are, as their packages tell; nothing
here installs or starts one."""

import shutil
import sys
from importlib import metadata
from pathlib import Path

import msgspec

from tests.benchmarks.peers.tools import FOLDER, Tool

__all__ = ["FOLDER", "LITELLM", "PORTKEY", "found", "versions"]

LITELLM, PORTKEY = "LiteLLM", "Portkey"

NOT_INSTALLED = "not installed"


class _Package(msgspec.Struct):
    version: str


def found(folder: Path) -> dict[str, Tool]:
    """Both by name, those that are missing too."""
    return {LITELLM: _litellm(folder / "litellm"), PORTKEY: _portkey(folder / "portkey")}


def versions(tools: dict[str, Tool]) -> dict[str, str]:
    """tollbench's own, and those of the gateways that are there."""
    ours = {"tollbench": metadata.version("tollbench"), "Python": sys.version.split()[0]}
    return ours | {tool.name: tool.version for tool in tools.values() if not tool.missing}


def _litellm(venv: Path) -> Tool:
    """Its folder of metadata names the version; asking the command takes it many seconds."""
    command = venv / "bin" / "litellm"
    told = next(venv.glob("lib/python*/site-packages/litellm-*.dist-info"), None)
    if not command.is_file() or told is None:
        return Tool(LITELLM, "", "", NOT_INSTALLED)
    return Tool(
        LITELLM, str(command), told.name.removeprefix("litellm-").removesuffix(".dist-info")
    )


def _portkey(folder: Path) -> Tool:
    package = folder / "node_modules" / "@portkey-ai" / "gateway"
    script = package / "build" / "start-server.js"
    if not script.is_file():
        return Tool(PORTKEY, "", "", NOT_INSTALLED)
    if shutil.which("node") is None:
        return Tool(PORTKEY, "", "", "there is no node here")
    told = msgspec.json.decode((package / "package.json").read_bytes(), type=_Package)
    return Tool(PORTKEY, str(script), told.version)
