"""What no wire of ours sends is Unsafe, and what they do send is not; judged by its bytes alone."""

import gzip
import itertools
import json
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.providers import MODELS
from harness.providers.chat import Ask, Message, Schema, Tool, ToolCall
from harness.real.caps import USUAL, Caps, least_minor
from harness.real.credentials import Found
from harness.real.outgoing import outgoing
from harness.real.rules import check_amount, judge, prefix_of, told
from harness.real.rules.asked import Asked
from harness.real.unsafe import Unsafe
from tests.real import sample, wires
from tests.real.sample import Bench, Unreached
from tests.real.wires import alipay_v2, alipay_v3, chat, intent, native, order, stripe, unionpay

Made = Callable[[], httpx.Request]


@cache
def _found(name: str) -> Found:
    if name == "unionpay":
        with tempfile.TemporaryDirectory() as folder:
            return sample.found(name, sample.unionpay(Path(folder)))
    environ = sample.alipay() | sample.wechatpay() | sample.MODELS
    return sample.found(name, environ | {"STRIPE_API_KEY": sample.STRIPE_KEY})


def wechatpay(method: str, path: str, body: object = None) -> httpx.Request:
    return wires.wechatpay(method, f"/v3/{path}", body)


def openai(method: str, path: str, body: bytes = b"") -> httpx.Request:
    opens = {"authorization": f"Bearer {sample.OPENAI_KEY}"}
    return httpx.Request(method, f"{wires.OPENAI}/v1/{path}", headers=opens, content=body)


def acp(query: str, body: bytes) -> httpx.Request:
    url = f"{wires.UNIONPAY}/gateway/api/appTransReq.do{query}"
    return httpx.Request("POST", url, content=body)


PI = "pi_3TollbenchNotAnId"
REFUNDS = "/v1/refunds"
GOOD: list[tuple[str, Made, str, int]] = [
    ("stripe", intent, "create", 50),
    ("stripe", lambda: intent(currency="JPY", **{"expand[]": "latest_charge"}), "create", 50),
    ("stripe", lambda: stripe("POST", f"/v1/payment_intents/{PI}/cancel", key="k"), "close", 0),
    ("stripe", lambda: stripe("POST", f"/v1/payment_intents/{PI}/confirm", key="k"), "change", 0),
    ("stripe", lambda: stripe("GET", f"/v1/payment_intents/{PI}?expand[]=a.b"), "read", 0),
    ("stripe", lambda: stripe("GET", "/v1/payment_intents/search?query=x&limit=1"), "read", 0),
    ("stripe", lambda: stripe("GET", "/v1/payment_intents?limit=9&created[gte]=1"), "read", 0),
    ("stripe", lambda: stripe("POST", REFUNDS, f"payment_intent={PI}&amount=20"), "change", 20),
    ("stripe", lambda: stripe("POST", "/v1/refunds", f"payment_intent={PI}"), "change", 0),
    ("alipay-ai", lambda: alipay_v2("precreate", order()), "create", 1),
    ("alipay-ai", lambda: alipay_v2("precreate", order(amount=0.01)), "create", 1),
    ("alipay-ai", lambda: alipay_v2("query", {"out_trade_no": "o1"}), "read", 0),
    ("alipay-ai", lambda: alipay_v2("close", {"out_trade_no": "o1"}), "close", 0),
    ("alipay-ai", lambda: alipay_v2("cancel", {"out_trade_no": "o1"}), "close", 0),
    ("alipay-v3", lambda: alipay_v3("precreate", order()), "create", 1),
    ("alipay-v3", lambda: alipay_v3("close", {"out_trade_no": "o1"}), "close", 0),
    (
        "alipay-v3",
        lambda: alipay_v3(
            "refund", {"out_trade_no": "o1", "refund_amount": "0.01", "out_request_no": "r1"}
        ),
        "change",
        1,
    ),
    ("wechatpay", native, "create", 1),
    (
        "wechatpay",
        lambda: wechatpay(
            "GET", "pay/transactions/out-trade-no/t1_o0001?mchid=1900000109"
        ),
        "read",
        0,
    ),
    (
        "wechatpay",
        lambda: wechatpay(
            "POST",
            "pay/transactions/out-trade-no/t1_o0001/close",
            {"mchid": "1900000109"},
        ),
        "close",
        0,
    ),
    ("unionpay", unionpay, "create", 1),
    ("unionpay", lambda: unionpay("queryTrans", txnType="00", txnAmt=None), "read", 0),
    (
        "unionpay",
        lambda: unionpay("backTransReq", txnType="31", origQryId="123", payTimeout=None),
        "change",
        1,
    ),
    ("openai", chat, "ask", 0),
    ("openai", lambda: openai("GET", "models"), "read", 0),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "request_", "kind", "minor"), GOOD)
