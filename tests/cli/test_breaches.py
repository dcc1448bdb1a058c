"""A run whose books do not hold: what is told of it, where, and that it is not believed."""

import re
from pathlib import Path

import httpx
import msgspec
import pytest
from msgspec import structs

from harness.books import Account
from harness.cli import wiring
from harness.cli.breaches import breach_lines
from harness.cli.compare import compare
from harness.cli.exits import INVALID, PASS
from harness.cli.load import load
from harness.cli.open_load import Load, run_load
from harness.cli.own_flow import OwnFlow
from harness.cli.own_rounds import Own, play_own
from harness.cli.problems import Problems
from harness.cli.progress import TurnBar
from harness.cli.report import report
from harness.cli.rounds import one_virtual_round
from harness.cli.setup import Options, checked
from harness.cli.wiring import Setup
from harness.flow.strategy import Strategy
from harness.load.engine import Tally
from harness.record import RunSummary, columns_of
from harness.record.reconciliation import ReconciliationSummary
from mocks.audit import accounts
from mocks.host import Host, MockConfig
from tests.cli.own_turn import mocks
from tests.report.sample import sample_run
from tests.report.whole import BREACH, OF_ALL

PAYMENTS = "https://api.stripe.com/v1/payment_intents"
PAID = {
    "amount": "4580",
    "currency": "usd",
    "confirm": "true",
    "payment_method": "pm_card_visa",
    "automatic_payment_methods[enabled]": "true",
    "automatic_payment_methods[allow_redirects]": "never",
}
FAULTS = "lost=2%,timeouts=2%,reset=2%,cut=2%,duplicates=2%,errors=2%,rate-limits=2%,cancels=3%"


def setup(scenario: str = "checkout", *, turns: int = 40, **options: str) -> Setup:
    asked = Options(scenario=scenario, **options)  # type: ignore[arg-type]  # by their names
    return checked(asked, Problems(), [Strategy(token_cache=True)], rounds=1, turns=turns)


def with_a_loss(host: Host) -> list[Account]:
    """Books in which the first order was paid twice over, and nobody knows of it."""
    (account,) = accounts(host)
    first, *others = account.orders
    lost = structs.replace(first, amount_minor=first.amount_minor * 2)
    return [structs.replace(account, orders=[lost, *others])]


def run_compare(out: Path) -> tuple[int, RunSummary]:
    code = compare(
        "checkout", flows="8", rounds="2", vary="token_cache", jobs="1", report=False, out=str(out)
    )
    return code, msgspec.json.decode((out / "latest" / "run.json").read_bytes(), type=RunSummary)


def test_every_run_on_mocks_is_held_against_the_books(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, summary = run_compare(tmp_path)
    assert code == PASS
    assert capsys.readouterr().err == ""
    books = summary.reconciliation
    assert books is not None
    assert (books.orders, books.believed, books.breached) == (16, 16, 0)
    of = books.captured_minor["CNY"] - books.fees_minor["CNY"]
    assert books.settled_minor == {"CNY": of}


def test_a_breach_makes_a_run_invalid_and_shows_the_conversation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "accounts", with_a_loss)
    monkeypatch.setattr("sys.argv", ["tollbench", "compare", "checkout", "--flows", "8"])
    code, summary = run_compare(tmp_path)
    assert code == INVALID
    assert summary.reconciliation is not None
    assert summary.reconciliation.breached == 8  # two rules, two rounds, two strategies
    (reason,) = summary.invalid_because
    assert reason.startswith("the books do not hold: 8 breaches, first: conservation of r0a")
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "the books do not hold:"
    assert "(seed 1, baseline, round 0, conversation" in " ".join(told[1:4])
    assert max(map(len, told)) <= 80
    assert "and 3 more" in told
    shown = next(n for n, line in enumerate(told) if re.match("conversation .* baseline:$", line))
    assert told[shown + 1].startswith("  turn 0, due at ")
    assert any(line.startswith("    pay        wechat-ai") for line in told[shown:])
    assert told[-2:] == ["play it again:", "  tollbench compare checkout --flows 8"]
    assert report("latest", markdown=True, out=str(tmp_path)) == PASS
    again = capsys.readouterr()
    assert again.err.splitlines() == told
    assert "Where the books do not hold:" in again.out


