"""docs/agent.md claims nothing that is not run here."""

import re
import shlex
from pathlib import Path

import pytest

from harness.cli.app import app
from tests.cli.command import tollbench

TEXT = (Path(__file__).parents[1] / "docs/agent.md").read_text("utf-8")
CODE, *_ = re.findall(r"```python\n# buying\.py\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = [
    shlex.split(line, comments=True)[1:]
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    for line in block.splitlines()
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    room = tmp_path_factory.mktemp("agent")
    (room / "buying.py").write_text(CODE, "utf-8")
    return room


def test_there_are_commands_and_each_is_one_of_ours() -> None:
    verbs = {of.name or of.callback.__name__ for of in app.registered_commands if of.callback}
    assert len(COMMANDS) == 6 and {verb for verb, *_ in COMMANDS} <= verbs


SMALL = ("--flows", "25", "--rounds", "5", "--quantiles", "50")
FEW = ("--flows", "2", "--rounds", "1", "--rate", "40")
"""Of the real clock."""


PLAYED = [of for of in COMMANDS if "--otlp" not in of]


@pytest.mark.thorough
@pytest.mark.parametrize("command", PLAYED, ids=" ".join)
def test_what_is_shown_plays(command: list[str], project: Path) -> None:
    real = "real" in command
    done = tollbench(*command, *(FEW if real else SMALL), cwd=project)
    assert done.err == "" and "Response time" in done.out
    assert done.code == 0 or (real and done.code == 4)  # a busy machine is no mistake of its
