"""README claims nothing that is not run here."""

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import msgspec
import pytest

from harness.providers import MODELS
from harness.record import RunSummary
from mocks.profile import GatewayProfile, ModelProfile, PaymentProfile, load, names
from tests.cli.agent_process import serving
from tests.cli.command import hear_interrupts, tollbench
from tests.readme import BLOCK, PEERS_BLOCK, README, compare, peers_shown, shown

TEXT = README.read_text("utf-8")
COMMANDS = re.findall(r"^\.venv/bin/(\S+ [^#\n]*)", TEXT, re.MULTILINE)

# What README shows takes minutes on the real clock; the same commands, made short.
FAST = "--intent claude-3-5-haiku-claimed --confirm claude-3-5-haiku-claimed"
SHORT = f"--set turns=1 --out OUT {FAST}"
BARE = f"--no-report {SHORT}"
SHORTER = {
    "tollbench compare --until-certain": f"--flows 40 --rounds 10 {BARE}",
    "tollbench compare": f"--flows 8 --rounds 1 {BARE}",
    "tollbench selftest": f"--pairs 2 --flows 20 --rounds 5 {SHORT}",
    "tollbench sweep": f"--percentile p50 --from 4 --resolution 90% --duration 5 {BARE}",
    "tollbench diff": "",
    "tollbench report": "--no-open --out RUNS",
    "tollbench doctor": "",
    "tollbench mocks check": "--samples 2000",
    "tollbench load conversation": f"--duration 1 {SHORT}",
    "tollbench load http": "--duration 1 --url URL --out OUT",
    "locust -f scenarios/locustfile.py --headless -u": (
        f"-u 2 -r 2 -t 4s --flow-rate 10 --set turns=1 --out OUT {FAST}"
    ),
    "pytest": "tests/benchmarks/test_analysis_speed.py -q",
}
SERVERS = {
    "tollbench mocks serve": ("--port 0", "OPENAI_BASE_URL=", "_health", 200),
    "tollbench agent": ("--port 0 --mocks-port 0", "Agent ", "health", 200),
    "tollbench record": ("--port 0", "OPENAI_BASE_URL=", "nowhere", 404),
}
"""They run until they are told to end: how to take any free port, what begins the line with the
address, a path at which they answer by themselves, and with which status."""
QUICK = ("tollbench compare --confirm", "tollbench doctor")
"""Those that the default run takes; what the others do, other tests of it do."""
STAGING = "locust -f scenarios/locustfile.py --headless --scenario app-chat"
"""Loads what `make staging` serves."""


@pytest.fixture
def url() -> Iterator[str]:
    """A server for the probe to probe."""

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_the_report_shown_is_what_compare_prints_today(tmp_path: Path) -> None:
    block = BLOCK.search(TEXT)
    assert block is not None
    told = shown(compare(tmp_path, "--no-report"))
    assert f"```text\n{told}```\n" in block[0]


def test_the_peers_shown_are_those_that_were_measured() -> None:
    block = PEERS_BLOCK.search(TEXT)
    assert block is not None
    assert f"-->\n{peers_shown()}<!-- /peers" in block[0]


def test_the_scenario_shown_runs_as_it_says(tmp_path: Path) -> None:
    code = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)
    command = re.search(r"`tollbench (compare coffee\.py --set \S+)`", TEXT)
    assert code and command
    (tmp_path / "coffee.py").write_text(code[1], "utf-8")
    small = ["--flows", "24", "--rounds", "4", "--jobs", "1", "--no-report"]
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", *command[1].split(), *small],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("coffee.py")


def test_the_scenario_shown_has_at_most_20_lines() -> None:
    code = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert code and len(code[1].splitlines()) <= 20


def test_every_file_and_folder_that_readme_names_exists() -> None:
    named = re.findall(r"`((?:harness|mocks|scenarios|results)/[\w/.-]*)`|\]\(([\w/.-]+)\)", TEXT)
    paths = [path for pair in named for path in pair if path]
    assert len(paths) > 8
    assert [path for path in paths if not (README.parent / path).exists()] == []


def test_readme_shows_every_door() -> None:
    doors = {*SHORTER, *SERVERS, STAGING}
    assert {name for name in doors if any(c.startswith(name) for c in COMMANDS)} == doors


@pytest.mark.socket
@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith(tuple(SERVERS))])
def test_every_server_shown_serves_until_it_is_interrupted(command: str, tmp_path: Path) -> None:
    begun = (of for name, of in SERVERS.items() if command.startswith(name))
    anywhere, line, path, status = next(begun)
    words = shlex.split(f"{command} {anywhere}")
    program = Path(sys.executable).parent / words[0]
    with subprocess.Popen(
        [program, *words[1:]],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=hear_interrupts,
    ) as process:
        try:
            assert process.stdout
            told = next(each for each in process.stdout if line in each)
            url = re.search(r"http://[^/]+/", told)
            assert url
            assert httpx.get(f"{url[0]}{path}", trust_env=False).status_code == status
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
            assert process.returncode == 0
        finally:
            process.kill()


