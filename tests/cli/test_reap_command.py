"""`tollbench reap`: what runs left open is ended and told, and the exit code is by what is open
still. Mocks of ours stand in for real hosts."""

import errno
import json
import os
from pathlib import Path

import httpx
import msgspec
import pytest

from harness.cli import real_ways
from harness.cli.app import app
from harness.cli.exits import INVALID, PASS, BadInput
from harness.cli.leftovers import JOURNAL
from harness.cli.reap import reap
from harness.clock import RealClock, run
from harness.providers import stripe as wire
from harness.real.caps import USUAL
from harness.real.credentials import Found, find
from harness.real.journal import Entry, Journal, read_journal
from harness.real.meter import Meter
from harness.real.reaper import meter_of_reaping
from harness.real.safe import SafeTransport
from harness.transport import Measured, measure
from tests.cli.internet import KEYS, Internet, forget_credentials, found

STRIPE = "api.stripe.com"
KEY = KEYS["STRIPE_API_KEY"]


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch) -> Internet:
    """It is open, and the environment holds what opens Stripe."""
    forget_credentials(monkeypatch)
    monkeypatch.setenv("STRIPE_API_KEY", KEY)
    made = Internet()
    monkeypatch.setattr(real_ways, "INTERNET", made)
    return made


def crashed(folder: Path, internet: Internet, *order_nos: str) -> None:
    """A run that made these orders and nothing else: not even its run.json is there."""
    folder.mkdir(parents=True)
    opened = find("stripe", {"STRIPE_API_KEY": KEY})
    assert isinstance(opened, Found)

    async def main() -> None:
        journal = Journal(folder / JOURNAL)
        safe = SafeTransport(internet, [opened], USUAL, journal, Meter(USUAL), folder.name)
        for order_no in order_nos:
            asked = wire.CreateIntent(
                amount=50, currency="usd", confirm=True, metadata={wire.ORDER_NO: order_no},
                payment_method="pm_card_visa", payment_method_types=["card"],
            )  # fmt: skip
            call = wire.create_intent(opened.endpoint, asked, f"pay-{order_no}")
            took = await measure(safe, RealClock(), call.request, 30.0)
            assert isinstance(call.decode(took.status, took.headers, took.body), wire.PaymentIntent)
        journal.close()

    run("real", main())
    internet.asked.clear()


def written(folder: Path, provider: str, order_no: str, behind: bytes = b"") -> Path:
    folder.mkdir(parents=True)
    entry = Entry(
        provider=provider, mode="real", order_no=order_no, amount_minor=1, currency="CNY", at=0.0,
        run_id=folder.name,
    )  # fmt: skip
    path = folder / JOURNAL
    path.write_bytes(msgspec.json.encode(entry) + b"\n" + behind)
    return path


def states(folder: Path) -> list[str]:
    return [entry.state for entry in read_journal(folder / JOURNAL)]


def shut(request: httpx.Request, took: Measured) -> Measured:
    return msgspec.structs.replace(took, status=401, body=b"{}")


