"""A request goes to the very hosts that were found, however another looks; no socket is opened."""

import asyncio
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.clock import RealClock
from harness.http1 import Sockets
from harness.real.credentials import Found
from harness.real.hosts import PAYMENT_BASES, origin_of, problem_of_base, public_base, why_not
from harness.real.unsafe import Unsafe
from harness.transport import measure
from tests.real import sample, wires
from tests.real.sample import Bench, Internet, Unreached

LOOK_ALIKE = [
    "https://api.stripe.com.evil.test",
    "https://evilapi.stripe.com",
    "https://api.stripe.co",
    "https://stripe.com",
    "https://api.stripe.com@evil.test",
    "https://api.stripe.com:443@evil.test",
    "https://api.stripe.com%40evil.test",
    "https://user@api.stripe.com",
    "https://user:pass@api.stripe.com",
    "https://api.stripe.com:8443",
    "https://api.stripe.com:80",
    "https://api.stripe.com.",
    "https://api.stripe.com..",
    "http://api.stripe.com",
    "http://api.stripe.com:443",
    "https://127.0.0.1",
    "http://127.0.0.1",
    "https://[::1]",
    "https://54.187.174.169",
    "https://0x36bbaea9",
    "https://api.str\u0456pe.com",
    "https://localhost",
    "https://api-stripe-com.evil.test",
]


@pytest.mark.parametrize("base", LOOK_ALIKE)
def test_a_host_that_only_looks_like_stripes_is_never_asked(base: str, tmp_path: Path) -> None:
    bench = Bench(tmp_path, Unreached(), sample.stripe(), *_chinese())
    with pytest.raises(Unsafe) as unsafe:
        bench.send(wires.intent(base=base))
    assert "pass" not in str(unsafe.value)
    assert sample.STRIPE_KEY not in str(unsafe.value)
    assert bench.journal.entries == {}


@pytest.mark.parametrize(
    "base",
    [
        "https://API.Stripe.COM",
        "https://api.stripe.com:443",
        "https://api\u3002stripe\uff0ecom",
        "https://\uff41pi.stripe.com",
    ],
)
def test_however_a_host_is_written_it_is_judged_as_what_is_connected_to(
    base: str, tmp_path: Path
) -> None:
    internet = Internet(lambda _: httpx.Response(400, json={"error": {"type": "api_error"}}))
    try:
        Bench(tmp_path, internet, sample.stripe()).send(wires.intent(base=base))
    except (Unsafe, httpx.InvalidURL):
        assert internet.sent == []
    for request in internet.sent:
        assert (request.url.scheme, request.url.raw_host) == ("https", b"api.stripe.com")
        assert request.headers["host"] in ("api.stripe.com", "api.stripe.com:443")


PRODUCTION = [
    ("https://openapi.alipay.com", "production"),
    ("https://openapi.alipaydev.com", "sandbox"),
    ("https://openapi-sandbox.dl.alipaydev.com.evil.test", "looks like"),
    ("https://gateway.95516.com", "production"),
    ("https://api2.mch.weixin.qq.com", "api.mch.weixin.qq.com alone"),
    ("https://evil.test", "none of the providers"),
]


@pytest.mark.parametrize(("base", "word"), PRODUCTION)
def test_no_production_of_alipay_and_unionpay_is_asked(
    base: str, word: str, tmp_path: Path
) -> None:
    bench = Bench(tmp_path, Unreached(), *_chinese())
    sent = [
        wires.alipay_v2("precreate", wires.order(), base),
        wires.alipay_v3("precreate", wires.order(), base),
        wires.unionpay(base=base),
        wires.native(base=base),
    ]
    for request in sent:
        with pytest.raises(Unsafe, match=word):
            bench.send(request)


def test_wechat_pay_is_asked_only_by_the_users_own_word(tmp_path: Path) -> None:
    wechat = sample.found("wechatpay", sample.wechatpay())
    with pytest.raises(Unsafe, match="--live-wechat-orders"):
        Bench(tmp_path, Unreached(), wechat, allow_production=False)


