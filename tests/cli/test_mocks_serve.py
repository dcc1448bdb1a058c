"""`tollbench mocks serve` as a user runs it: what it prints, serves, keeps and leaves behind."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from harness.cli import main
from harness.cli.serving import url_of, warn_if_open
from harness.providers import MODELS, PAYMENTS
from tests.cli.command import COMMAND, environment
from tests.cli.serving import PATIENCE_S, QUICK, Serving, serving

pytestmark = pytest.mark.socket

SHORT_GRACE = "import harness.cli.serving as s; s.GRACE_S = 1; import harness.cli as c; c.main()"
"""The command, but patient for one second only when it is told to end."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One server for the tests that only ask."""
    with serving(tmp_path_factory.mktemp("served"), "--seed", "7") as run:
        yield run
        assert run.end() == 0
        (line,) = run.err.splitlines()
        assert re.fullmatch(r"tollbench: served [\d,]+ calls in \d+ s \(.*\)", line)


def test_every_provider_is_served_under_its_own_base_path(served: Serving) -> None:
    providers = served.told["providers"]
    assert set(providers) >= {*PAYMENTS, *MODELS}
    for name, at in providers.items():
        assert at["url"].startswith(f"{served.told['base_url']}/{name}")
        before = len(served.get("/_spans").json()["spans"])
        answer = served.client.post(at["url"] + "/")
        # A refusal, but one that a mock of that name gave.
        assert 400 <= answer.status_code < 500
        spans = served.get("/_spans").json()["spans"][before:]
        assert [span["status"] for span in spans] == [answer.status_code], name


def test_a_client_that_is_told_by_the_environment_finds_the_mocks(served: Serving) -> None:
    told, base = served.told["environment"], served.told["base_url"]
    assert told["OPENAI_BASE_URL"] == f"{base}/openai/v1"
    assert told["ANTHROPIC_BASE_URL"] == f"{base}/anthropic"
    assert told["GOOGLE_GEMINI_BASE_URL"] == f"{base}/gemini"
    assert all(re.fullmatch(r"[A-Z][A-Z_]+", name) and value for name, value in told.items())
    assert f'"api": "{base}/stripe"' in served.told["constructors"]["stripe"]
    assert served.chat().json()["object"] == "chat.completion"


def test_health_books_and_calls_are_told(served: Serving) -> None:
    health = served.get("/_health").json()
    assert (health["status"], health["seed"]) == ("ok", 7)
    assert set(served.get("/_ledger").json()) == set(PAYMENTS)
    since = served.get("/_spans").json()["clock_s"]
    served.chat()
    (span,) = served.get(f"/_spans?since={since!r}").json()["spans"]
    assert (span["provider"], span["status"]) == ("openai", 200)


def test_a_world_of_its_own_begins_with_empty_books(served: Serving) -> None:
    answer = served.get("/~mine/openai/v1/models")
    assert answer.status_code == 401
    assert len(served.get("/_spans?world=mine").json()["spans"]) == 1


def test_an_unknown_path_is_a_404_that_names_what_there_is(served: Serving) -> None:
    answer = served.get("/nobody/v1/charges")
    assert answer.status_code == 404
    assert [name for name in PAYMENTS if name not in answer.text] == []


def test_it_is_found_on_loopback_only(served: Serving) -> None:
    assert served.told["base_url"].startswith("http://127.0.0.1:")
    port = httpx.URL(served.told["base_url"]).port
    # Another address of this machine: had it been bound to all of them, this would be let in.
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.2", port or 0), 5).close()


@pytest.mark.thorough
def test_the_log_and_the_seed_replay_what_was_served(tmp_path: Path) -> None:
    times = []
    for run, how in (("one.log", signal.SIGINT), ("two.log", signal.SIGTERM)):
        with serving(tmp_path, "--seed", "9", "--log", run) as server:
            assert [server.chat().status_code for _ in range(3)] == [200] * 3
            server.get("/nowhere?api_key=hush")
            assert server.end(how) == 0
        begin, *lines = map(msgspec.json.decode, (tmp_path / run).read_text().splitlines())
        assert begin["seed"] == 9
        assert begin["replay"] == "tollbench mocks serve --seed 9 --profile quick.toml"
        assert begin["profiles"] == server.told["profiles"]
        assert [line["status"] for line in lines] == [200, 200, 200, 404]
        assert [line["draw"] for line in lines[:2]] == ["-1.0.0.foreign.1", "-1.1.0.foreign.1"]
        times.append([line["injected_ms"] for line in lines])
    assert times[0] == times[1]
    assert len({*times[0]}) == 4
    assert "hush" not in (tmp_path / "one.log").read_text()
    assert server.told["providers"]["openai"]["key"] not in (tmp_path / "one.log").read_text()