def test_what_our_wires_send_may_be_sent(
    provider: str, request_: Made, kind: str, minor: int
) -> None:
    found = _found(provider)
    request = request_()
    asked = judge(found, request)
    check_amount(found, asked, USUAL)
    assert (asked.kind, asked.amount_minor) == (kind, minor)
    assert request.url.path.startswith(prefix_of(found))
    assert asked.kind != "create" or (asked.order_no and asked.currency)


CALLED = ToolCall("call_1", "pay", '{"a":{"b":1},"a":2}')
"""A model may write a name twice, or anything else."""
CONVERSATION = [
    Message("system", "Be brief."),
    Message("user", "hello"),
    Message("assistant", "", (CALLED,)),
    Message("tool", "paid", tool_call_id="call_1"),
]
OBJECT = msgspec.Raw(b'{"type":"object","properties":{"image_url":{"type":"string"}}}')
ASKS: list[Ask] = [
    Ask(model="some-model-1.5", messages=CONVERSATION, max_tokens=77, **more)
    for more in (
        {},
        {"stream": True, "include_usage": True},
        {"tools": [Tool("pay", "Pay it.", OBJECT)], "tool_choice": "required"},
        {"tools": [Tool("pay", "", OBJECT)], "tool_choice": "pay", "stream": True},
        {"schema": Schema("wish", OBJECT)},
    )
]


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("provider", MODELS)
def test_what_our_wire_of_each_model_sends_may_be_sent(provider: str, ask: Ask) -> None:
    found = _found(provider)
    request = MODELS[provider].chat(found.endpoint, ask).request
    asked = judge(found, outgoing(request, request.content))
    assert (asked.kind, asked.most_out) == ("ask", 77)
    assert asked.model.endswith("some-model-1.5")
    assert asked.most_in == len(request.content)


def test_of_several_bounds_of_an_answer_the_highest_counts() -> None:
    request = chat(max_completion_tokens=1, max_tokens=9_000, n=2)
    assert judge(_found("openai"), request).most_out == 18_000


def test_a_base_with_a_path_of_its_own_is_asked_below_it_alone() -> None:
    environ = {**sample.MODELS, "OPENAI_BASE_URL": "https://gw.test/a%20b/v1/"}
    found = sample.found("openai", environ)
    below = chat(base="https://gw.test/a%20b")
    assert judge(found, below).kind == "ask"
    assert below.url.raw_path.startswith(prefix_of(found).encode())
    with pytest.raises(Unsafe, match="of a kind"):
        judge(found, chat(base="https://gw.test"))


@pytest.mark.parametrize("model", ["..%2F..%2Fcheap", "a%2Fcheap", "%2e%2e", ".cheap", ""])
def test_a_model_in_a_path_is_a_name_and_no_way_elsewhere(model: str) -> None:
    found = _found("gemini")
    good = MODELS["gemini"].chat(found.endpoint, ASKS[0]).request
    url = f"https://generativelanguage.googleapis.com/v1beta/models/{model}:generateContent"
    request = httpx.Request("POST", url, headers=good.headers, content=good.content)
    with pytest.raises(Unsafe, match="of a kind"):
        judge(found, request)


def test_a_token_of_anthropics_opens_it_too() -> None:
    found = sample.found("anthropic", {"ANTHROPIC_AUTH_TOKEN": "token-not-a-key"})
    ask = Ask(model="m", messages=[Message("user", "hello")])
    assert judge(found, MODELS["anthropic"].chat(found.endpoint, ask).request).kind == "ask"


