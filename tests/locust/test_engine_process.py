"""The engine as a child: what it answers to which lines, and that it ends when its input does."""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.record import FlowRow, SpanRow
from mocks.host import MockConfig
from tests.locust.processes import LIMIT_S, PYTHON, ROOT, fast_profiles

pytestmark = pytest.mark.socket

ENGINE = [*PYTHON, "harness.cli.engine"]
RATE, STOP = {"rate": 30.0}, {"stop": True}
Asked = dict[str, Any]
Line = dict[str, Any]


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    return {
        "scenario": "conversation",
        "strategy": "token_cache",
        "seed": "1",
        "flow_rate": "1",
        "think_scale": None,
        "param": ["turns=2", "idle_share=0"],
        **dict.fromkeys(("reason", "score", "gateway", "fallback")),
        **fast_profiles(tmp_path),
    }


def _check(asked: Asked) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*ENGINE, "check"], input=json.dumps(asked).encode(), capture_output=True, cwd=ROOT
    )


@contextlib.contextmanager
def _process(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


def _tell(process: subprocess.Popen[bytes], line: Line | bytes) -> None:
    assert process.stdin is not None
    process.stdin.write((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n")
    process.stdin.flush()


def _lines(process: subprocess.Popen[bytes], ending: Line | None) -> list[Line]:
    """What the engine says, with the ending sent after its first turn; None ends its input."""
    assert process.stdin is not None and process.stdout is not None
    first = json.loads(process.stdout.readline())
    if ending is None:
        process.stdin.close()
        process.stdin = None
    else:
        _tell(process, ending)
    rest, _ = process.communicate(timeout=LIMIT_S)
    return [first, *map(json.loads, rest.splitlines())]


@pytest.mark.parametrize("ending", [STOP, None], ids=["stop", "end of input"])
def test_every_turn_that_was_started_is_told_and_then_the_account(
    asked: Asked, ending: Line | None
) -> None:
    config = _check(asked).stdout
    with _process([*PYTHON, "mocks.server"]) as mocks, _process(ENGINE) as engine:
        _tell(mocks, config)
        assert mocks.stdout is not None
        url = f"http://127.0.0.1:{int(mocks.stdout.readline())}"
        _tell(engine, {"asked": asked, "mocks_url": url, "worker": 3})
        _tell(engine, RATE)
        *turns, account = _lines(engine, ending)
        assert engine.returncode == 0
    assert account["type"] == "account"
    assert account["started"] == account["finished"] == len(turns) > 0
    assert account["due"] % 2 == 0
    assert account["due"] >= account["started"]
    assert len({(turn["flow"]["conversation"], turn["flow"]["turn"]) for turn in turns}) == len(
        turns
    )
    for turn in turns:
        _is_whole(turn)


def _is_whole(turn: Line) -> None:
    """Its rows have every column, and the number of their worker where a run has its round."""
    assert turn["type"] == "turn"
    flow, spans = turn["flow"], turn["spans"]
    assert list(flow) == [field.name for field in msgspec.structs.fields(FlowRow)]
    assert all(
        list(span) == [field.name for field in msgspec.structs.fields(SpanRow)] for span in spans
    )
    assert {row["round"] for row in (flow, *spans)} == {3}
    assert flow["outcome"] in ("paid", "declined")
    assert flow["variant"] == "token_cache"
    assert turn["fault"] == ""
    assert {"intent", "pay", "confirm"} <= {span["stage"] for span in spans}


def test_where_no_mocks_answer_one_line_says_so(asked: Asked) -> None:
    with _process(ENGINE) as engine:
        _tell(engine, {"asked": asked, "mocks_url": "http://127.0.0.1:1", "worker": 0})
        out, err = engine.communicate(timeout=LIMIT_S)
    assert engine.returncode == 2
    assert out == b""
    assert err.startswith(b"tollbench: no mocks at http://127.0.0.1:1: ")
    assert err.count(b"\n") == 1


def test_a_check_answers_with_the_mocks_that_are_needed(asked: Asked) -> None:
    done = _check({**asked, "seed": "7", "think_scale": "0.5"})
    config = msgspec.json.decode(done.stdout, type=MockConfig)
    assert (config.seed, config.lifetime_scale) == (7, 0.5)
    assert list(config.models) == ["model"]
    assert config.pay["pay"].overhead.p50_ms == 240.0


def test_a_check_answers_with_the_whole_cast_that_a_scenario_needs(asked: Asked) -> None:
    cast = {"pay": None, "intent": None, "confirm": "gpt-4o-mini", "gateway": "portkey"}
    done = _check({**asked, **cast, "scenario": "fraud_checked", "param": [], "pay": "flat+stripe"})
    config = msgspec.json.decode(done.stdout, type=MockConfig)
    assert set(config.pay) == {"flat", "stripe"}
    assert set(config.models) == {"gpt-4o", "gpt-4o-mini", "mistral-small"}
    assert set(config.gateways) == {"portkey"}


def test_what_a_scenario_prints_does_not_reach_the_pipe(asked: Asked, tmp_path: Path) -> None:
    talkative = tmp_path / "talkative.py"
    talkative.write_text(
        "from dataclasses import dataclass\n"
        "print('hello')\n"
        "@dataclass(frozen=True)\n"
        "class Talkative:\n"
        "    turns: int = 1\n"
        "    usual_method: str = 'balance'\n"
        "    async def run(self, chat, agent): ...\n"
    )
    done = _check({**asked, "scenario": str(talkative), "param": []})
    assert msgspec.json.decode(done.stdout, type=MockConfig).seed == 1
    assert done.stderr == b"hello\n"


def test_a_check_tells_all_that_is_wrong_a_line_each(asked: Asked) -> None:
    bad = {"strategy": "nonsense", "flow_rate": "0", "seed": "x", "param": ["turns"]}
    done = _check({**asked, **bad})
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 2
    assert done.stdout == b""
    assert len(lines) == 4
    for line, word in zip(lines, ("--flow-rate", "nonsense", "--seed", "turns"), strict=True):
        assert line.startswith("tollbench: ")
        assert word in line