def test_what_all_runs_left_is_ended_once(
    internet: Internet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crashed(tmp_path / "run-a", internet, "a1")
    crashed(tmp_path / "run-b" / "worker", internet, "b1")
    (tmp_path / "latest").symlink_to("run-a")
    (tmp_path / "run-z").mkdir()
    (tmp_path / "run-z" / JOURNAL).symlink_to(tmp_path / "run-a" / JOURNAL)
    assert reap(out=str(tmp_path)) == PASS
    told = capsys.readouterr().out
    assert told.count("refunded") == 2
    assert states(tmp_path / "run-a") == ["closed"]
    assert states(tmp_path / "run-b" / "worker") == ["closed"]
    # A look and a refund each.
    assert [request.url.host for request in internet.asked] == [STRIPE] * 4
    assert reap(out=str(tmp_path)) == PASS
    assert capsys.readouterr().out == "nothing is open\n"
    assert len(internet.asked) == 4


def test_one_run_may_be_named_and_is_told_as_json(
    internet: Internet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crashed(tmp_path / "run-a", internet, "a1")
    crashed(tmp_path / "run-b", internet, "b1")
    assert app(["reap", "run-b", "--out", str(tmp_path), "--json"], standalone_mode=False) == PASS
    told = json.loads(capsys.readouterr().out)
    assert told == {
        "closed": [
            {
                "run": str(tmp_path / "run-b"),
                "provider": "stripe",
                "order_no": "b1",
                "how": "refunded",
                "why": "",
            }
        ],
        "left": [],
    }
    assert states(tmp_path / "run-a") == ["created"]


def test_a_dry_run_shows_what_is_open_and_asks_nobody(
    internet: Internet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crashed(tmp_path / "run-a", internet, "a1", "a2")
    before = (tmp_path / "run-a" / JOURNAL).read_bytes()
    assert reap([str(tmp_path / "run-a")], dry_run=True) == INVALID
    assert "stripe" in capsys.readouterr().out
    assert (internet.asked, (tmp_path / "run-a" / JOURNAL).read_bytes()) == ([], before)


def test_what_cannot_be_ended_is_named_with_the_reason_and_no_key(
    internet: Internet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crashed(tmp_path / "run-a", internet, "a1")
    internet.meddle = shut
    assert reap(out=str(tmp_path)) == INVALID
    told = capsys.readouterr().out
    assert "open still: stripe a1: Unauthorized 401" in told
    assert KEY not in told
    assert KEY not in (tmp_path / "run-a" / JOURNAL).read_text()


def test_what_stops_one_run_stops_all_and_the_rate_is_theirs_together(
    internet: Internet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    crashed(tmp_path / "run-a", internet, "a1")
    crashed(tmp_path / "run-b", internet, "b1")
    meter = meter_of_reaping()
    meter.stopped = "an answer of live mode"
    monkeypatch.setattr("harness.cli.reaping.meter_of_reaping", lambda: meter)
    assert reap(out=str(tmp_path)) == INVALID
    assert internet.asked == []
    assert capsys.readouterr().out.count("a request after an answer of live mode") == 2


def test_without_credentials_these_are_named_and_all_else_is_ended(
    internet: Internet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crashed(tmp_path / "run-a", internet, "a1")
    written(tmp_path / "run-b", "wechatpay", "order-1")
    with pytest.raises(BadInput) as caught:
        reap(out=str(tmp_path))
    [line] = caught.value.problems
    assert line.startswith("wechatpay: 1 open order cannot be asked about: set WECHATPAY_MCHID, ")
    assert "order-1: no credentials" in capsys.readouterr().out
    assert (states(tmp_path / "run-a"), states(tmp_path / "run-b")) == (["closed"], ["intended"])


def test_a_live_key_is_not_used_to_close_either(
    internet: Internet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashed(tmp_path / "run-a", internet, "a1")
    monkeypatch.setenv("STRIPE_API_KEY", "sk_live_1234567890")
    with pytest.raises(BadInput, match="live key"):
        reap(out=str(tmp_path))
    assert internet.asked == []


def test_a_folder_that_is_none_is_not_taken_for_one_without_orders(
    internet: Internet, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="is no folder"):
        reap(out=str(tmp_path / "no"))
    with pytest.raises(BadInput, match="is no folder"):
        reap(["run-x"], out=str(tmp_path))


# What cannot be looked at


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b'{"provider":"stripe","state":"pau', False),  # torn by a crash
        (b'{"prov', False),
        (b"\0\0\0", False),
        (b'{"provider":"stripe","state":"paused"}', True),  # of another version, perhaps
        (b'{"provider":"stripe" "state":"paused"}', True),
        (b"no such thing", True),
    ],
)
def test_a_line_that_nobody_can_read_is_not_taken_for_an_order_that_is_closed(
    internet: Internet, tmp_path: Path, line: bytes, told: bool
) -> None:
    (tmp_path / JOURNAL).write_bytes(b"\n" + line)
    if not told:
        assert reap(out=str(tmp_path)) == PASS
        return
    with pytest.raises(BadInput) as caught:
        reap(out=str(tmp_path))
    assert caught.value.problems == [
        f"{tmp_path / JOURNAL}: lines that nobody can read: 1; each may be of an open order: mend "
        "it, or remove it"
    ]


def test_what_cannot_be_read_is_told_and_all_else_is_ended(
    internet: Internet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    crashed(tmp_path / "run-a", internet, "a1")
    (tmp_path / "run-b" / JOURNAL).mkdir(parents=True)
    (tmp_path / "run-c").mkdir()
    (tmp_path / "run-d").mkdir()
    os.mkfifo(tmp_path / "run-d" / JOURNAL)
    (tmp_path / "run-e").mkdir()
    (tmp_path / "run-e" / JOURNAL).symlink_to(JOURNAL)
    scan = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("run-c"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    no_files = ("run-b", "run-d", "run-e")
    with pytest.raises(BadInput) as caught:
        reap(out=str(tmp_path))
    assert caught.value.problems == [
        f"{tmp_path / 'run-c'} cannot be read: Permission denied",
        *(f"{tmp_path / run / JOURNAL} cannot be read: it is no file" for run in no_files),
    ]
    assert states(tmp_path / "run-a") == ["closed"]
    with pytest.raises(BadInput):
        reap(out=str(tmp_path))
    assert "nothing is open" not in capsys.readouterr().out


def test_a_journal_that_cannot_be_gone_on_with_stops_no_other(
    internet: Internet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = written(tmp_path / "elsewhere", "stripe", "e1")
    (tmp_path / "out" / "linked").mkdir(parents=True)
    (tmp_path / "out" / "linked" / JOURNAL).symlink_to(elsewhere)
    crashed(tmp_path / "out" / "run-a", internet, "a1")
    assert reap(out=str(tmp_path / "out")) == INVALID
    assert "stripe e1: its journal cannot be gone on with: " in capsys.readouterr().out
    assert (states(elsewhere.parent), states(tmp_path / "out" / "run-a")) == (
        ["intended"], ["closed"],
    )  # fmt: skip


def test_nothing_that_a_journal_holds_moves_a_terminal(
    internet: Internet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path / "run-a", "pay\x1b[2J", "a1\x1b]0;title\x07")
    with pytest.raises(BadInput) as caught:
        reap(out=str(tmp_path))
    told = capsys.readouterr().out + caught.value.problems[0]
    assert "a1?]0;title?" in told
    assert not {"\x1b", "\x07"} & {*told}


# Until when


def test_an_order_that_only_time_ends_is_open_until_then(
    internet: Internet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nobody can close it, and an open order is one."""
    of = found("unionpay")
    monkeypatch.setattr("harness.cli.reaping.find", lambda *_, **__: of)
    for ends_at, code in (("20991231235959", INVALID), ("20201231235959", PASS)):
        path = tmp_path / JOURNAL
        entry = Entry(
            provider="unionpay", mode="sandbox", order_no="t1x00000001", amount_minor=1,
            currency="CNY", at=0.0, run_id="", txn_time="20201231234459", ends_at=ends_at,
        )  # fmt: skip
        path.write_bytes(msgspec.json.encode(entry) + b"\n")
        assert reap(out=str(tmp_path)) == code
        told = capsys.readouterr().out
        assert ("it ends by itself at 2099-12-31T23:59:59+08:00" in told) == (code == INVALID)
        assert ("ran out" in told) == (code == PASS)


def test_where_no_run_made_an_order_nothing_is_open(
    internet: Internet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run-a").mkdir()
    assert reap(out=str(tmp_path)) == PASS
    assert capsys.readouterr().out == "nothing is open\n"


def test_an_interrupt_tells_what_was_done_until_then(
    internet: Internet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crashed(tmp_path / "run-a", internet, "a1")
    crashed(tmp_path / "run-b", internet, "b1")

    def ended() -> list[str]:
        return sorted(states(tmp_path / "run-a") + states(tmp_path / "run-b"))

    def interrupt(request: httpx.Request, took: Measured) -> Measured:
        if "closed" in ended():
            raise KeyboardInterrupt
        return took

    internet.meddle = interrupt
    assert reap(out=str(tmp_path)) == INVALID
    assert capsys.readouterr().out.count("1: cut off before its end was known") == 1
    assert ended() == ["closed", "created"]
