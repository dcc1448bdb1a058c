"""Keys from the environment are in no file that a run writes, and a run on mocks reads none."""

import base64
import gzip
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import httpx
import msgspec
import pyarrow
import pyarrow.parquet
import pytest

from harness.cli.exits import INVALID, PASS
from harness.clock import RealClock
from harness.providers.unionpay_ai import TOKEN_PATH
from mocks.host import Host, MockConfig
from mocks.profile import ModelProfile, load
from tests.cli.command import COMMAND
from tests.cli.quick import NAMES, write_profiles
from tests.sdk.serving import serve
from tests.secrets_search import VALUES, VARIABLES, leaked, run_verbs, with_secrets

KEY = VALUES["OPENAI_API_KEY"]
CARD = "4111111111111111"
"""Anybody's: no test card of Stripe's."""
OPENS = {"authorization": "Bearer sk_test_mock_api_key"}
GPT_4O = load("gpt-4o", ModelProfile)
FAULTS = "--faults reset=1%,duplicates=1%,errors=1%"
QUICK = " ".join(NAMES)


def test_virtual_runs_write_no_key_and_read_none(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    folder.mkdir()
    done = run_verbs(
        [
            f"compare --flows 8 --rounds 2 --no-report {FAULTS}",
            "load conversation --clock virtual --rate 20 --duration 1",
        ],
        folder,
    )
    assert done.codes == [0, 0], done.said
    assert len([path for path in folder.rglob("*") if path.is_file()]) > 4
    assert leaked(folder, done.said) == []
    assert done.read == set()


@pytest.mark.parametrize("variable", [VARIABLES[0], VARIABLES[-1]])
def test_the_search_finds_a_key_in_files_of_every_kind(variable: str, tmp_path: Path) -> None:
    key = VALUES[variable]
    written = {
        "plain": f"key={key}.".encode(),
        "begins": f"key={key[:12]}...".encode(),
        "quoted": quote(key).encode(),
        "packed.gz": gzip.compress(key.encode()),
        **{f"coded{n}": base64.b64encode(b"x" * n + key.encode() + b"yy") for n in range(4)},
    }
    for name, raw in written.items():
        (tmp_path / name).write_bytes(raw)
    table = pyarrow.table({"why": ["it was fine", f"401 {key}"]})
    pyarrow.parquet.write_table(table, tmp_path / "spans.parquet")
    with closing(sqlite3.connect(tmp_path / "books")) as sql:
        sql.execute("CREATE TABLE calls (body BLOB)")
        sql.execute("INSERT INTO calls VALUES (?)", (b"." * 9000 + key.encode(),))
        sql.commit()
    named = {name for name, whose in leaked(tmp_path) if whose == variable}
    assert named == {*written, "spans.parquet", "books"}
    assert leaked(tmp_path / "nowhere", key.encode()) == [("said", variable)]


# The slower verbs


@pytest.mark.thorough
@pytest.mark.socket
@pytest.mark.parametrize(
    ("command", "codes", "files"),
    [
        (f"compare --flows 8 --rounds 2 {FAULTS}", [PASS], 4),
        (
            f"compare checkout --flows 16 --rounds 2 --clock real --rate 50 --no-report {FAULTS} "
            f"{QUICK}",
            [PASS, INVALID],  # of a machine that was busy
            3,
        ),
        (f"load checkout --rate 20 --duration 1 {QUICK}", [PASS, INVALID], 3),
        ("torture --seeds 8 --jobs 1", [PASS], 0),
    ],
    ids=["report", "real clock", "load", "torture"],
)
def test_no_verb_writes_a_key(command: str, codes: list[int], files: int, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    write_profiles(folder, times_faster=20)
    done = run_verbs([command], folder)
    (code,) = done.codes
    assert code in codes, done.said
    assert len([path for path in folder.rglob("results/**/*") if path.is_file()]) >= files
    assert leaked(folder, done.said) == []
    assert done.read == set()


FLOW = """
def test_flow(play_flow, assert_latency):
    assert_latency(play_flow("conversation", turns=20, rounds=5), baseline=True)
"""


@pytest.mark.thorough
def test_baselines_of_pytest_hold_no_key(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(FLOW)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--tollbench-update", "-q"],
        cwd=tmp_path,
        env=with_secrets(),
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
    assert list(tmp_path.rglob("baseline/**/*.json"))
    assert leaked(tmp_path, done.stdout, done.stderr) == []


@pytest.mark.thorough
@pytest.mark.socket
def test_a_recording_of_a_call_holds_none_of_its_key(tmp_path: Path) -> None:
    mocks = Host(RealClock(), MockConfig(seed=1, pay={}, models={"gpt-4o": GPT_4O}))
    with (
        serve(mocks) as base_url,
        subprocess.Popen(
            [*COMMAND, "record", "calls", "--to", base_url, "--port", "0", "--json", "--bodies"],
            cwd=tmp_path,
            env=with_secrets(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as recording,
    ):
        assert recording.stdout is not None
        first = recording.stdout.readline()
        at = msgspec.json.decode(first)["base_url"]
        with httpx.Client(trust_env=False) as client:
            for sent in _mistaken(at):
                client.send(sent)
        recording.send_signal(signal.SIGINT)
        out, err = recording.communicate()
    assert (tmp_path / "calls").stat().st_size > 1000
    assert leaked(tmp_path, first + out, err) == []


@pytest.mark.thorough
@pytest.mark.socket
def test_served_mocks_put_no_key_down_that_a_client_sent_by_mistake(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "mocks", "serve", "--port", "0", "--json", "--log", "log", "--ledger", "books"],
        cwd=tmp_path,
        env=with_secrets(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as served:
        assert served.stdout is not None
        first = served.stdout.readline()
        base_url = msgspec.json.decode(first)["base_url"]
        with httpx.Client(trust_env=False) as client:
            for sent in _mistaken(base_url):
                assert client.send(sent).status_code in (400, 401, 402, 403, 404)
        served.kill()
        out, err = served.communicate()
    with closing(sqlite3.connect(tmp_path / "books")) as sql:
        assert sql.execute("SELECT count(*) FROM calls").fetchone() == (len(_mistaken(base_url)),)
    assert leaked(tmp_path, first + out, err) == []
    assert [path.name for path in tmp_path.iterdir() if CARD.encode() in path.read_bytes()] == []


def _mistaken(base_url: str) -> list[httpx.Request]:
    """Calls of clients whose base URL was changed, and whose key was not."""
    said = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
    basic = base64.b64encode(f"{KEY}:".encode()).decode()
    half = base64.b64encode(f"mock-client:{KEY}".encode()).decode()
    of = {"openai-organization": KEY, "openai-project": KEY}
    in_headers = [
        httpx.Request("POST", f"{base_url}{path}", headers=headers, json=said)
        for path, headers in [
            ("/openai/v1/chat/completions", {"authorization": f"Bearer {KEY}"}),
            ("/openai/v1/chat/completions", {"authorization": "Bearer other", **of}),
            (f"/unionpay-ai{TOKEN_PATH}", {"authorization": f"Basic {half}"}),
            ("/anthropic/v1/messages", {"x-api-key": KEY}),
            (f"/gemini/v1beta/models/gemini-2.5-pro:generateContent?key={quote(KEY)}", {}),
            ("/gemini/v1beta/models/x:generateContent", {"x-goog-api-key": KEY}),
            ("/stripe/v1/payment_intents", {"authorization": f"Basic {basic}"}),
            ("/stripe/v1/payment_intents", {"authorization": f"Bearer {KEY}"}),
            ("/portkey/v1/chat/completions", {"x-portkey-api-key": KEY}),
            ("/nobody/v1", {"authorization": KEY}),
        ]
    ]
    card = {"type": "card", "card[number]": CARD, "card[cvc]": "987"}
    form = {"grant_type": "client_credentials", "client_id": "mock-client", "client_secret": KEY}
    session = {"op": "session.open", "app_secret": KEY, "openid": "ada", "method": "balance"}
    in_bodies = [
        httpx.Request("POST", f"{base_url}/stripe/v1/payment_methods", data=card, headers=OPENS),
        httpx.Request("POST", f"{base_url}/unionpay-ai{TOKEN_PATH}", data=form),
        httpx.Request("POST", f"{base_url}/wechat-ai/rpc", json=session),
    ]
    return in_headers + in_bodies