ORDER_NO = "metadata[order_no]"
BAD_STRIPE: list[Made] = [
    lambda: intent(amount="51"),
    lambda: intent(amount="5000000"),
    lambda: intent(amount="-50"),
    lambda: intent(amount="0"),
    lambda: intent(amount=""),
    lambda: intent(amount="5e1"),
    lambda: intent(amount="50.0"),
    lambda: intent(amount=" 50"),
    lambda: intent(amount="\u0665\u0660"),
    lambda: intent(amount="50;amount=5000"),
    lambda: intent(amount=None),
    lambda: intent(amount="1" * 400),
    lambda: intent(currency="btc"),
    lambda: intent(currency="krw"),
    lambda: intent(currency=None),
    lambda: intent(currency="us"),
    lambda: intent(**{"amount[]": "5000"}),
    lambda: intent(**{"amount[0]": "5000"}),
    lambda: intent(Amount="5000"),
    lambda: intent(application_fee_amount="50"),
    lambda: intent(**{"transfer_data[destination]": "acct_1"}),
    lambda: intent(on_behalf_of="acct_1"),
    lambda: intent(customer="cus_1"),
    lambda: intent(**{"payment_method_data[card][number]": "4242424242424242"}),
    lambda: intent(payment_method="pm_1TollbenchNotACard"),
    lambda: intent(**{"payment_method_types[]": "us_bank_account"}),
    lambda: intent(order_no=""),
    lambda: intent(**{ORDER_NO: None}),  # type: ignore[arg-type]  # mypy takes it for any keyword
    lambda: stripe("POST", "/v1/payment_intents", "amount=50&amount=5000&currency=usd", "k"),
    lambda: stripe("POST", "/v1/payment_intents", "amount=50&%61mount=5000&currency=usd", "k"),
    lambda: stripe("POST", "/v1/payment_intents", "amount=50&currency=usd&metadata[order_no]=o"),
    lambda: stripe("POST", "/v1/payment_intents", "metadata[a]=1;amount=9&amount=50", "k"),
    lambda: stripe("POST", "/v1/payment_intents?amount=5000", "amount=50&currency=usd", "k"),
    lambda: stripe("POST", "/v1/payment_intents", "{\"amount\":50}", "k"),
    lambda: stripe("POST", "/v1/payment_intents", "amount=50\u00e9", "k"),
    lambda: stripe("POST", "/v1/payment_intents", "a" * 70_000, "k"),
    lambda: stripe("POST", f"/v1/payment_intents/{PI}", "amount=5000", "k"),
    lambda: stripe("POST", f"/v1/payment_intents/{PI}/capture", "amount_to_capture=5000", "k"),
    lambda: stripe("POST", f"/v1/payment_intents/{PI}/increment_authorization", "amount=50", "k"),
    lambda: stripe("POST", "/v1/payment_intents/../charges", "amount=50", "k"),
    lambda: stripe("POST", "/v1//payment_intents", "amount=50", "k"),
    lambda: stripe("POST", "/v1/payment_intents/", "amount=50", "k"),
    lambda: stripe("POST", "/v1/payment%5Fintents", "amount=50", "k"),
    lambda: stripe("POST", "/v1/charges", "amount=50", "k"),
    lambda: stripe("POST", "/v1/payouts", "amount=50", "k"),
    lambda: stripe("POST", "/v1/transfers", "amount=50", "k"),
    lambda: stripe("POST", "/v1/refunds", "charge=ch_1&amount=20", "k"),
    lambda: stripe("POST", "/v1/refunds", f"payment_intent={PI}&amount=-20", "k"),
    lambda: stripe("POST", "/v1/refunds", f"payment_intent={PI}&reverse_transfer=true", "k"),
    lambda: stripe("DELETE", f"/v1/payment_intents/{PI}"),
    lambda: stripe("PUT", "/v1/payment_intents"),
    lambda: stripe("GET", "/v1/balance"),
    lambda: stripe("GET", f"/v1/payment_intents/{PI}/../../balance"),
    lambda: stripe("GET", "/v1/payment_intents?customer=cus_1"),
    lambda: stripe("GET", "/v2/core/accounts"),
    lambda: stripe("GET", "/v1/payment_intents", opens="sk_test_51AnotherKeyThanFound"),
    lambda: stripe("GET", "/v1/payment_intents", opens="sk_live_51TollbenchNotAKey"),
    lambda: stripe("GET", "/v1/payment_intents", opens=sample.OPENAI_KEY),
    lambda: _with(intent(), "stripe-account", "acct_1"),
    lambda: _with(intent(), "stripe-context", "acct_1"),
    lambda: intent(**{"payment_method_types[]": "card&payment_method_types[]=us_bank_account"}),
    lambda: stripe("GET", "/v1/refunds/re_1?payment_intent=pi_1&payment_intent=pi_2"),
    lambda: _with(intent(), "authorization", "Basic " + sample.basic(sample.STRIPE_KEY)),
]  # fmt: skip