@pytest.mark.thorough
def test_told_to_end_it_finishes_the_calls_under_way(tmp_path: Path) -> None:
    answers: list[httpx.Response] = []
    # Two calls at one slot, each of a second: neither has its answer when the end is told.
    slow = QUICK.replace("= 50.0", "= 1000.0").replace("= 150.0", "= 1100.0")
    args = ("--capacity", "quick=1", "--log", "log")
    with serving(tmp_path, *args, profile=slow) as server:
        clients = [threading.Thread(target=lambda: answers.append(server.chat())) for _ in range(2)]
        for client in clients:
            client.start()
        while len(server.get("/_spans").json()["spans"]) < 2:
            pass
        code = server.end()
        for client in clients:
            client.join()
    assert code == 0
    assert [answer.status_code for answer in answers] == [200, 200]
    lines = [msgspec.json.decode(line) for line in (tmp_path / "log").read_text().splitlines()]
    first, second = sorted(line["queue_ms"] for line in lines if line.get("provider"))
    assert first == 0 < second
    assert f"served {len(lines) - 1} calls" in server.err


@pytest.mark.thorough
def test_who_takes_too_long_is_cut_off_and_nothing_is_made_of_it(tmp_path: Path) -> None:
    with serving(tmp_path, command=(sys.executable, "-P", "-c", SHORT_GRACE)) as server:
        at = httpx.URL(server.told["base_url"])
        with socket.create_connection((at.host, at.port or 0), PATIENCE_S) as half:
            half.sendall(b"POST /stripe/v1/refunds HTTP/1.1\r\ncontent-length: 9\r\n\r\n")
            server.get("/_health")
            assert server.end() == 0
    assert [line for line in server.err.splitlines() if "served" not in line] == []


def test_people_are_shown_a_table_of_80_columns_and_lines_to_copy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    with subprocess.Popen(
        [*COMMAND, "mocks", "serve", "--port", str(port), "--log", "-"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout
        lines: list[str] = []
        while not lines or "Ctrl-C" not in lines[-1]:
            lines.append(process.stdout.readline().rstrip("\n"))
        process.terminate()
        process.wait(PATIENCE_S)
    begin, *shown = lines
    assert msgspec.json.decode(begin)["seed"] == 1
    table = [line for line in shown if line.startswith(" ")]
    assert all(len(line) <= 80 for line in table)
    for name in (*PAYMENTS, *MODELS):
        assert [line for line in table if f"http://127.0.0.1:{port}/{name}" in line], name
    # No name of a profile is broken.
    assert [line for line in table if line.split()[-1:] == ["claude-3-5-haiku-claimed,"]]
    assert "…" not in "".join(shown)
    assert f"export OPENAI_BASE_URL=http://127.0.0.1:{port}/openai/v1" in shown
    assert shown[-1] == "Serving with seed 1; Ctrl-C ends it."


@pytest.mark.parametrize(
    ("bound", "shown", "warned"),
    [("127.0.0.1", "127.0.0.1", False), ("0.0.0.0", "127.0.0.1", True), ("::1", "[::1]", False)],
)
def test_whoever_listens_beyond_this_machine_is_warned(
    bound: str, shown: str, warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    family = socket.AF_INET6 if ":" in bound else socket.AF_INET
    try:
        listener = socket.create_server((bound, 0), family=family)
    except OSError:
        pytest.skip(f"this machine has no {bound}")
    with listener:
        warn_if_open(listener)
        assert url_of(listener) == f"http://{shown}:{listener.getsockname()[1]}"
    told = capsys.readouterr().err
    assert ("whoever can reach it can use every mock" in told) == warned


# Mistakes. None of them gets as far as serving, so they are made in here.


def _mistaken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *args: str
) -> list[str]:
    monkeypatch.setattr(sys, "argv", ["tollbench", "mocks", "serve", *args])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert (ended.value.code, told.out) == (2, "")
    return told.err.splitlines()


def test_all_mistakes_are_told_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        problems = _mistaken(
            monkeypatch, capsys, "--port", port, "--seed", "x", "--profile", "nobody",
            "--capacity", "many", "--log", "no/folder", "--webhooks-to", "http://there/",
        )  # fmt: skip
    held = [
        f"tollbench: --port {port} is in use: take another, or 0 for any free one",
        "tollbench: --log: no/folder cannot be written (No such file or directory)",
        "tollbench: --webhooks-to takes a host, as in hooks.example.com, not 'http://there/'",
        "tollbench: --seed must be a whole number",
        "tollbench: --profile: unknown profile 'nobody'",
        "tollbench: --capacity must be a whole number",
    ]
    assert [text for text, told in zip(held, problems, strict=True) if text not in told] == []


@pytest.mark.parametrize(
    ("args", "held"),
    [
        (("--port", "70000"), "--port must be a whole number from 0 to 65,535"),
        (("--port", "0", "--workers", "0"), "--workers must be a whole number from 1 to 64"),
        (("--host", "192.0.2.1", "--port", "0"), "--host 192.0.2.1 is no address of this machine"),
        (("--host", "no such host", "--port", "0"), "--host no such host is no address"),
        (("--host", "::ffff", "--port", "0"), "--host ::ffff is no address"),
    ],
)
def test_an_address_that_cannot_be_listened_at_is_told(
    args: tuple[str, ...],
    held: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (problem,) = _mistaken(monkeypatch, capsys, *args)
    assert held in problem


@pytest.mark.skipif(os.geteuid() == 0, reason="root may take any port")
def test_a_port_for_root_alone_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (problem,) = _mistaken(monkeypatch, capsys, "--port", "1")
    assert problem.endswith("take one from 1024")
