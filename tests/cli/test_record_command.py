"""`tollbench record` as a user runs it: what it prints, passes on, writes, and refuses."""

import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from harness.calibrate.reading import read_samples
from harness.cli import main
from harness.cli.exits import BadInput
from harness.cli.problems import Problems
from harness.cli.recording import Addresses, chosen_upstreams
from harness.clock import RealClock
from harness.providers import MODELS, PAYMENTS
from mocks.host import KEY, Host, MockConfig
from mocks.profile import ModelProfile, load
from tests.cli.command import COMMAND, environment, hear_interrupts
from tests.sdk.serving import serve

PATIENCE_S = 30.0
CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello?"}]}


def _upstreams(*texts: str) -> dict[str, str]:
    problems = Problems()
    upstreams = chosen_upstreams(problems, texts)
    problems.settle()
    return upstreams


def test_every_provider_with_a_public_host_is_recorded_where_none_is_named() -> None:
    upstreams = _upstreams()
    assert upstreams["openai"] == "https://api.openai.com"
    assert upstreams["stripe"] == "https://api.stripe.com"
    assert {"litellm", "flat", "wechat-ai", "unionpay-ai"}.isdisjoint(upstreams)
    assert all(root.startswith("https://") for root in upstreams.values())


def test_upstreams_are_named_by_provider_by_address_or_all_at_once() -> None:
    assert _upstreams("mistral", "gw=https://gw.example/base/") == {
        "mistral": "https://api.mistral.ai",
        "gw": "https://gw.example/base",
    }
    # What a client's base URL ends with is the wire's own, and is asked for again by the client.
    assert _upstreams("openai=http://127.0.0.1:8700/openai/v1") == {
        "openai": "http://127.0.0.1:8700/openai"
    }
    everything = _upstreams("http://localhost:8700")
    assert set(everything) == {*MODELS, *PAYMENTS}
    assert everything["stripe"] == "http://localhost:8700/stripe"


BAD = [
    (["nobody"], "no provider 'nobody'; take NAME=URL, or one of"),
    (["litellm"], "it has no public host; say where yours is, --to litellm=URL"),
    (["Bad Name=https://x.example"], "is no name for a path"),
    (["a=https://xn--/"], "--to must be http:// or https:// with a host"),
    (["a=http://localhost/\udcff"], "--to must be http:// or https:// with a host"),
    (["a=ftp://x"], "--to must be http:// or https:// with a host"),
    (["a=https://me:pw@x.example"], "a user and password there would not be sent"),
    (["a=https://x.example/?key=1"], "end it before the ? or #"),
    (["a=http://api.openai.com"], "keys would go to api.openai.com unencrypted; write https://"),
    (["a=http://127.0.0.1.evil.example"], "unencrypted"),
    (["openai", "openai=https://x.example"], "--to names openai twice: keep one"),
]


@pytest.mark.parametrize(("texts", "problem"), BAD)
def test_an_upstream_that_cannot_be_is_told_with_its_mend(texts: list[str], problem: str) -> None:
    with pytest.raises(BadInput) as error:
        _upstreams(*texts)
    (told,) = error.value.problems
    assert problem in told and "pw" not in told.replace("password", "")


def test_base_urls_are_told_as_sdks_read_them_and_no_key() -> None:
    addresses = Addresses("http://127.0.0.1:1", _upstreams("openai", "anthropic", "stripe"))
    assert addresses.environment() == {
        "OPENAI_BASE_URL": "http://127.0.0.1:1/openai/v1",
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:1/anthropic",
    }
    (stripe,) = addresses.constructors().values()
    assert '"api": "http://127.0.0.1:1/stripe"' in stripe


def test_all_mistakes_are_told_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    args = ["tollbench", "record", str(tmp_path / "r"), "--to", "nobody", "--stage", "a b"]
    monkeypatch.setattr("sys.argv", [*args, "--port", "x"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 3
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("header", ["Authorization", "x-api-key", "Cookie", "x-auth-token"])
def test_a_header_that_is_for_a_secret_is_no_stage(
    tmp_path: Path,
    header: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    args = ["tollbench", "record", str(tmp_path / "r"), "--port", "0", "--stage", header]
    monkeypatch.setattr("sys.argv", args)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2 and not (tmp_path / "r").exists()
    assert "that header is for a secret" in capsys.readouterr().err


def test_an_upstream_at_the_own_port_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    args = ["tollbench", "record", str(tmp_path / "r"), "--port", port]
    monkeypatch.setattr("sys.argv", [*args, "--to", f"http://localhost:{port}"])
    with pytest.raises(SystemExit):
        main()
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"tollbench: --to leads back to --port {port}: take another port"


def test_a_file_that_is_no_recording_is_not_written_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.csv").write_text("total_ms\n1\n")
    monkeypatch.setattr(
        "sys.argv", ["tollbench", "record", str(tmp_path / "mine.csv"), "--port", "0"]
    )
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "is no recording: name another file" in capsys.readouterr().err
    assert (tmp_path / "mine.csv").read_text() == "total_ms\n1\n"


@pytest.mark.socket
def test_calls_to_mocks_are_recorded_until_ctrl_c(tmp_path: Path) -> None:
    models = {"gpt-4o": load("gpt-4o-mini", ModelProfile)}
    config = MockConfig(seed=1, pay={}, models=models)
    with (
        serve(Host(RealClock(), config)) as mocks,
        _recording(tmp_path, "--to", mocks, "--to", "gone=http://127.0.0.1:1") as process,
    ):
        assert process.stdout
        told: dict[str, Any] = msgspec.json.decode(process.stdout.readline())
        openai, gone = (told["providers"][name]["url"] for name in ("openai", "gone"))
        with httpx.Client(trust_env=False, timeout=PATIENCE_S) as client:
            headers = {"authorization": f"Bearer {KEY}", "x-tollbench-stage": "intent"}
            answer = client.post(f"{openai}/chat/completions", json=CHAT, headers=headers)
            assert answer.status_code == 200
            assert client.get(gone, headers=headers).status_code == 502
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0
    assert "recorded 2 calls" in err and "1 failed, 0 were cut off" in err
    assert "which is in no recorded time; at its busiest" in err and "Traceback" not in err
    samples = read_samples(tmp_path / "calls.jsonl")
    (sample,) = samples.samples
    assert (sample.stage, sample.provider, sample.model) == ("intent", "openai", "gpt-4o")
    assert samples.skipped == {"failed: connection refused": 1}
    assert KEY not in (tmp_path / "calls.jsonl").read_text()


def _recording(cwd: Path, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, "record", "calls.jsonl", "--port", "0", "--json", *args],
        cwd=cwd,
        env={
            **environment(),
            "HTTP_PROXY": "http://127.0.0.1:2",
            "http_proxy": "http://127.0.0.1:2",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_interrupts,
    )