JSON = '{"out_trade_no":"o1","subject":"s","total_amount":"0.01","total_amount":"100.00"}'
ROYALTY = {"royalty_parameters": [{"amount": "1"}]}
BAD_ALIPAY: list[tuple[str, object]] = [
    ("precreate", order(amount="0.02")),
    ("precreate", order(amount="100.00")),
    ("precreate", order(amount="-0.01")),
    ("precreate", order(amount="0")),
    ("precreate", order(amount="0.00")),
    ("precreate", order(amount="0.001")),
    ("precreate", order(amount="0.0100")),
    ("precreate", order(amount="1e-2")),
    ("precreate", order(amount="0.01 ")),
    ("precreate", order(amount="\u0660.\u0660\u0661")),
    ("precreate", order(amount=None)),
    ("precreate", order(amount=True)),
    ("precreate", order(amount=["0.01"])),
    ("precreate", order(amount=1)),
    ("precreate", {"out_trade_no": "o1", "subject": "s"}),
    ("precreate", order(trans_currency="USD")),
    ("precreate", order(discountable_amount="100.00")),
    ("precreate", order(seller_id="2088000000000000")),
    ("precreate", order(settle_info={"settle_detail_infos": [{"amount": "1"}]})),
    ("precreate", order(royalty_info=ROYALTY)),
    ("precreate", order(order_no="")),
    ("precreate", order(order_no="o" * 65)),
    ("precreate", JSON),
    ("precreate", '{"total_amount":"0.01","tot\\u0061l_amount":"9.00","out_trade_no":"o1"}'),
    ("precreate", "[]"),
    ("precreate", "{"),
    ("precreate", '{"total_amount": NaN}'),
    ("precreate", "[" * 100_000),
    ("precreate", '{"total_amount":1e99999999999999999999,"out_trade_no":"o1"}'),
    ("pay", order(auth_code="28" * 9)),
    ("create", order()),
    ("app.pay", order()),
    ("page.pay", order()),
    ("order.settle", {"out_trade_no": "o1", **ROYALTY}),
    ("refund", {"out_trade_no": "o1", "refund_amount": "0.02"}),
    ("refund", {"out_trade_no": "o1", "refund_amount": "-0.01"}),
    ("refund", {"out_trade_no": "o1", "refund_amount": "0.01", "refund_royalty_parameters": []}),
    ("query", {"trade_no": "2026112300000000"}),
    ("close", {"out_trade_no": "o1", "trade_no": "2026112300000000"}),
    ("refund", {"out_trade_no": "o1", "trade_no": "2026112300000000", "refund_amount": "0.01"}),
    ("precreate", order(subject={"total_amount": "100.00"})),
    ("precreate", order(subject=["a"])),
    ("close", {}),
]

BAD_PUBLIC: list[Made] = [
    lambda: alipay_v2("precreate", order(), app_id="2021000000000000"),
    lambda: alipay_v2("precreate", order(), app_auth_token="t"),
    lambda: alipay_v2("precreate", order(), method="alipay.fund.trans.uni.transfer"),
    lambda: alipay_v2("precreate", order(), method="ALIPAY.TRADE.PRECREATE"),
    lambda: alipay_v2("precreate", order(), biz_content="{}"),
    lambda: alipay_v2("precreate", order(), charset="utf-16"),
    lambda: alipay_v2("precreate", order(), charset="GBK"),
    lambda: alipay_v2("precreate", order(), format="XML"),
    lambda: alipay_v2("precreate", order(), sign_type="RSA"),
    lambda: httpx.Request("GET", f"{wires.ALIPAY}/gateway.do?method=alipay.trade.query"),
    lambda: httpx.Request("POST", f"{wires.ALIPAY}/gateway.do/x"),
]
OPENED_V3 = alipay_v3("query", {}).headers["authorization"]
UTF_16 = json.dumps(order()).encode("utf-16")
BAD_V3: list[Made] = [
    lambda: alipay_v3("precreate", UTF_16),
    lambda: _with(alipay_v3("precreate", order()), "alipay-app-auth-token", "t"),
    lambda: _with(alipay_v3("query", order()), "authorization", "ALIPAY-SHA256withRSA app_id=1,"),
    lambda: _with(alipay_v3("query", order()), "authorization", f"{OPENED_V3},app_id=1"),
    lambda: _with(alipay_v3("query", order()), "authorization", f"{OPENED_V3}, Bearer x"),
    lambda: alipay_v3("query?x=1", {"out_trade_no": "o1"}),
    lambda: alipay_v3("../fund/trans/uni/transfer", {"out_trade_no": "o1"}),
]  # fmt: skip

