"""`tollbench mocks serve --ledger FILE` as a user runs it: killed, begun again, and refused."""

import os
import signal
import sqlite3
import sys
import time
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import httpx
import msgspec
import pytest

from harness.cli import main
from mocks import key_material
from mocks.kept import Kept
from mocks.kept_file import KeptFile, Now
from tests.cli.serving import Serving, serving

PAYMENT = {
    "amount": "4580", "currency": "cny", "confirm": "true", "payment_method": "pm_card_visa",
    "metadata[order_no]": "order-1", "automatic_payment_methods[enabled]": "true",
    "automatic_payment_methods[allow_redirects]": "never",
}  # fmt: skip


@pytest.mark.socket
@pytest.mark.thorough
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_serving_that_was_killed_goes_on_in_the_next(workers: str, tmp_path: Path) -> None:
    args = ("--seed", "7", "--ledger", "books", "--workers", workers)
    with serving(tmp_path, *args) as before:
        paid = _pay(before).json()
        assert paid["status"] == "succeeded"
        assert before.chat().status_code == 200
        books = before.get("/_ledger").json()
        asked_s = time.perf_counter()
        spans = before.get("/_spans").json()
        assert asked_s < spans["clock_s"] < time.perf_counter()
        assert all(span["work_ms"] > 0 for span in spans["spans"])
        before.process.kill()
    with serving(tmp_path, *args) as after:
        keys = {name: at["peer_key"] for name, at in after.told["providers"].items()}
        assert keys == {name: at["peer_key"] for name, at in before.told["providers"].items()}
        assert after.get("/_ledger").json() == books
        again = _pay(after)
        assert again.json() == paid
        assert again.headers["idempotent-replayed"] == "true"
        (account,) = [of for of in after.get("/_books").json() if of["lane"] == "stripe"]
        assert [moved[2] for moved in account["movements"]] == ["captured", "fee"]
        assert after.end() == 0
    assert "tollbench: the books go on from call 2" in after.err.splitlines()
    with closing(sqlite3.connect(tmp_path / "books")) as sql:
        told = sql.execute("SELECT provider, order_no, moved, amount_minor FROM movements")
        assert next(iter(told)) == ("stripe", "order-1", "captured", 4580)


def _pay(server: Serving) -> httpx.Response:
    at = server.told["providers"]["stripe"]
    headers = {"authorization": f"Bearer {at['key']}", "idempotency-key": "order-1"}
    return server.client.post(f"{at['url']}/v1/payment_intents", data=PAYMENT, headers=headers)


@pytest.mark.socket
@pytest.mark.thorough
def test_served_faults_are_those_that_were_asked_for(tmp_path: Path) -> None:
    with serving(tmp_path, "--faults", "errors=100%", "--log", "log") as server:
        assert server.chat().status_code == 500
        assert server.get("/_faults").json() == {"errors": {"other": 1}}
        assert server.end() == 0
    begin = msgspec.json.decode((tmp_path / "log").read_text().splitlines()[0])
    assert begin["replay"].endswith("--faults errors=100%")


@pytest.mark.thorough
def test_ctrl_c_ends_a_serving_that_asks_all_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which awaits nothing, so that no loop hears of it meanwhile."""
    asked_again = []

    def interrupted(self: Kept) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        asked_again.append(self)

    monkeypatch.setattr(Kept, "_ask_all_again", interrupted)
    monkeypatch.setattr(key_material, "keep", lambda before, put: None)
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(
        sys, "argv", ["tollbench", "mocks", "serve", "--port=0", f"--ledger={tmp_path}/books"]
    )
    with pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code, asked_again, capsys.readouterr().out) == (0, [], "")
    assert signal.getsignal(signal.SIGINT) == before


# Mistakes


def test_all_that_is_wrong_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        sys, "argv", ["tollbench", "mocks", "serve", "--port=x", "--ledger=", "--faults=rain=1%"]
    )
    with pytest.raises(SystemExit):
        main()
    assert len(capsys.readouterr().err.splitlines()) == 3


@pytest.mark.parametrize(
    ("args", "held"),
    [
        (("--ledger", "no/books"), "--ledger takes a file in a folder that is there, as in books."),
        (("--ledger", ""), "--ledger takes a file in a folder that is there, as in books.sqlite, "),
        (
            ("--ledger", "."),
            "--ledger takes a file in a folder that is there, as in books.sqlite, ",
        ),
        (("--ledger", "pipe"), "--ledger: pipe is no file but a device or a pipe; name another"),
        (("--ledger", "text"), "--ledger: text is no file of mocks serve (file is not a database)"),
        (("--ledger", "books"), "--ledger: books holds the books of another serving, of seed 2 "),
        (("--faults", "rain=1%"), "--faults"),
    ],
)
def test_what_cannot_be_kept_is_told_in_one_line(
    args: tuple[str, ...],
    held: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("text").write_text("nothing that SQLite wrote")
    KeptFile("books", {"version": version("tollbench"), "seed": "2"}, Now(0.0, 0.0)).close()
    monkeypatch.setattr(sys, "argv", ["tollbench", "mocks", "serve", "--port", "0", *args])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    assert (ended.value.code, told.out) == (2, "")
    (line,) = told.err.splitlines()
    assert held in line
