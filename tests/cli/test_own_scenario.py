"""A scenario of one's own: a .py file that nothing here knows of."""

import re
from pathlib import Path

import pytest

from harness.cli import workers
from harness.cli.problems import Problems
from harness.cli.rounds import run_rounds
from harness.cli.setup import Options, checked
from harness.flow.strategy import all_strategies
from harness.load.engine import Tally
from tests.cli.command import Done, tollbench

TIPPING = """from __future__ import annotations
from dataclasses import dataclass
from harness.flow.agent import Agent
from harness.flow.flow import Chat
from harness.flow.wish import Wish


@dataclass(frozen=True, slots=True)
class Tipping:
    turns: int = 2
    usual_method: str = "balance"
    tip_share: float = 0.15
    rounded: bool = True

    async def run(self, chat: Chat, agent: Agent) -> None:
        bill = 2000 + int(chat.draw("bill") * 8000)
        await agent.pay(chat, Wish(bill, "CNY", "noodles", self.usual_method))
        if chat.turns > 1:
            await chat.think(5.0)
            tip = round(bill * self.tip_share)
            await agent.pay(chat, Wish(tip, "CNY", "waiter", self.usual_method))
"""
BUG = """            if chat.world.round == 3:
                raise TooMuch(bill, "tip")
"""
BUGGY = TIPPING.replace(
    "@dataclass",
    # Such an exception cannot be unpickled: a pipe would carry another one's name.
    "class TooMuch(Exception):\n"
    "    def __init__(self, bill: int, what: str) -> None:\n"
    '        super().__init__(f"no {what} on a bill of that size")\n\n\n'
    "@dataclass",
).replace("            await chat.think", BUG + "            await chat.think")
TURNS = ("--flows", "24", "--rounds", "6", "--vary", "prewarm")


def test_it_runs_over_workers_even_under_the_name_of_another_module(tmp_path: Path) -> None:
    done = _run(TIPPING, "json.py", "--jobs", "2", "--set", "tip_share=0.1", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    summary, rows = done.stored
    assert (summary.scenario, summary.health.finished) == ("json.py", 48)
    assert summary.parameters.items() >= {"tip_share": 0.1, "rounded": "True"}.items()
    bills = [row.amount_minor for row in rows.flows if row.turn == 0]
    assert [row.amount_minor for row in rows.flows if row.turn == 1] == [
        round(bill * 0.1) for bill in bills
    ]


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.thorough)])
def test_a_bug_in_it_is_shown_ends_the_run_and_keeps_the_rounds_before(
    jobs: int, tmp_path: Path
) -> None:
    done = _run(BUGGY, "tipping.py", "--jobs", str(jobs), cwd=tmp_path)
    assert done.code == 4
    summary, rows = done.stored
    reason = r"stopped after \d of 6 rounds by TooMuch: no tip on a bill of that size"
    assert not summary.valid
    assert re.fullmatch(reason, summary.invalid_because[0])
    whole = {row.round for row in rows.flows} - {3}
    assert {0, 1} <= whole
    assert summary.rounds_finished == len(whole)
    assert all(sum(row.round == n for row in rows.flows) == 2 * 4 for n in whole)
    # One traceback, and it leads to the line.
    assert done.err.count("Traceback") == 1
    assert 'raise TooMuch(bill, "tip")' in done.err
    assert done.problems[-1].endswith("TooMuch: no tip on a bill of that size")
    assert len(done.problems) < 20


def test_workers_that_were_not_forked_load_it_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tipping.py").write_text(TIPPING)
    options = Options(
        scenario=str(tmp_path / "tipping.py"),
        parameters=[],
        clock="virtual",
        seed="1",
        rate="50",
        think_scale=None,
        pay="wechat-ai",
        models={"intent": "gpt-4o", "confirm": "gpt-4o"},
    )
    setup = checked(options, Problems(), all_strategies(["prewarm"]), rounds=2, turns=8)
    monkeypatch.setattr(workers, "START", "spawn")
    course = run_rounds(setup, 2, _Unseen(), tmp_path)
    assert (course.stopped, course.rounds_finished, course.tally.finished) == ("", 2, 16)


class _Unseen:
    """A progress bar that nobody sees."""

    def watch(self, tally: Tally) -> None: ...


def _run(scenario: str, name: str, *args: str, cwd: Path) -> Done:
    (cwd / name).write_text(scenario)
    return tollbench("compare", name, *TURNS, *args, cwd=cwd)


def test_a_secret_that_it_puts_into_a_prompt_makes_the_run_invalid(tmp_path: Path) -> None:
    leaky = TIPPING.replace('"noodles"', '"wxs_0123456789ab"')
    done = _run(leaky, "leaky.py", "--jobs", "1", cwd=tmp_path)
    summary, _ = done.stored
    assert (done.code, summary.valid) == (4, False)
    # Each payment names its payee in both of the turn's prompts.
    assert summary.health.leaks == summary.health.finished
    books, prompts = summary.invalid_because
    assert books.startswith("the books do not hold: ") and "no secret" in books
    assert prompts == f"{summary.health.leaks} secrets were found in prompts"
    assert "wxs_" not in done.out + done.err