FEN = {"refund": 1, "total": 1, "currency": "CNY"}
BACK: dict[str, object] = {"out_trade_no": "t1_o0001", "out_refund_no": "r", "amount": FEN}
REFUND = "refund/domestic/refunds"
NATIVE = "pay/transactions/native"
CLOSE = "pay/transactions/out-trade-no/t1_o0001/close"
OPENED_WECHAT = native().headers["authorization"]
BAD_WECHAT: list[Made] = [
    lambda: native({"total": 2, "currency": "CNY"}),
    lambda: native({"total": 100, "currency": "CNY"}),
    lambda: native({"total": -1, "currency": "CNY"}),
    lambda: native({"total": 0, "currency": "CNY"}),
    lambda: native({"total": 1.0, "currency": "CNY"}),
    lambda: native({"total": "1", "currency": "CNY"}),
    lambda: native({"total": True, "currency": "CNY"}),
    lambda: native({"total": 1}),
    lambda: native({"total": 1, "currency": "USD"}),
    lambda: native({"currency": "CNY"}),
    lambda: native({"total": 1, "currency": "CNY", "payer_total": 100}),
    lambda: native([1]),
    lambda: native(mchid="1900000110"),
    lambda: native(appid="wx0000000000000002"),
    lambda: native(settle_info={"profit_sharing": True}),
    lambda: native(out_trade_no="o"),
    lambda: wechatpay("POST", NATIVE, '{"amount":{"total":1},"amount":{"total":9}}'),
    lambda: wechatpay("POST", NATIVE, '{"amount":{"total":1,"total":9}}'),
    lambda: wechatpay("POST", "pay/transactions/jsapi", {}),
    lambda: wechatpay("POST", "pay/transactions/h5", {}),
    lambda: wechatpay("POST", "transfer/batches", {}),
    lambda: wechatpay("POST", "profitsharing/orders", {}),
    lambda: wechatpay("POST", f"{CLOSE}?x=1", {"mchid": "1900000109"}),
    lambda: wechatpay("POST", CLOSE, {"mchid": "1900000110"}),
    lambda: wechatpay("POST", CLOSE.replace("t1_o", "..%2f"), {"mchid": "1900000109"}),
    lambda: wechatpay("GET", "certificates"),
    lambda: wechatpay("GET", "pay/transactions/id/1?mchid=1900000109"),
    lambda: wechatpay("GET", "pay/transactions/out-trade-no/t1_o0001"),
    lambda: wechatpay("DELETE", CLOSE),
    lambda: wechatpay("POST", REFUND, BACK | {"amount": FEN | {"refund": 2}}),
    lambda: wechatpay("POST", REFUND, BACK | {"amount": FEN | {"currency": "USD"}}),
    lambda: wechatpay("POST", REFUND, BACK | {"transaction_id": "4200"}),
    lambda: wechatpay("POST", REFUND, BACK | {"funds_account": "AVAILABLE"}),
    lambda: _with(native(), "authorization", 'WECHATPAY2-SHA256-RSA2048 mchid="1900000110"'),
    lambda: _with(native(), "authorization", "Bearer x"),
    lambda: _with(native(), "authorization", f'{OPENED_WECHAT},mchid="1900000110"'),
    lambda: _with(native(), "authorization", f'{OPENED_WECHAT}, Bearer x'),
    lambda: _with(native(), "authorization", 'WECHATPAY2-SHA256-RSA2048 a="b,mchid="1900000109""'),
    lambda: native(attach={"amount": {"total": 100}}),
    lambda: wechatpay("GET", f"{REFUND}/%2e%2e%2f%2e%2e%2fcertificates"),
    lambda: wechatpay("GET", f"{REFUND}/..%2fx"),
]  # fmt: skip