def test_a_breach_that_is_nobodys_does_not_hide_the_conversation_of_the_next() -> None:
    run, rows = sample_run(("prewarm",), rounds=2, turns=10)
    found = [OF_ALL, structs.replace(BREACH, conversation=1)]
    run = structs.replace(run, reconciliation=ReconciliationSummary(breached=2, breaches=found))
    told = breach_lines(run, columns_of(rows))
    assert "  conservation at <wechat> | ai: 1 is left (seed 7, prewarm)" in told
    shown = told.index("conversation 1 of round 1, prewarm:")
    assert told[shown + 1].startswith("  turn 0, due at ")
    assert "  turn 4, due at " in "\n".join(told[shown:])


def test_an_open_load_tells_a_breach(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "accounts", with_a_loss)
    code = load("checkout", clock="virtual", rate="5", duration="2", out=str(tmp_path))
    told = capsys.readouterr()
    assert code == INVALID
    assert "books  " in told.out
    assert told.err.startswith("the books do not hold:")


@pytest.mark.parametrize("scenario", ["checkout", "split_bill", "refund"])
def test_the_books_hold_under_faults(scenario: str) -> None:
    tally = one_virtual_round(setup(scenario, faults=FAULTS), 0)
    assert tally.books is not None
    assert tally.causes
    assert [of.why for of in tally.books.breaches] == []


def test_turns_that_were_cut_off_are_counted_and_no_breach(tmp_path: Path) -> None:
    asked = setup(faults="timeouts=20%", turns=0)
    asked_load = Load(rate=20.0, duration_s=5.0, drain_s=1.0)
    with TurnBar("load", 1) as bar:
        course = run_load(asked, asked_load, bar, tmp_path / "spools")
    books = course.tally.books
    assert books is not None
    assert course.tally.running > 0
    assert books.cut_off > 0
    assert books.breaches == []


def test_faults_are_one_thing_with_the_seed_and_change_nothing_where_there_are_none() -> None:
    plain, again = one_virtual_round(setup(), 0), one_virtual_round(setup(retries="3"), 0)
    assert plain.rows.flows == again.rows.flows
    faulty = [one_virtual_round(setup(faults=FAULTS), 0) for _ in range(2)]
    assert faulty[0].rows.flows == faulty[1].rows.flows
    assert faulty[0].books == faulty[1].books
    assert faulty[0].rows.flows != plain.rows.flows


async def pays_twice() -> None:
    """Two equal sums in one turn: two cups of tea, or one that is paid for twice. Nobody can tell
    but the function."""
    for _ in range(2):
        async with httpx.AsyncClient(timeout=30.0) as client:
            answer = await client.post(PAYMENTS, data=PAID, auth=("sk_live_their_own", ""))
            answer.raise_for_status()


@pytest.mark.parametrize("faults", [None, "late=30%"])
def test_a_function_may_pay_as_often_as_it_likes(faults: str | None) -> None:
    config = structs.replace(mocks(), faults=Problems().faults("--faults", faults))
    tally = played_own(pays_twice, config)
    assert tally.books is not None
    assert (tally.books.orders, tally.books.believed, tally.books.breached) == (6, 0, 0)


async def has_no_timeout() -> str:
    async with httpx.AsyncClient(timeout=None) as client:
        try:
            await client.post(PAYMENTS, data=PAID, auth=("sk_live_their_own", ""))
        except httpx.ReadTimeout:
            return "unknown"
    return "paid"


@pytest.mark.parametrize("fault", ["lost", "timeouts"])
def test_a_client_without_a_timeout_does_not_wait_for_ever_where_answers_may_never_come(
    fault: str,
) -> None:
    tally = played_own(has_no_timeout, structs.replace(mocks(), faults={fault: 1.0}))
    assert [row.outcome for row in tally.rows.flows] == ["unknown"] * 3
    assert {row.service_ms for row in tally.rows.flows} == {30_000.0}


def played_own(function: OwnFlow, config: MockConfig) -> Tally:
    """Three turns of it, as a test plays them."""
    return play_own(
        Own(
            function=function,
            strategy=Strategy(),
            mocks=config,
            seed=1,
            rounds=1,
            turns=3,
            rate=10.0,
            others={},
        )
    )
