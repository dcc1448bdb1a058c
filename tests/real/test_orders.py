"""An order is in the journal before it is sent, is followed to its end, and is the run's own."""

import asyncio
import errno
import json
import os
from pathlib import Path

import httpx
import pytest

from harness.clock import VirtualClock, run
from harness.real.caps import Caps
from harness.real.journal import Entry, read_journal
from harness.real.unsafe import Unsafe
from harness.transport import measure
from tests.real import answers, sample, wires
from tests.real.answers import ERROR, PI
from tests.real.sample import Bench, Internet, Unreached
from tests.real.wires import intent, stripe


class Crash(BaseException):
    """As if the process were killed there."""


def test_an_order_is_on_the_disk_before_it_is_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    synced: list[list[str]] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(_numbers(tmp_path)))

    def look(request: httpx.Request) -> httpx.Response:
        assert synced[-1] == ["t1-o1"]
        return answers.intent()

    Bench(tmp_path, Internet(look), sample.stripe()).send(intent())


def test_a_crash_between_journal_and_send_leaves_an_open_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bench = Bench(tmp_path, Unreached(), sample.stripe())

    def crash(fd: int) -> None:
        raise Crash

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(Crash):
        bench.send(intent())
    [entry] = read_journal(bench.journal.path)
    assert (entry.order_no, entry.state, entry.key) == ("t1-o1", "intended", "pay-t1-o1")


def test_a_crash_between_send_and_answer_leaves_an_open_line(tmp_path: Path) -> None:
    def crash(request: httpx.Request) -> httpx.Response:
        raise Crash

    bench = Bench(tmp_path, Internet(crash), sample.stripe())
    with pytest.raises(Crash):
        bench.send(intent())
    assert [entry.state for entry in read_journal(bench.journal.path)] == ["intended"]


def test_an_order_that_cannot_be_written_down_is_not_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bench = Bench(tmp_path, Unreached(), sample.stripe())

    def full(fd: int, line: bytes) -> int:
        return 3

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(Unsafe, match="disk full"):
        bench.send(intent())