BAD_UNIONPAY: list[Made] = [
    lambda: unionpay(txnAmt="2"),
    lambda: unionpay(txnAmt="-1"),
    lambda: unionpay(txnAmt="01"),
    lambda: unionpay(txnAmt=""),
    lambda: unionpay(txnAmt=None),
    lambda: unionpay(currencyCode="840"),
    lambda: unionpay(currencyCode=None),
    lambda: unionpay(payTimeout=None),
    lambda: unionpay(merId="777290058178718"),
    lambda: unionpay(txnType="02"),
    lambda: unionpay(txnType="04"),
    lambda: unionpay("backTransReq"),
    lambda: unionpay("backTransReq", txnType="04", txnAmt="1"),
    lambda: unionpay("frontTransReq"),
    lambda: unionpay("cardTransReq"),
    lambda: unionpay(accNo="6216261000000000018"),
    lambda: unionpay(orderId="short"),
    lambda: unionpay(bizType="000301"),
    lambda: unionpay(encoding="UTF-16"),
    lambda: unionpay(encoding=None),
    lambda: unionpay(version="5.0.0"),
    lambda: unionpay(accessType="1"),
    lambda: acp("", b"txnAmt=1&txnAmt=100"),
    lambda: acp("?txnAmt=100", b"txnAmt=1"),
]  # fmt: skip

BAD_MODELS: list[Made] = [
    lambda: chat(key="sk-another-key"),
    lambda: _with(chat(), "x-api-key", "sk-another-key"),
    lambda: chat(models=["the-dearest"]),
    lambda: chat(Model="the-dearest"),
    lambda: chat(fallbacks=["the-dearest"]),
    lambda: chat(api_base="https://evil.test"),
    lambda: chat(speed="fast"),
    lambda: chat(max_tokens=-1),
    lambda: chat(max_tokens=0),
    lambda: chat(max_completion_tokens=1, max_tokens=-1),
    lambda: chat(messages=[{"role": "user", "content": [_picture()]}]),
    lambda: chat(messages=[{"role": "tool", "content": [{"content": [_picture()]}]}]),
    lambda: chat(messages=["hello"]),
    lambda: chat(messages="hello"),
    lambda: wires.openai(b'{"model":"the-dearest","model":"gpt-5.4-nano","messages":[]}'),
    lambda: wires.openai(b'{"mod\\u0065l":"the-dearest","model":"gpt-5.4-nano","messages":[]}'),
    lambda: wires.openai(gzip.compress(chat().content)),
    lambda: wires.openai(chat().content.decode().encode("utf-16")),
    lambda: wires.openai(b"\xef\xbb\xbf" + chat().content),
    lambda: wires.openai(b"[" + chat().content + b"]"),
    lambda: wires.openai(b"[" * 200_000),
    lambda: httpx.Request("POST", f"{wires.OPENAI}/chat/completions", headers=chat().headers,
                          content=chat().content),
    lambda: _with(chat(), "x-http-method", "DELETE"),
    lambda: chat(key=sample.STRIPE_KEY),
    lambda: chat(n=100),
    lambda: chat(tools=[{"type": "web_search_20250305", "name": "web_search"}]),
    lambda: chat(tools=[{"googleSearch": {}}]),
    lambda: chat(web_search_options={}),
    lambda: chat(service_tier="priority"),
    lambda: chat(n=0),
    lambda: chat(base=f"{wires.OPENAI}/v2"),
    lambda: openai("POST", "files"),
    lambda: openai("POST", "fine_tuning/jobs"),
    lambda: httpx.Request("POST", f"{wires.OPENAI}/v1/chat/completions", content=b"{}"),
    lambda: openai("POST", "chat/completions", b"{"),
    lambda: openai("POST", "chat/completions?x=1", b"{}"),
    lambda: openai("DELETE", "models/x"),
    lambda: openai("GET", "organization/api_keys"),
    lambda: openai("GET", "models/../files"),
]  # fmt: skip


def _picture() -> dict[str, object]:
    return {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}


def _v2(act: str, biz: object) -> Made:
    return lambda: alipay_v2(act, biz)


def _v3(act: str, biz: object) -> Made:
    return lambda: alipay_v3(act.replace(".", "/"), biz)


