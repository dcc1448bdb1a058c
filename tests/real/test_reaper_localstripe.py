"""A run that is killed in mid-turn, and its reaping, against localstripe: a server of Stripe's wire
that somebody else wrote, in a process of its own. Nothing is open on it afterwards."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from harness.cli.exits import INVALID, PASS
from harness.cli.leftovers import JOURNAL
from harness.real.journal import Entry, read_journal
from tests.cli.command import environment
from tests.cli.processes import until
from tests.sdk.test_localstripe import SCRIPT

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.sdk,
    pytest.mark.socket,
    pytest.mark.skipif(importlib.util.find_spec("localstripe") is None, reason="needs localstripe"),
]

KEY = "sk_test_51localstripe"
ROOT = Path(__file__).parents[2]
FEW = ("--flows", "40", "--rounds", "1", "--rate", "4", "--vary", "prewarm", "--no-report")


class Server:
    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, path: str, form: Mapping[str, object] | None = None) -> Any:
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            urlencode(form).encode() if form else None,
            {"authorization": f"Bearer {KEY}"},
        )
        with urllib.request.urlopen(asked) as answer:
            return json.load(answer)

    @property
    def intents(self) -> list[Any]:
        found: list[Any] = self.ask("/v1/payment_intents?limit=100")["data"]
        return found

    @property
    def open(self) -> list[str]:
        """Intents that could still be paid, or were paid and not given back."""
        return [
            of["id"]
            for of in self.intents
            if of["status"] != "canceled"
            and not (
                of["status"] == "succeeded"
                and of["latest_charge"]["amount_refunded"] == of["amount"]
            )
        ]


@pytest.fixture
def server() -> Iterator[Server]:
    command = [sys.executable, "-c", SCRIPT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            yield Server(int(process.stdout.readline()))
        finally:
            process.kill()


def began(server: Server, cwd: Path, *args: str) -> "subprocess.Popen[str]":
    """In an environment that opens nobody but the server."""
    command = [sys.executable, "-m", "tests.real.localstripe_run", str(server.port), *args]
    opened = {"STRIPE_API_KEY": KEY, "PYTHONPATH": str(ROOT)}
    kept = {name: value for name, value in environment(**opened).items() if "_KEY" not in name}
    return subprocess.Popen(
        command,
        cwd=cwd,
        env={**kept, "STRIPE_API_KEY": KEY},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def reaped(server: Server, cwd: Path, *args: str) -> tuple[int, str]:
    process = began(server, cwd, "reap", *args)
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    return process.returncode, out


def test_after_kill_9_in_mid_run_reaping_leaves_nothing_open(
    server: Server, tmp_path: Path
) -> None:
    run = began(
        server, tmp_path, "compare", "checkout", "--targets", "real", "--pay", "stripe", *FEW
    )
    try:
        until(lambda: run.poll() is not None or len(_entries(tmp_path)) >= 6)
        assert run.poll() is None, run.communicate()
        code, told = reaped(server, tmp_path, "--json")
        assert code == INVALID
        assert {"its run goes on" in of["why"] for of in json.loads(told)["left"]} == {True}
        os.kill(run.pid, signal.SIGKILL)
    finally:
        run.kill()
        run.communicate()
    assert not list(tmp_path.rglob("run.json"))
    assert server.open

    code, told = reaped(server, tmp_path)
    assert (code, server.open) == (PASS, []), told
    entries = _entries(tmp_path)
    assert {entry.state for entry in entries} == {"closed"}
    numbers = {of["metadata"]["order_no"] for of in server.intents}
    assert numbers <= {entry.order_no for entry in entries}
    assert reaped(server, tmp_path) == (PASS, "nothing is open\n")


def test_orders_whose_answers_never_came_are_found_in_its_list(
    server: Server, tmp_path: Path
) -> None:
    order = {"amount": 50, "currency": "usd", "payment_method": "pm_card_visa"}
    for order_no, confirm in (("unpaid", "false"), ("paid", "true"), ("foreign", "false")):
        server.ask(
            "/v1/payment_intents", {**order, "confirm": confirm, "metadata[order_no]": order_no}
        )
    journal = tmp_path / "results" / "run-1" / JOURNAL
    journal.parent.mkdir(parents=True)
    with journal.open("wb") as file:
        for order_no in ("unpaid", "paid", "never-sent"):
            entry = Entry(
                provider="stripe", mode="sandbox", order_no=order_no, amount_minor=50,
                currency="USD", at=time.time() - 60.0, run_id="run-1",
            )  # fmt: skip
            file.write(msgspec.json.encode(entry) + b"\n")
    code, told = reaped(server, tmp_path)
    assert code == PASS, told
    how = {entry.order_no: entry.how for entry in _entries(tmp_path)}
    assert how == {"unpaid": "closed", "paid": "refunded", "never-sent": "not there"}
    # What is not ours is let be.
    [foreign] = server.open
    assert server.ask(f"/v1/payment_intents/{foreign}")["metadata"] == {"order_no": "foreign"}


def _entries(folder: Path) -> list[Entry]:
    return [entry for path in folder.rglob(JOURNAL) for entry in read_journal(path)]
