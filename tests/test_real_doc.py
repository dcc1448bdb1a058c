"""docs/real.md claims nothing that is not run here, or held against the code: with stand-ins for
real providers, and nothing that leaves this machine."""

import re
import shlex
import signal
import subprocess
from functools import partial
from pathlib import Path

import pytest

from harness.calibrate import Recorder
from harness.calibrate.exchange import Exchange
from harness.cli import main
from harness.cli.compare import USUAL_REAL
from harness.cli.compared import Plan
from harness.cli.examined import examine
from harness.real.caps import LEAST_MINOR, MOST_PER_S, MOST_WECHAT_ORDERS
from harness.real.credentials import NAMES, SEVERAL
from harness.real.hosts import PRODUCTION
from tests.cli.command import COMMAND, environment, hear_interrupts, tollbench
from tests.cli.internet import KEYS

DOCS = Path(__file__).parents[1] / "docs"
TEXT = (DOCS / "real.md").read_text("utf-8")
COMMANDS = [
    shlex.split(line, comments=True)[1:]
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    for line in block.splitlines()
]


def of_verb(verb: str) -> list[list[str]]:
    return [command for command in COMMANDS if command[0] == verb]


def run(command: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.argv", ["tollbench", *command])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_the_commands_are_those_that_are_run_here() -> None:
    assert [command[0] for command in COMMANDS] == [
        "doctor", "doctor", "compare", "record", "record", "mocks", "mocks", "compare",
    ]  # fmt: skip


@pytest.mark.parametrize("command", of_verb("doctor"), ids=" ".join)
def test_doctor_tells_what_it_is_shown_to_tell(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = partial(examine, reaching=lambda bases: {})
    monkeypatch.setattr("harness.cli.examined.examine", nobody)
    assert run(command, monkeypatch) == 0
    assert "--targets real would play" in capsys.readouterr().out


def test_the_real_run_that_is_shown_is_one_that_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    plans: list[Plan] = []

    def planned(plan: Plan, as_json: bool) -> int:
        plans.append(plan)
        return 0

    monkeypatch.setattr("harness.cli.compared.compared", planned)
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    assert run(of_verb("compare")[0], monkeypatch) == 0
    (plan,) = plans
    assert plan.setup.real is not None
    assert plan.setup.real.endpoints == "real"
    assert {of.models.get("intent") for of in plan.setup.real.targets.values()} == {
        "gpt-5.4-mini", None,
    }  # fmt: skip
    assert (plan.setup.turns, 1 / plan.setup.rate) == (20, 5)
    assert USUAL_REAL.flows == "20"


def test_every_variable_of_the_table_is_read_and_every_one_that_is_needed_is_in_it() -> None:
    told = set(re.findall(r"`([A-Z][A-Z0-9_]+)(?:=\w+)?`", TEXT))
    keys = {name for of in NAMES.values() for name in of.keys}
    bases = {of.base for of in NAMES.values() if of.base}
    assert told == keys | bases | {name for several in SEVERAL.values() for name in several}


def test_the_figures_are_those_that_hold() -> None:
    assert f"{LEAST_MINOR['CNY'] / 100:.2f} CNY at Stripe" in TEXT
    assert f"at most {MOST_WECHAT_ORDERS} orders of 0.01 CNY" in TEXT
    assert f"{MOST_PER_S:g} at payment hosts" in TEXT
    never = re.findall(r"`([\w.]+\.com)`", TEXT)
    assert never and set(never) <= set(PRODUCTION)


def test_the_recorder_that_is_shown_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert (tmp_path / "calls.jsonl").read_text("utf-8").count("tollbench_recording") == 1


@pytest.mark.socket
@pytest.mark.thorough
@pytest.mark.parametrize("command", of_verb("record"), ids=" ".join)
def test_record_listens_as_it_is_shown(command: list[str], tmp_path: Path) -> None:
    anywhere = ["0" if word == "8601" else word for word in command]
    with subprocess.Popen(
        [*COMMAND, *anywhere, "--json"],
        cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True,
        preexec_fn=hear_interrupts,
    ) as process:  # fmt: skip
        try:
            assert process.stdout and "openai" in process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
        finally:
            process.kill()


@pytest.mark.socket
@pytest.mark.thorough
def test_what_was_recorded_becomes_a_mock_that_is_played(tmp_path: Path) -> None:
    with Recorder(tmp_path / "calls.jsonl") as recorder:
        for n in range(200):
            took_s = 0.2 + n / 1e3
            call = Exchange(
                started_at="", provider="stripe", host="h", method="POST", path="/", stage="pay",
                status=200, first_byte_s=took_s, total_s=took_s,
            )  # fmt: skip
            recorder.take(call)
    fit, check = of_verb("mocks")
    fitted = tollbench(*fit, cwd=tmp_path)
    assert (fitted.code, (tmp_path / "my-stripe.toml").exists()) == (0, True), fitted.err
    assert "KS" in fitted.out
    assert tollbench(*check, cwd=tmp_path).code in (
        0,
        3,
        4,
    )  # It may find that the machine is busy.
    small = ("--flows", "8", "--rounds", "2", "--jobs", "1")
    played = tollbench(*of_verb("compare")[1], *small, cwd=tmp_path)
    assert played.code == 0, played.err


def test_every_page_that_is_linked_is_there() -> None:
    linked = re.findall(r"\]\(([\w.]+\.md)\)", TEXT)
    assert linked and [name for name in linked if not (DOCS / name).exists()] == []
    assert "bench-gateways:" in (DOCS.parent / "Makefile").read_text("utf-8")
