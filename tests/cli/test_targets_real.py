"""`compare` and `load --targets real`, end to end, with mocks of ours standing in for real hosts:
who is asked, what it is asked, and what is told of it. Nothing leaves this machine."""

import json
from pathlib import Path

import httpx
import msgspec
import pytest

from harness import record
from harness.cli import real_ways
from harness.cli.compare import compare
from harness.cli.exits import INVALID, PASS
from harness.cli.leftovers import JOURNAL
from harness.cli.load import load
from harness.providers.told import DRAW_HEADER
from harness.real.credentials import find
from harness.real.journal import read_journal
from harness.record import RunSummary
from harness.report.markdown import run_markdown
from harness.transport import Measured
from tests.cli.command import tollbench
from tests.cli.internet import KEYS, Internet, found
from tests.cli.serving import QUICK, serving

OPENAI, STRIPE = "api.openai.com", "api.stripe.com"
SOON = "97"
"""A seed whose first turns are due at once."""
WISHED = "CNY to"
"""What every wish says to a model."""


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch) -> Internet:
    """It is open, and the environment holds what opens OpenAI and Stripe."""
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    made = Internet()
    monkeypatch.setattr(real_ways, "INTERNET", made)
    return made


def compared(out: Path, **options: object) -> tuple[RunSummary, int]:
    usual = {"scenario": "checkout", "flows": "1", "rounds": "1", "rate": "5", "seed": SOON}
    varied = {} if "providers" in options else {"vary": "parallel_confirm"}
    how = usual | varied | options
    code = compare(targets="real", out=str(out), report=False, **how)  # type: ignore[arg-type]
    return newest(out), code


def newest(out: Path) -> RunSummary:
    summary, _, _ = record.read(record.newest(out))
    return summary


