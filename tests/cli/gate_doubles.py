"""Sides of a gate that say what they are told to, quickly, and checkouts to play; it asserts
nothing."""

import sys
from pathlib import Path

import msgspec

from harness.cli.gate_lines import Ask, Loaded, Side
from harness.cli.gate_trees import Tree
from tests.cli.quick import NAMES, write_profiles

__all__ = ["NAMES", "QUICK", "SCENARIO", "SLOWER", "ask", "double", "loaded", "trees", "write_tree"]

QUICK = ("--set", "turns=1", "--rate", "20", *NAMES)

SCENARIO = """from __future__ import annotations
from dataclasses import dataclass
from harness.flow.agent import Agent
from harness.flow.flow import Chat
from harness.flow.wish import Wish


@dataclass(frozen=True, slots=True)
class Buying:
    turns: int = 2
    usual_method: str = "balance"

    async def run(self, chat: Chat, agent: Agent) -> None:
        for _ in range(chat.turns):
            await agent.pay(chat, Wish(2000, "CNY", "noodles", self.usual_method))
"""

SLOWER = (
    SCENARIO
    + """

from harness.flow.flow import Flow

quick = Flow.call

async def slow(self, stage, call, **options):
    start = self.now()
    try:
        return await quick(self, stage, call, **options)
    finally:
        if stage == "STAGE":
            with self.step(stage):
                await self.sleep(SHARE * (self.now() - start))

Flow.call = slow
"""
)
"""STAGE takes SHARE more."""

_DOUBLE = """#!{python} -SE
import sys, time
stdin = sys.stdin
for line in {lines!r}:
    asked = stdin.readline().strip()
    line = line.replace("NOW", str(time.perf_counter())).replace("ASKED", asked.replace('"', "'"))
    print(line, flush=True)
stdin.readline() if {dies} else stdin.read()
sys.exit({dies})
"""


def write_tree(folder: Path, scenario: str = SCENARIO) -> Path:
    folder.mkdir(parents=True)
    (folder / "flows.py").write_text(scenario)
    return folder


def trees(folder: Path, *, head: str = SCENARIO) -> None:
    """base and head below the folder, and profiles for QUICK."""
    write_profiles(folder, times_faster=20)
    write_tree(folder / "base")
    write_tree(folder / "head", head)


def ask(side: Side = "head", round_: int = 0, **more: object) -> Ask:
    made = Ask(
        side=side, other="", flow="conversation", strategy="baseline", round=round_, rounds=2,
        turns=12, rate="20", seed="1",
    )  # fmt: skip
    return msgspec.structs.replace(made, **more)


def loaded(**more: object) -> Loaded:
    made = Loaded(
        tool_version="1", python="3", is_function=False, turns_each=2, own_code=True
    )  # fmt: skip
    return msgspec.structs.replace(made, **more)


def double(folder: Path, side: Side, *lines: msgspec.Struct | str, dies: int = 0) -> Tree:
    """A side whose Python is a script that answers each line it is sent with the next of these. In
    them NOW is the time, and ASKED what it was sent. With a code to die with, it does so at the
    line after these."""
    script = folder / f"{side}.py"
    told = [of if isinstance(of, str) else msgspec.json.encode(of).decode() for of in lines]
    script.write_text(_DOUBLE.format(python=sys.executable, lines=told, dies=dies))
    script.chmod(0o755)
    return Tree(side, folder, str(script))