def test_an_answer_that_cannot_be_written_down_ends_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(fd: int, line: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def answer(request: httpx.Request) -> httpx.Response:
        monkeypatch.setattr(os, "write", full)
        return answers.intent()

    bench = Bench(tmp_path, Internet(answer), sample.stripe())
    with pytest.raises(Unsafe, match="No space left on device"):
        bench.send(intent())
    assert bench.states == {"t1-o1": ("intended", "")}


@pytest.mark.parametrize("before", [0, 1])
def test_an_order_that_is_given_up_before_its_turn_is_known_not_to_be_sent(
    before: int, tmp_path: Path
) -> None:
    internet = Internet(lambda _: httpx.Response(500))
    bench = Bench(tmp_path, internet, sample.stripe(), caps=Caps(per_s=0.5))
    bench.send(*[intent("late")][:before], intent("first"))

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await measure(bench.safe, VirtualClock(), intent("late"), 9.0)

    run("virtual", main())
    # An earlier try may be on its way still.
    ends = ("intended", "") if before else ("closed", "not sent")
    assert bench.states["late"] == ends
    assert len(internet.sent) == 1 + before


def test_a_slow_disk_makes_no_second_fuller(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What waits for the disk has no turn yet."""
    internet = Internet(lambda _: answers.intent())
    bench = Bench(tmp_path, internet, sample.stripe())
    intend = bench.journal.intend

    async def slowly(entry: Entry) -> None:
        await asyncio.sleep(0.9 - 0.1 * int(entry.order_no))
        await intend(entry)

    monkeypatch.setattr(bench.journal, "intend", slowly)
    bench.at_once(*(intent(str(n)) for n in range(9)))
    times = sorted(internet.times)
    assert all(later - sooner > 0.999 for sooner, later in zip(times, times[5:], strict=False))


def test_an_intent_is_followed_to_its_end(tmp_path: Path) -> None:
    told = iter([answers.intent(status="requires_action"), answers.intent(status="canceled")])
    bench = Bench(tmp_path, Internet(lambda _: next(told)), sample.stripe())
    bench.send(intent())
    assert bench.states == {"t1-o1": ("created", "")}
    assert bench.journal.entries["stripe", "t1-o1"].id == PI
    bench.send(stripe("POST", f"/v1/payment_intents/{PI}/cancel", key="cancel"))
    assert bench.states == {"t1-o1": ("closed", "closed")}


@pytest.mark.parametrize(
    ("amount", "status", "state"),
    [(50, "succeeded", "closed"), (20, "succeeded", "created"), (50, "failed", "created")],
)
def test_a_refund_ends_an_order_if_it_is_of_all(
    amount: int, status: str, state: str, tmp_path: Path
) -> None:
    back = {"object": "refund", "id": "re_1", "amount": amount, "payment_intent": PI}
    told = iter([answers.intent(), httpx.Response(200, json={**back, "status": status})])
    bench = Bench(tmp_path, Internet(lambda _: next(told)), sample.stripe())
    bench.send(intent(), stripe("POST", "/v1/refunds", f"payment_intent={PI}", "refund"))
    assert bench.states["t1-o1"][0] == state


def test_an_order_that_was_refused_is_not_there_unless_it_may_have_come_before(
    tmp_path: Path,
) -> None:
    refuse = httpx.Response(400, json={"error": ERROR})
    conflict = httpx.Response(400, json={"error": {"type": "idempotency_error"}})
    late = httpx.Response(500)
    told = iter([refuse, conflict, late, refuse])
    bench = Bench(tmp_path, Internet(lambda _: next(told)), sample.stripe())
    bench.send(intent("a"), intent("b"), intent("c"), intent("c"))
    assert bench.states == {
        "a": ("closed", "refused"),
        "b": ("intended", ""),
        "c": ("intended", ""),
    }


def test_a_declined_card_leaves_an_intent_that_is_known(tmp_path: Path) -> None:
    inner = {"id": PI, "object": "payment_intent", "status": "requires_payment_method"}
    error = {"type": "card_error", "payment_intent": {**inner, "livemode": False}}
    declined = httpx.Response(402, json={"error": error})
    bench = Bench(tmp_path, Internet(lambda _: declined), sample.stripe())
    bench.send(intent())
    assert bench.journal.entries["stripe", "t1-o1"].id == PI


def _alipay_node(method: str, **node: str) -> httpx.Response:
    return httpx.Response(200, json={f"alipay_trade_{method}_response": node, "sign": "c2ln"})


OK, GONE = {"code": "10000"}, {"code": "40004", "sub_code": "ACQ.TRADE_NOT_EXIST"}
CLOSE_V2 = ("close", {"out_trade_no": "t1_o1"})
V2_STORIES: list[tuple[list[httpx.Response], tuple[str, str]]] = [
    ([_alipay_node("precreate", **OK), _alipay_node("close", **OK)], ("closed", "closed")),
    ([_alipay_node("precreate", **OK), _alipay_node("close", **GONE)], ("closed", "not there")),
    # Nobody has told whether it was made: it may still be on its way.
    ([httpx.Response(500), _alipay_node("close", **GONE)], ("intended", "")),
    ([_alipay_node("precreate", **OK), _alipay_node("close", code="20000")], ("created", "")),
    ([_alipay_node("precreate", code="40002"), httpx.Response(500)], ("closed", "refused")),
    ([_alipay_node("precreate", **OK), httpx.Response(502)], ("created", "")),
]


@pytest.mark.parametrize(("answers", "ends"), V2_STORIES)
def test_alipays_orders_are_followed_to_their_ends(
    answers: list[httpx.Response], ends: tuple[str, str], tmp_path: Path
) -> None:
    told = iter(answers)
    found = sample.found("alipay-ai", sample.alipay())
    bench = Bench(tmp_path, Internet(lambda _: next(told)), found)
    bench.send(wires.alipay_v2("precreate", wires.order()), wires.alipay_v2(*CLOSE_V2))
    assert bench.states == {"t1_o1": ends}


def test_a_wechat_order_is_closed_by_204_and_its_code_is_nowhere(tmp_path: Path) -> None:
    code = httpx.Response(200, json={"code_url": "weixin://wxpay/bizpayurl?pr=secret"})
    told = iter([code, httpx.Response(204)])
    wechat = sample.found("wechatpay", sample.wechatpay())
    bench = Bench(tmp_path, Internet(lambda _: next(told)), wechat)
    path = "/v3/pay/transactions/out-trade-no/t1_o0001/close"
    bench.send(wires.native(), wires.wechatpay("POST", path, {"mchid": "1900000109"}))
    assert bench.states == {"t1_o0001": ("closed", "closed")}
    assert b"weixin" not in bench.journal.path.read_bytes()


def test_a_unionpay_order_has_all_that_finds_it_again(tmp_path: Path) -> None:
    answer = httpx.Response(200, text="respCode=00&tn=8000000000000001")
    found = sample.found("unionpay", sample.unionpay(tmp_path))
    bench = Bench(tmp_path, Internet(lambda _: answer), found)
    bench.send(wires.unionpay())
    [entry] = read_journal(bench.journal.path)
    assert (entry.txn_time, entry.ends_at) == ("20261123080000", "20261123081500")
    assert (entry.state, entry.mode, entry.run_id) == ("created", "sandbox", "run-1")
    assert b"8000000000000001" not in bench.journal.path.read_bytes()


def test_no_secret_is_in_the_journal(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Internet(lambda _: answers.intent()), sample.stripe())
    bench.send(intent())
    assert sample.STRIPE_KEY.encode() not in bench.journal.path.read_bytes()
    assert bench.journal.path.stat().st_mode & 0o077 == 0


# Whose it is


AGAIN = [
    stripe("POST", "/v1/payment_intents", AS_BEFORE := intent().content.decode(), "another-key"),
    stripe("POST", "/v1/payment_intents", AS_BEFORE.replace("amount=50", "amount=40"), "pay-t1-o1"),
    stripe("POST", "/v1/payment_intents", AS_BEFORE.replace("usd", "eur"), "pay-t1-o1"),
]


@pytest.mark.parametrize("again", AGAIN)
def test_an_order_is_tried_again_as_it_was_or_it_would_be_another(
    again: httpx.Request, tmp_path: Path
) -> None:
    internet = Internet(lambda _: httpx.Response(500))
    bench = Bench(tmp_path, internet, sample.stripe())
    bench.send(intent())
    with pytest.raises(Unsafe, match="make another one"):
        bench.send(again)
    bench.send(intent(confirm="false"))
    assert len(internet.sent) == 2


def test_a_unionpay_order_is_tried_again_with_the_time_of_the_first(tmp_path: Path) -> None:
    """By which that wire knows it, besides its number."""
    internet = Internet(lambda _: httpx.Response(500))
    bench = Bench(tmp_path, internet, sample.found("unionpay", sample.unionpay(tmp_path)))
    bench.send(wires.unionpay(), wires.unionpay())
    with pytest.raises(Unsafe, match="make another one"):
        bench.send(wires.unionpay(txnTime="20261123080001"))
    assert len(internet.sent) == 2


FEN = {"refund": 1, "total": 1, "currency": "CNY"}
OTHERS = "pay/transactions/out-trade-no/a_customers_own"
CHANGES: list[tuple[str, httpx.Request]] = [
    ("wechatpay", wires.wechatpay("POST", f"/v3/{OTHERS}/close", {"mchid": "1900000109"})),
    ("wechatpay", wires.wechatpay("POST", "/v3/refund/domestic/refunds", {
        "out_trade_no": "a_customers_own", "out_refund_no": "r", "amount": FEN,
    })),
    ("stripe", stripe("POST", "/v1/refunds", f"payment_intent={PI}", "k")),
    ("stripe", stripe("POST", f"/v1/payment_intents/{PI}/cancel", key="k")),
    ("stripe", stripe("POST", f"/v1/payment_intents/{PI}/capture", key="k")),
    ("alipay-ai", wires.alipay_v2("close", {"out_trade_no": "o1"})),
    ("alipay-v3", wires.alipay_v3("cancel", {"out_trade_no": "o1"})),
    ("unionpay", wires.unionpay("backTransReq", txnType="31", origQryId="1", payTimeout=None)),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "change"), CHANGES)
def test_an_order_of_somebody_elses_is_looked_at_and_no_more(
    provider: str, change: httpx.Request, tmp_path: Path
) -> None:
    environ = sample.alipay() | sample.wechatpay() | sample.unionpay(tmp_path)
    found = sample.found(provider, environ | {"STRIPE_API_KEY": sample.STRIPE_KEY})
    bench = Bench(tmp_path, Unreached(), found)
    with pytest.raises(Unsafe, match="none of this run's"):
        bench.send(change)


def test_an_intent_whose_answer_was_lost_is_found_and_may_then_be_canceled(tmp_path: Path) -> None:
    found = answers.intent(status="requires_action").content
    listed = b'{"object":"search_result","data":[%b]}' % found
    told = iter([
        httpx.Response(500), httpx.Response(200, content=listed), answers.intent(status="canceled"),
    ])  # fmt: skip
    bench = Bench(tmp_path, Internet(lambda _: next(told)), sample.stripe())
    bench.send(
        intent(),
        stripe("GET", "/v1/payment_intents/search?query=x&limit=1"),
        stripe("POST", f"/v1/payment_intents/{PI}/cancel", key="cancel"),
    )
    assert bench.states == {"t1-o1": ("closed", "closed")}


def _numbers(folder: Path) -> list[str]:
    lines = (folder / "orders.jsonl").read_bytes().splitlines()
    return [json.loads(line)["order_no"] for line in lines]
