"""docs/faults.md lists what there is, and its commands run."""

import re
import shlex
from pathlib import Path

import pytest

from harness.cli import main
from harness.faults import FAULTS, STAGES
from harness.reconcile import RULES

TEXT = (Path(__file__).parents[1] / "docs/faults.md").read_text("utf-8")
COMMANDS = [
    shlex.split(line)[1:]
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    for line in block.splitlines()
]
FEWER = {"compare": ("--flows", "16", "--rounds", "2", "--no-report"), "torture": ()}


def _table(header: str) -> list[list[str]]:
    rows = TEXT[TEXT.index(f"| {header} |") :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_every_fault_is_listed_in_the_order_of_the_code() -> None:
    assert [row[0].strip("`") for row in _table("fault")] == list(FAULTS)


def test_where_a_fault_strikes_is_listed_as_the_code_has_it() -> None:
    for name, _, where in _table("fault"):
        stages = STAGES[name.strip("`")]  # type: ignore[index]  # held to FAULTS above
        if where not in ("any call", "calls of money"):
            assert where.split(", ") == list(stages), name


def test_every_rule_of_the_books_is_listed() -> None:
    assert [row[0] for row in _table("rule")] == list(RULES)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c[0] in FEWER], ids=" ".join)
def test_the_commands_run_and_their_books_hold(
    command: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fewer = ["--seeds", "20"] if "--seeds" in command else FEWER[command[0]]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["tollbench", *command, *fewer])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
