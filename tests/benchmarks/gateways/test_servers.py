"""What gateways are started with: nothing of the user's environment, this machine's address alone.
The one test that starts them is a slow one."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.gateways import servers
from tests.benchmarks.gateways.asked import DIRECT, KINDS, Way
from tests.benchmarks.gateways.measure import measured
from tests.benchmarks.gateways.plan import Lengths
from tests.benchmarks.gateways.tools import FOLDER, found, versions

UPSTREAM = Way(
    DIRECT, "http://127.0.0.1:1/openai/v1/chat/completions", {"authorization": "Bearer k"}
)


def test_nothing_of_the_users_environment_reaches_a_gateway(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("OPENAI_API_KEY", "DATABASE_URL", "LITELLM_MASTER_KEY", "https_proxy"):
        monkeypatch.setenv(name, "the-users-own")
    env = servers.environment(servers.LITELLM_SETTINGS, tmp_path)
    assert "the-users-own" not in env.values()
    assert env["HOME"] == str(tmp_path)
    assert env["HTTPS_PROXY"] == servers.NOWHERE and env["NO_PROXY"] == "127.0.0.1"


def test_litellm_knows_one_model_and_retries_nothing() -> None:
    config = servers.litellm_config(UPSTREAM, "sk-0")
    assert config == {
        "model_list": [
            {
                "model_name": "upstream",
                "litellm_params": {
                    "model": "openai/upstream",
                    "api_base": "http://127.0.0.1:1/openai/v1",
                    "api_key": "k",
                },
            }
        ],
        "litellm_settings": {"num_retries": 0, "telemetry": False},
        "general_settings": {"master_key": "sk-0"},
    }


def test_why_a_gateway_did_not_start_is_its_last_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert servers.last_line(log) == "it said nothing"
    log.write_text("one\nno such option\n\n")
    assert servers.last_line(log) == "no such option"


def test_what_is_not_installed_is_named_so(tmp_path: Path) -> None:
    there = found(tmp_path)
    assert {name: tool.missing for name, tool in there.items()} == {
        "LiteLLM": "not installed",
        "Portkey": "not installed",
    }
    assert set(versions(there)) == {"tollbench", "Python"}


def test_versions_are_those_of_the_packages(tmp_path: Path) -> None:
    venv = tmp_path / "litellm"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "litellm").touch()
    (venv / "lib/python3.11/site-packages/litellm-1.106.2.dist-info").mkdir(parents=True)
    assert found(tmp_path)["LiteLLM"].version == "1.106.2"


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node here")
@pytest.mark.socket
@pytest.mark.parametrize("listen", ["(0)", "(0, '0.0.0.0')", "({port: 0})", "(0, () => {})"])
def test_whoever_listens_under_the_preload_does_so_here_alone(listen: str) -> None:
    preload = Path(servers.__file__).with_name("bind_here.cjs")
    script = (
        f"const s = require('net').createServer(); s.on('listening', () => "
        f"{{ console.log(s.address().address); s.close(); }}); s.listen{listen};"
    )
    command = ["node", "--require", str(preload), "--eval", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "127.0.0.1\n"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="cores are pinned on Linux")
def test_gateways_pass_json_and_streams_on_and_end() -> None:
    there = found(FOLDER)
    if all(tool.missing for tool in there.values()):
        pytest.skip("no gateway is installed")
    lengths = Lengths(loads=(5,), rounds=1, in_flight=4, full_s=0.5)
    (of,) = measured(there, lengths, 1)
    assert of.troubles == []
    installed = [tool.name for tool in there.values() if not tool.missing]
    assert of.ways == [DIRECT, *installed]
    assert {(cell.way, cell.kind) for cell in of.cells} == {
        (way, kind) for way in of.ways for kind in KINDS
    }
    assert [(cell.failed, cell.sent) for cell in of.cells] == [(0, 20)] * len(of.cells)
