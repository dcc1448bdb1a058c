"""`tollbench gate` from its command line to its exit code, two small checkouts played for real."""

import re
from pathlib import Path

import numpy as np
import pytest

from harness.cli.exits import BadInput
from harness.cli.gate import gate
from harness.record import Stored, read
from tests.cli.command import Done, tollbench
from tests.cli.gate_doubles import (
    QUICK,
    SCENARIO,
    SLOWER,
    trees,
    write_tree,
)
from tests.cli.processes import PROC, until, watched

socket = pytest.mark.socket
IN = ("flows.py", "--base", "base", "--head", "head", *QUICK)
VERDICTS = (0, 1, 3)
"""On a machine that is busy with other things, a gate may also say that it cannot be believed."""

FUNCTION = """
import asyncio
import httpx

client = httpx.AsyncClient()

async def buy(turn):
    print("what a flow prints is no line of ours", flush=True)
    with turn.stage("intent"):
        answer = await client.post(
            "https://api.openai.com/v1/chat/completions",
            headers={"authorization": "Bearer sk-of-ours"},
            json={"model": "gpt-4o", "messages": [{"role": "user", "content": "12 yuan to bob"}]},
        )
    answer.raise_for_status()
    with turn.stage("pay"):
        await asyncio.sleep(PAY_S)

async def wander():
    await client.get("https://example.com/")
"""


def _gate(cwd: Path, *args: str, head: str = SCENARIO, flow: str = "flows.py") -> Done:
    trees(cwd, head=head)
    return tollbench("gate", flow, *IN[1:], *args, cwd=cwd)


def _kept(cwd: Path) -> dict[str, Stored]:
    return {
        side: read(next((cwd / "results").glob(f"*-real-s1-{side}"))) for side in ("base", "head")
    }


@pytest.mark.thorough
@socket
def test_both_sides_play_one_schedule_in_turn_and_are_kept_as_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trees(tmp_path)
    monkeypatch.chdir(tmp_path)
    code = gate(
        "flows.py",
        base="base",
        head="head",
        strategy="prewarm",
        flows="6",
        rounds="1",
        set_=["turns=1"],
        pay="pay.toml",
        intent="model.toml",
        confirm="model.toml",
    )
    assert code in VERDICTS or "is over the limit of" in capsys.readouterr().err
    base, head = (side.columns.turns for side in _kept(tmp_path).values())
    assert len(base) == len(head) == 6
    for column in ("conversation", "turn", "amount_minor"):
        assert np.array_equal(getattr(base, column), getattr(head, column))
    assert base.variant.names == head.variant.names == ("prewarm",)
    # One gap is two turns at this rate: a side's and then the other's.
    assert np.abs(base.due_s - head.due_s) == pytest.approx(1 / 20, abs=1e-6)
    # Equal draws: each call's delay was meant to be the same.
    meant, theirs = (side.columns.spans.injected_ms for side in _kept(tmp_path).values())
    assert np.array_equal(meant, theirs, equal_nan=True)
    summary = _kept(tmp_path)["head"].summary
    assert (summary.scenario, summary.clock, summary.endpoints) == ("flows.py", "real", "mock")
    assert summary.parameters.items() >= {"turns": 1, "rate": 20.0}.items()
    assert (tmp_path / "results" / "latest").resolve().name.endswith("-head")


@socket
@pytest.mark.thorough
def test_a_slower_stage_is_a_regression_that_names_it_and_its_runs_can_be_compared_later(
    tmp_path: Path,
) -> None:
    slower = SLOWER.replace("STAGE", "pay").replace("SHARE", "2.0")
    done = _gate(tmp_path, "--flows", "50", "--rounds", "5", head=slower)
    if done.code == 4:
        pytest.skip(f"the machine is too busy: {done.err}")
    assert done.code == 1
    plain = " ".join(done.out.split())
    assert plain.startswith("head is slower than base: 1 of 1 figure regressed")
    assert "to blame: pay, " in plain
    runs = sorted(path.name for path in (tmp_path / "results").glob("*-real-*"))
    again = tollbench("diff", *runs, cwd=tmp_path)
    assert again.code in VERDICTS and "not paired" in again.out