@pytest.mark.socket
@pytest.mark.thorough
def test_what_make_staging_serves_is_loaded_by_the_command_shown(tmp_path: Path) -> None:
    recipe = (README.parent / "Makefile").read_text("utf-8")
    assert "staging: .venv/ready\n\t$(BIN)/tollbench agent\n" in recipe
    (command,) = (c for c in COMMANDS if c.startswith(STAGING))
    with serving(tmp_path) as agent:
        text = command.replace("http://127.0.0.1:8600", agent.told["host"])
        text = text.replace("http://127.0.0.1:8700", agent.told["mocks_url"])
        words = shlex.split(f"{text} -u 2 -r 2 -t 3s --flow-rate 5 --out {tmp_path}")
        program = Path(sys.executable).parent / words[0]
        done = subprocess.run(
            [program, *words[1:]], cwd=README.parent, capture_output=True, text=True, env=_alone()
        )
    assert done.returncode == 0 or _only_late(tmp_path), done.stdout + done.stderr
    told = msgspec.json.decode((tmp_path / "latest" / "run.json").read_bytes(), type=RunSummary)
    (app,) = told.variants
    assert {"intent", "pay", "confirm"} < app.critical_ms.keys()


@pytest.mark.socket
@pytest.mark.parametrize(
    "command",
    [
        pytest.param(c, marks=() if c.startswith(QUICK) else pytest.mark.thorough)
        for c in COMMANDS
        if c.startswith(tuple(SHORTER))
    ],
)
def test_every_command_shown_runs(command: str, url: str, tmp_path: Path) -> None:
    shorter = next(more for name, more in SHORTER.items() if command.startswith(name))
    text = f"{command} {shorter}".replace("URL", url)
    if "RUN" in text:
        kept = a_run(tmp_path / "runs")
        text = text.replace("results/RUN_A", str(kept)).replace("results/RUN_B", str(kept))
        text = text.replace("RUNS", str(kept.parent))
    words = shlex.split(text.replace("OUT", str(tmp_path)))
    program = Path(sys.executable).parent / words[0]
    done = subprocess.run(
        [program, *words[1:]], cwd=README.parent, capture_output=True, text=True, env=_alone()
    )
    assert done.returncode == 0 or _only_late(tmp_path), done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def a_run(out: Path) -> Path:
    """Stored for the commands that read one."""
    small = ["--flows", "80", "--rounds", "10", "--vary", "prewarm", "--jobs", "1"]
    done = tollbench("compare", *small, "--out", str(out), cwd=out.parent)
    assert done.code == 0, done.err
    return (out / "latest").resolve()


def _alone() -> dict[str, str]:
    """The environment without what tells a pytest that it is one of several."""
    return {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_XDIST")}


def _only_late(out: Path) -> bool:
    """Whether all that was wrong with the run is that this machine was busy."""
    kept = out / "latest" / "run.json"
    if not kept.exists():
        return False
    reasons = msgspec.json.decode(kept.read_bytes(), type=RunSummary).invalid_because
    return bool(reasons) and all("is over the limit of" in reason for reason in reasons)


def _cast_rows() -> dict[str, str]:
    """The rows of the tables of systems, by each name in their first cell."""
    cast = TEXT.split("## The cast")[1].split("\n## ")[0]
    rows = [line for line in cast.splitlines() if line.startswith("| `")]
    return {name: row for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])}


def test_the_cast_shown_is_the_cast_there_is() -> None:
    named = set(_cast_rows())
    assert named == {*names(PaymentProfile), *MODELS}


@pytest.mark.parametrize("name", names(ModelProfile))
def test_each_models_latency_is_shown_with_its_provenance(name: str) -> None:
    profile = load(name, ModelProfile)
    told = _cast_rows()[profile.provider].split("|")[3]
    groups = {group.split()[-1]: group for group in told.split(";")}
    assert f"`{name}`" in groups[profile.latency.provenance]


@pytest.mark.parametrize("name", names(PaymentProfile))
def test_each_payment_providers_figures_are_shown_with_their_provenance(name: str) -> None:
    profile, cells = load(name, PaymentProfile), _cast_rows()[name].split("|")
    assert cells[3].strip() == profile.overhead.provenance
    assert f"{profile.fee.provenance}: " in cells[4]


@pytest.mark.parametrize("name", names(GatewayProfile))
def test_each_gateways_hop_is_shown_with_its_provenance(name: str) -> None:
    told = _cast_rows()[name].split("|")[3]
    assert told.strip().startswith(load(name, GatewayProfile).hop.provenance)