BAD: dict[str, list[Made]] = {
    "stripe": BAD_STRIPE,
    "alipay-ai": [*(_v2(*biz) for biz in BAD_ALIPAY), *BAD_PUBLIC],
    "alipay-v3": [*(_v3(*biz) for biz in BAD_ALIPAY), *BAD_V3],
    "wechatpay": BAD_WECHAT,
    "unionpay": BAD_UNIONPAY,
    "openai": BAD_MODELS,
}


@pytest.mark.parametrize("provider", BAD)
def test_what_none_of_our_wires_sends_never_reaches_a_socket(provider: str, tmp_path: Path) -> None:
    bench = Bench(tmp_path, Unreached(), _found(provider))
    passed = [n for n, made in enumerate(BAD[provider]) if not _refusal(bench, made())]
    assert passed == []
    assert bench.journal.entries == {}


def _refusal(bench: Bench, request: httpx.Request) -> str:
    try:
        bench.send(request)
    except Unsafe as unsafe:
        told = str(unsafe)
        shown = (sample.STRIPE_KEY, sample.OPENAI_KEY, "4242424242424242", "\n")
        assert not any(secret in told for secret in shown)
        return told
    except AssertionError:  # It was sent.
        return ""
    raise AssertionError("neither sent nor refused")


def test_a_sandbox_order_may_be_of_more_where_a_cap_says_so_and_real_money_never() -> None:
    caps = Caps(order_minor={"USD": 200, "CNY": 500})
    dollars = Asked(kind="create", amount_minor=200, currency="USD")
    yuan = Asked(kind="create", amount_minor=2, currency="CNY")
    check_amount(_found("stripe"), dollars, caps)
    check_amount(_found("alipay-ai"), yuan, caps)
    with pytest.raises(Unsafe, match="more than the 1"):
        check_amount(_found("wechatpay"), yuan, caps)
    with pytest.raises(Unsafe, match="in USD"):
        check_amount(_found("alipay-ai"), dollars, caps)


ANY = [b"", b"{", b"null", b"[]", b"\xff", b"<p>", b"a=b&a=c", b"[" * 9_000, b'{"a":{"a":1}}']


@pytest.mark.parametrize("provider", ["stripe", "alipay-ai", "alipay-v3", "wechatpay", "unionpay"])
def test_no_answer_is_a_bug(provider: str) -> None:
    asked = Asked(kind="create", order_no="o1", amount_minor=1, currency="CNY")
    for status, body in itertools.product([200, 204, 302, 400, 500], ANY):
        try:
            answer = told(_found(provider), asked, status, body)
        except Unsafe:
            # An object that does not say that it is of test mode.
            assert (provider, status, body) == ("stripe", 200, ANY[-1])
        else:
            assert not answer.made or body == ANY[-1]
            assert not (answer.id or answer.closed)


MADE: dict[str, Made] = {
    "stripe": intent,
    "alipay-ai": lambda: alipay_v2("precreate", order()),
    "alipay-v3": lambda: alipay_v3("precreate", order()),
    "wechatpay": native,
    "unionpay": unionpay,
}
BITS = [
    b"&", b"=", b"%26", b"%30", b"\0", b"\xff", b"9", b"00", b"e5", b".", b'"', b"}", b"\\u0039",
    b"&amount=5000", b"&txnAmt=99", b',"total_amount":"99"', b',"amount":{"total":9}',
]  # fmt: skip


@pytest.mark.parametrize("provider", MADE)
@settings(max_examples=60, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 700), st.sampled_from(BITS)), min_size=1, max_size=3))
def test_whatever_is_done_to_an_order_it_is_of_no_more_than_the_least(
    provider: str, changes: list[tuple[int, bytes]]
) -> None:
    made, found = MADE[provider](), _found(provider)
    body = made.content
    for at, bit in changes:
        body = body[: at % len(body)] + bit + body[at % len(body) :]
    headers = {name: of for name, of in made.headers.items() if name != "content-length"}
    try:
        asked = judge(found, httpx.Request("POST", made.url, headers=headers, content=body))
        check_amount(found, asked, USUAL)
    except Unsafe:
        return
    least = least_minor(provider)[asked.currency]
    assert (asked.kind, 0 < asked.amount_minor <= least) == ("create", True)


def _with(request: httpx.Request, name: str, value: str) -> httpx.Request:
    request.headers[name] = value
    return request