@socket
@pytest.mark.slow
def test_a_function_of_ones_own_is_played_too(tmp_path: Path) -> None:
    trees(tmp_path)
    for side, pay_s in (("base", "0.05"), ("head", "0.25")):
        (tmp_path / side / "shop.py").write_text(FUNCTION.replace("PAY_S", pay_s))
    args = ("--base", "base", "--head", "head", "--intent", "model.toml")
    few = ("--flows", "30", "--rounds", "5")
    done = tollbench("gate", "shop.py::buy", *args, *few, cwd=tmp_path)
    assert done.code == 1 or "is over the limit of" in done.err, done.err
    if done.code == 1:
        assert "to blame: pay, " in " ".join(done.out.split())
    lost = tollbench("gate", "shop.py::wander", *args, *few, cwd=tmp_path)
    assert lost.code == 4 and "Traceback" not in lost.err
    assert "base: a call goes to example.com, and there is no mock of it" in lost.problems[0]


@socket
@pytest.mark.thorough
def test_a_side_that_would_run_the_others_code_is_refused_with_the_mend(tmp_path: Path) -> None:
    trees(tmp_path)
    for side in ("base", "head"):
        scenario = SCENARIO.replace("from dataclasses", "import shop\nfrom dataclasses", 1)
        (tmp_path / side / "flows.py").write_text(scenario)
    (tmp_path / "head" / "src" / "shop").mkdir(parents=True)
    (tmp_path / "head" / "src" / "shop" / "__init__.py").touch()
    # As an editable install of head would have it.
    elsewhere = str(tmp_path / "head" / "src")
    done = tollbench("gate", *IN, cwd=tmp_path, PYTHONPATH=elsewhere)
    (problem,) = done.problems
    assert done.code == 2
    assert re.match(r"tollbench: base: it would run code of head, \S+shop/__init__.py", problem)
    assert problem.endswith("or by --base-python")
    assert not (tmp_path / "results").exists()


@socket
@pytest.mark.thorough
def test_a_bug_ends_the_gate_keeps_the_rounds_before_and_names_its_side(tmp_path: Path) -> None:
    bug = SCENARIO.replace(
        "        for _",
        '        if chat.world.round == 1:\n            raise KeyError("shop")\n        for _',
    )
    done = _gate(tmp_path, "--flows", "12", "--rounds", "3", head=bug)
    assert done.code == 4
    assert 'raise KeyError("shop")' in done.err
    why = "base and head: stopped after 1 of 3 rounds by head: KeyError: 'shop'"
    assert why in done.err
    for side in _kept(tmp_path).values():
        assert (side.summary.rounds_finished, side.summary.valid) == (1, False)
        assert set(side.columns.turns.round) <= {0, 1}


@socket
@pytest.mark.thorough
@pytest.mark.skipif(not PROC.is_dir(), reason="processes are looked up in /proc")
@pytest.mark.parametrize(
    "ended",
    ["killed", *(pytest.param(by, marks=pytest.mark.slow) for by in ("by Ctrl-C", "by SIGTERM"))],
)
def test_no_process_is_left_when_it_is_stopped_and_what_it_measured_is_kept(
    tmp_path: Path, ended: str
) -> None:
    trees(tmp_path)
    with watched("gate", *IN, "--flows", "4000", "--rounds", "100", cwd=tmp_path) as watch:
        watch.until_turns_ended(1)
        assert len(watch.family) > 1
        if ended == "killed":
            watch.process.kill()
            watch.process.wait()
            until(lambda: not watch.left())
            return
        if ended == "by SIGTERM":
            watch.process.terminate()
        else:
            watch.interrupt(True)
        done = watch.end()
        assert watch.left() == set()
    assert done.code == 4 and "Traceback" not in done.err
    for side in _kept(tmp_path).values():
        assert side.summary.invalid_because[0].startswith("interrupted after ")
        health = side.summary.health
        assert len(side.columns.turns) == health.started > 0


def test_a_wrong_command_is_told_with_all_its_mistakes_before_a_side_starts(
    tmp_path: Path,
) -> None:
    write_tree(tmp_path / "head")
    with pytest.raises(BadInput) as told:
        gate(
            "nope.py",
            base=str(tmp_path / "none"),
            head=str(tmp_path / "head"),
            flows="0",
            tolerance="7",
            inconclusive="maybe",
            rate="0",
            pay="nobody",
            json=True,
            markdown=True,
            out=str(tmp_path),
        )
    options = [problem.split(" ")[0] for problem in told.value.problems]
    assert options == [
        "--base", "nope.py:", "nope.py:", "--flows", "--inconclusive", "--tolerance", "--json",
        "--rate", "--pay:",
    ]  # fmt: skip