def test_a_run_on_real_models_and_a_sandbox_asks_these_and_nobody_else(
    internet: Internet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, code = compared(tmp_path, pay="stripe")
    told = capsys.readouterr()
    assert (run.invalid_because, run.endpoints, run.clock) == ([], "real", "real")
    kinds = {name: of.kind for name, of in run.targets.items()}
    assert kinds == {"openai": "real", "stripe": "sandbox"}
    assert run.targets["stripe"].why == "by STRIPE_API_KEY"
    assert (run.profiles, run.provenance, run.fees) == ({}, {}, [])
    assert internet.hosts == {OPENAI, STRIPE}
    assert not any(DRAW_HEADER in request.headers for request in internet.asked)
    # A turn a strategy and one to warm up.
    assert run.spent is not None
    assert (run.spent.requests["openai"], run.spent.orders) == (8, {"stripe": 4})
    assert (code, run.spent.left_open) == (PASS, 0)
    assert 0 < run.spent.usd < 0.1
    assert "note  asked in reality: openai (gpt-4o); asked in their sandboxes: stripe" in told.out
    assert "It will send, about:" in told.err
    assert "asked in reality: openai (gpt-4o)" in run_markdown(run)
    told_all = told.out + told.err + _all_text(tmp_path)
    assert [key for key in KEYS.values() if key in told_all] == []

    # Each strategy's first turn that counts opens connections anew; the last set closes orders.
    assert internet.opened == [0, 0, 6, 6, 12]
    assert {variant.amount_minor_mean for variant in run.variants} == {400.0}
    _check_orders(internet, record.newest(tmp_path))


def _check_orders(internet: Internet, folder: Path) -> None:
    """Models see the wish; each payment is of the least amount, under a number of its own."""
    assert any(WISHED in body.decode() for body in internet.sent(OPENAI))
    sent = [dict(httpx.QueryParams(body.decode())) for body in internet.sent(STRIPE)]
    orders = [of for of in sent if "metadata[order_no]" in of]
    assert {(of["amount"], of["currency"]) for of in orders} == {("400", "cny")}
    entries = read_journal(folder / JOURNAL)
    numbers = [of["metadata[order_no]"] for of in orders]
    assert [entry.order_no for entry in entries] == numbers
    assert len(set(numbers)) == len(numbers)
    assert len({number.partition("_")[0] for number in numbers}) == 1
    assert {entry.run_id for entry in entries} == {folder.name}


def test_who_has_no_credentials_stays_a_mock_and_is_named_so(
    internet: Internet,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("STRIPE_API_KEY")
    run, code = compared(tmp_path, pay="stripe", rate="20")
    told = capsys.readouterr()
    assert (code, run.endpoints, run.invalid_because) == (PASS, "mixed", [])
    assert run.targets["stripe"].kind == "mock"
    assert run.targets["stripe"].why == "set STRIPE_API_KEY or STRIPE_SECRET_KEY"
    assert internet.hosts == {OPENAI}
    assert set(run.profiles) == {"stripe"}
    assert run.spent is not None
    assert (set(run.spent.requests), run.spent.orders) == ({"openai"}, {})
    assert not (record.newest(tmp_path) / JOURNAL).exists()
    assert "mocked: stripe" in told.out
    assert "of the least amount" not in told.out


def test_what_a_provider_says_of_a_key_is_seen_by_nobody(
    internet: Internet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = f"Incorrect API key provided: {KEYS['OPENAI_API_KEY']}, {KEYS['STRIPE_API_KEY']}"
    body = json.dumps({"error": {"message": said, "type": said, "code": said}}).encode()
    internet.meddle = lambda request, took: msgspec.structs.replace(took, status=401, body=body)
    run, code = compared(tmp_path, pay="stripe", flows="1")
    told = capsys.readouterr()
    assert (code, run.health.finished) == (INVALID, 0)
    assert "Unauthorized" in run.invalid_because[0]
    assert internet.hosts == {OPENAI}
    told_all = told.out + told.err + _all_text(tmp_path)
    assert [key for key in KEYS.values() if key in told_all] == []


@pytest.mark.thorough
def test_orders_that_nobody_can_pay_are_made_and_closed_through_every_check(
    internet: Internet,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pays = ("alipay-ai", "alipay-v3", "wechatpay", "unionpay")
    monkeypatch.setattr(
        "harness.cli.targets.find",
        lambda name, environ, **flag: (
            found(name, "real" if name == "wechatpay" else "sandbox")
            if name in pays
            else find(name, environ, **flag)
        ),
    )
    run, code = compared(
        tmp_path, providers=True, pay=",".join(pays), live_wechat_orders=True, flows="1", rate="5"
    )
    assert run.invalid_because == []
    assert {variant.name: variant.errors for variant in run.variants} == dict.fromkeys(pays, 0)
    assert run.spent is not None
    assert run.spent.orders == dict.fromkeys(sorted(pays), 2)
    entries = read_journal(record.newest(tmp_path) / JOURNAL)
    left = {entry.provider for entry in entries if entry.state != "closed"}
    assert left == {"unionpay"}  # It has no close: its orders end by themselves.
    assert (code, run.spent.left_open, run.spent.running_out) == (PASS, 0, 2)
    told = capsys.readouterr()
    assert f"run out by {run.spent.run_out_by}; to confirm it then: tollbench reap" in told.err


def test_an_answer_of_live_mode_ends_the_run_and_what_was_measured_is_kept(
    internet: Internet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def go_live(request: httpx.Request, took: Measured) -> Measured:
        if request.url.host == STRIPE and len(internet.sent(STRIPE)) >= 3:
            body = took.body.replace(b'"livemode":false', b'"livemode":true')
            return msgspec.structs.replace(took, body=body)
        return took

    internet.meddle = go_live
    run, code = compared(tmp_path, pay="stripe")
    told = capsys.readouterr()
    assert (code, run.valid) == (INVALID, False)
    assert "live" in run.invalid_because[0]
    assert "stopped after 0 of 1 rounds: " in run.invalid_because[0]
    assert "Traceback" not in told.err
    assert run.spent is not None
    assert (run.spent.orders, run.spent.left_open) == ({"stripe": 3}, 3)
    assert f"tollbench reap {record.newest(tmp_path)}" in told.err


@pytest.mark.thorough
def test_a_load_on_real_targets_is_played_here_and_counted(
    internet: Internet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load(
        "checkout",
        rate="5",
        duration="1",
        pay="stripe",
        targets="real",
        out=str(tmp_path),
        json=True,
    )
    run, told = newest(tmp_path), capsys.readouterr()
    assert json.loads(told.out)["started"] == run.health.started > 0
    assert (run.endpoints, run.invalid_because) == ("real", [])
    assert run.spent is not None
    assert run.spent.orders == {"stripe": run.health.started + 1}


@pytest.mark.thorough
def test_an_interrupt_tells_what_was_asked_until_then(
    internet: Internet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(request: httpx.Request, took: Measured) -> Measured:
        if len(internet.sent(STRIPE)) == 3:
            raise KeyboardInterrupt
        return took

    internet.meddle = interrupt
    run, code = compared(tmp_path, pay="stripe")
    assert code == INVALID
    assert run.invalid_because[0].startswith("interrupted after 0 of 1 rounds")
    assert run.spent is not None
    assert (run.spent.orders, run.spent.left_open) == ({"stripe": 3}, 0)


@pytest.mark.thorough
@pytest.mark.socket
def test_over_sockets_a_server_of_ones_own_is_asked_as_a_real_one(tmp_path: Path) -> None:
    priced = (
        QUICK
        + """[price]
input_usd = 1.0
output_usd = 1.0
provenance = "assumed"
source = "tests"
date = 2026-01-01
"""
    )
    cast = ("--intent", "quick.toml", "--confirm", "quick.toml", "--pay", "flat")
    few = ("--flows", "2", "--rounds", "1", "--rate", "5", "--vary", "prewarm")
    with serving(tmp_path, profile=priced) as mocks:
        at = mocks.told["providers"]["openai"]
        opened = {"OPENAI_BASE_URL": at["url"], "OPENAI_API_KEY": at["key"]}
        done = tollbench(
            "compare", "checkout", "--targets", "real", *cast, *few, cwd=tmp_path, **opened
        )
    run, rows = done.stored
    assert (done.code, run.endpoints, run.invalid_because) == (PASS, "mixed", [])
    assert run.targets["openai"].why == "by OPENAI_API_KEY, OPENAI_BASE_URL"
    stages = {span.stage for span in rows.spans if span.provider == "openai"}
    assert stages >= {"intent", "confirm", "tcp"}
    (openai,) = [of for of in run.cold_starts if of.provider == "openai"]
    assert openai.connections >= 2  # one a strategy, at least: they were opened after the warm-up
    assert at["key"] not in done.out + done.err


def _all_text(folder: Path) -> str:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return "\n".join(path.read_bytes().decode("latin-1") for path in files)