@pytest.mark.parametrize(
    ("provider", "base"),
    [
        ("stripe", "https://evil.test"),
        ("stripe", "http://127.0.0.1:8420"),
        ("stripe", "https://api.stripe.com/"),
        ("alipay-ai", "https://openapi.alipay.com"),
        ("unionpay", "https://gateway.95516.com"),
        ("openai", "http://api.openai.com/v1"),
        ("openai", "https://api.stripe.com/v1"),
    ],
)
def test_nobody_gets_round_the_finding(provider: str, base: str, tmp_path: Path) -> None:
    with pytest.raises(Unsafe, match="base URL"):
        Bench(tmp_path, Unreached(), sample.forged(provider, base))


def test_a_live_key_is_refused_even_if_somebody_made_a_find_of_it(tmp_path: Path) -> None:
    live = sample.forged("stripe", PAYMENT_BASES["stripe"], "sk_live_51TollbenchNotAKey")
    with pytest.raises(Unsafe, match="test key"):
        Bench(tmp_path, Unreached(), live)


def test_a_provider_that_was_not_found_is_never_asked(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Unreached(), sample.stripe())
    with pytest.raises(Unsafe):
        bench.send(wires.chat())


def test_another_host_header_is_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Unreached(), sample.stripe())
    request = wires.intent()
    request.headers["host"] = "evil.test"
    with pytest.raises(Unsafe, match="Host"):
        bench.send(request)


@pytest.mark.parametrize("name", ["sni_hostname", "target", "network_stream"])
def test_no_extension_leads_a_request_elsewhere(name: str, tmp_path: Path) -> None:
    bench = Bench(tmp_path, Unreached(), sample.stripe())
    request = wires.intent()
    request.extensions[name] = b"evil.test"
    with pytest.raises(Unsafe, match=name):
        bench.send(request)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed_and_no_key_goes_there(status: int, tmp_path: Path) -> None:
    def away(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, headers={"location": "https://evil.test/v1"})

    internet = Internet(away)
    bench = Bench(tmp_path, internet, sample.stripe(), sample.openai())
    for took in bench.send(wires.intent(), wires.chat()):
        assert (took.status, "location" in took.headers) == (status, False)

    async def by_a_client_that_follows() -> None:
        async with httpx.AsyncClient(transport=bench.safe, follow_redirects=True) as client:
            answer = await client.send(wires.intent("t1-o2"))
            assert (answer.status_code, answer.history) == (status, [])

    asyncio.run(by_a_client_that_follows())
    assert {request.url.host for request in internet.sent} == {"api.stripe.com", "api.openai.com"}
    assert len(internet.sent) == 3


def test_no_proxy_of_the_environment_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Names are looked up where every connection begins, so that is where the test stands."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://proxy.evil.test:3128")
        monkeypatch.setenv(name.lower(), "http://proxy.evil.test:3128")
    asked = []

    async def getaddrinfo(host: Any, port: Any, **how: Any) -> Any:
        asked.append((host, port))
        raise OSError("no network here")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
        async with Sockets() as sockets:
            bench = Bench(tmp_path, sockets, sample.openai())
            took = await measure(bench.safe, RealClock(), wires.chat(), 5.0)
        assert took.status == 0

    asyncio.run(main())
    assert asked == [("api.openai.com", 443)]


def test_connecting_ahead_is_held_to_the_same_hosts(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Unreached(), sample.stripe())

    async def main() -> None:
        with pytest.raises(Unsafe):
            await bench.safe.connect(RealClock(), httpx.URL("https://evil.test"), 1.0)
        assert await bench.safe.connect(RealClock(), httpx.URL(wires.STRIPE), 1.0) is None

    asyncio.run(main())


def test_every_providers_own_base_is_one_that_may_be() -> None:
    assert public_base("litellm") == ""
    assert problem_of_base(public_base("openai")) == ""
    assert origin_of(httpx.URL(public_base("stripe"))) == ("https", "api.stripe.com", 443)
    assert "looks like api.openai.com" in why_not("api.openai.com.evil.test")


@cache
def _chinese() -> list[Found]:
    return [
        *(sample.found(name, sample.alipay()) for name in ("alipay-ai", "alipay-v3")),
        sample.found("wechatpay", sample.wechatpay()),
    ]
