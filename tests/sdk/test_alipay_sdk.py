"""python-alipay-sdk drives the served mock, unpatched but for where the gateway is.

The official alipay-sdk-python is half a gigabyte and connects to port 80 whatever its URL says, so
it is no part of this suite; a run by hand against port 80 read the same answers.
"""

import json
import threading
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import httpx
import msgspec
import pytest

from harness.clock import RealClock
from mocks.alipay_ai import AlipayAi
from mocks.keys import signing_pair
from mocks.profile import PaymentProfile, load
from mocks.setting import Setting
from tests.sdk.serving import serve

alipay: Any = pytest.importorskip("alipay", reason="needs python-alipay-sdk")
if not hasattr(alipay, "AliPay"):
    pytest.skip("the official SDK is here instead, under the same name", allow_module_level=True)
pytestmark = [pytest.mark.sdk, pytest.mark.socket]

CODE = "28763443825664394"


class Served:
    """Where the mock is served, and the notices that it has sent."""

    def __init__(self) -> None:
        self.url = ""
        self.notices: list[dict[str, str]] = []
        self.told = threading.Event()

    async def take(self, request: httpx.Request) -> httpx.Response:
        self.notices.append(dict(parse_qsl(request.content.decode())))
        self.told.set()
        return httpx.Response(200, content=b"success")

    def keys(self) -> dict[str, str]:
        with urllib.request.urlopen(f"{self.url}/_keys") as answer:
            told: dict[str, str] = json.load(answer)
            return told


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    shipped, at = load("alipay-ai", PaymentProfile), Served()
    assert shipped.webhook
    fast = msgspec.structs.replace(
        shipped,
        overhead=msgspec.structs.replace(shipped.overhead, p50_ms=2.0, p99_ms=3.0),
        webhook=msgspec.structs.replace(shipped.webhook, p50_ms=2.0, p99_ms=3.0),
    )
    with serve(AlipayAi(Setting(clock=RealClock(), seed=1, deliver=at.take), fast)) as url:
        at.url = f"{url}/alipay-ai"
        yield at


def client_of(at: Served, **changed: str) -> Any:
    keys = {**at.keys(), **changed}
    client = alipay.AliPay(
        appid=keys["app_id"],
        app_notify_url="http://shop/notices",
        app_private_key_string=keys["app_private_key"],
        alipay_public_key_string=keys["alipay_public_key"],
    )
    client._gateway = f"{at.url}/gateway.do"  # It takes none of its constructor.
    return client


def test_a_qr_code_is_made_asked_after_and_closed(served: Served) -> None:
    client = client_of(served)
    made = client.api_alipay_trade_precreate("茶 & milk", "p-1", 12.5)
    assert made["qr_code"].startswith("https://qr.alipay.com/")
    stands = client.api_alipay_trade_query(out_trade_no="p-1")
    assert (stands["trade_status"], stands["total_amount"]) == ("WAIT_BUYER_PAY", "12.50")
    assert client.api_alipay_trade_close(out_trade_no="p-1")["code"] == "10000"
    assert client.api_alipay_trade_query(out_trade_no="p-1")["trade_status"] == "TRADE_CLOSED"


def test_a_payment_is_made_given_back_and_refused_twice(served: Served) -> None:
    client = client_of(served)
    paid = client.api_alipay_trade_pay("y-1", "bar_code", CODE, "茶", total_amount="100.00")
    assert (paid["code"], paid["receipt_amount"]) == ("10000", "100.00")
    part = {"out_trade_no": "y-1", "out_request_no": "r-1"}
    first, again = (client.api_alipay_trade_refund("10.00", **part) for _ in range(2))
    assert (first["fund_change"], again["fund_change"]) == ("Y", "N")
    other = client.api_alipay_trade_refund("11.00", **part)
    assert other["sub_code"] == "ACQ.DISCORDANT_REPEAT_REQUEST"
    stands = client.api_alipay_trade_fastpay_refund_query("r-1", out_trade_no="y-1")
    assert stands["refund_amount"] == "10.00"
    unknown = client.api_alipay_trade_query(out_trade_no="y-2")
    assert (unknown["code"], unknown["sub_code"]) == ("40004", "ACQ.TRADE_NOT_EXIST")


def test_an_order_that_the_sdk_signs_is_paid_and_its_notice_verifies(served: Served) -> None:
    client = client_of(served)
    served.told.clear()
    order = client.api_alipay_trade_app_pay("面", "a-1", "45.80")
    request = urllib.request.Request(f"{served.url}/client/pay", data=order.encode())
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer)["resultStatus"] == "9000"
    assert served.told.wait(10)
    told = next(notice for notice in served.notices if notice["out_trade_no"] == "a-1")
    sign = told.pop("sign")
    assert client.verify(told, sign)
    assert (told["trade_status"], told["total_amount"]) == ("TRADE_SUCCESS", "45.80")


def test_an_unknown_app_is_refused_without_a_signature(served: Served) -> None:
    with pytest.raises(alipay.exceptions.AliPayException, match=r"isv\.invalid-app-id"):
        client_of(served, app_id="2021000000000009").api_alipay_trade_query(out_trade_no="p-1")


def test_another_key_is_refused_with_one(served: Served) -> None:
    client = client_of(served, app_private_key=signing_pair("a stranger")[0])
    told = client.api_alipay_trade_query(out_trade_no="p-1")
    assert (told["code"], told["sub_code"]) == ("40002", "isv.invalid-signature")
