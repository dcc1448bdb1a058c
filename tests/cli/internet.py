"""A stand-in for the internet: real hosts that lead to mocks of ours in this process; every other
host fails the test. It asserts nothing else, and opens no socket."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import NoReturn

import httpx
import pytest
from msgspec import structs

from harness.clock import Clock, RealClock
from harness.in_process import InProcess
from harness.real.credentials import NAMES, SEVERAL, Found, Mode
from harness.real.hosts import PAYMENT_BASES
from harness.transport import Measured, MeasuringTransport, measure
from mocks.credentials import CREDENTIALS
from mocks.figures import stretched
from mocks.host import Host, MockConfig
from mocks.profile import ModelProfile, PaymentProfile, load

KEYS = {"OPENAI_API_KEY": "mock-api-key", "STRIPE_API_KEY": "sk_test_mock_api_key"}
"""What opens the mocks that stand in."""

PAYMENTS = ("stripe", "alipay-ai", "alipay-v3", "wechatpay", "unionpay")
QUICK = 50.0
"""So many times as fast as usual they are, so that a test waits for none."""

Meddle = Callable[[httpx.Request, Measured], Measured]


def found(provider: str, mode: Mode = "sandbox") -> Found:
    """The credentials of a stand-in whose clients sign."""
    keys = CREDENTIALS[provider].here("")
    return Found(provider, mode, replace(keys, base_url=PAYMENT_BASES[provider]), ("TEST_KEYS",))


def forget_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without any."""
    names = {name for of in NAMES.values() for name in (*of.keys, of.base, *of.unused)}
    for name in names | {name for several in SEVERAL.values() for name in several}:
        monkeypatch.delenv(name, raising=False)


class Internet(MeasuringTransport):
    """Answers as the hosts would. `meddle` changes an answer on its way back."""

    def __init__(self) -> None:
        self.asked: list[httpx.Request] = []
        self.opened: list[int] = []
        """How many requests there had been whenever a set of connections was opened."""
        self.meddle: Meddle = lambda request, took: took
        self._inner = InProcess(Host(RealClock(), _config()).decide, RealClock())

    @contextlib.asynccontextmanager
    async def __call__(self) -> AsyncIterator[MeasuringTransport]:
        self.opened.append(len(self.asked))
        yield self

    async def exchange(self, clock: Clock, request: httpx.Request, patience_s: float) -> Measured:
        self.asked.append(request)
        took = await measure(self._inner, clock, _led(request), patience_s)
        took = structs.replace(took, told=None)  # A real provider tells nothing.
        return self.meddle(request, took)

    async def handle_async_request(self, request: httpx.Request) -> NoReturn:
        raise AssertionError("nobody asks in this way here")

    @property
    def hosts(self) -> set[str]:
        return {request.url.host for request in self.asked}

    def sent(self, host: str) -> list[bytes]:
        """The bodies that went there."""
        return [of.content for of in self.asked if of.url.host == host]


def _led(request: httpx.Request) -> httpx.Request:
    assert request.url.scheme == "https"
    path = request.url.raw_path.decode()
    place = {
        "api.openai.com": "openai",
        "api.stripe.com": "stripe",
        "openapi-sandbox.dl.alipaydev.com": "alipay-v3" if path[:4] == "/v3/" else "alipay-ai",
        "api.mch.weixin.qq.com": "wechatpay",
        "gateway.test.95516.com": "unionpay",
    }[request.url.host]
    headers = [(name, value) for name, value in request.headers.raw if name.lower() != b"host"]
    url = httpx.URL(f"http://mocks/{place}{path}")
    return httpx.Request(request.method, url, headers=headers, content=request.content)


def _config() -> MockConfig:
    model = load("gpt-4o", ModelProfile)
    latency = stretched(model.latency, 1 / QUICK)
    latency = structs.replace(latency, tokens_per_s=latency.tokens_per_s * QUICK)
    return MockConfig(
        seed=1,
        pay={name: _quick(load(name, PaymentProfile)) for name in PAYMENTS},
        models={"gpt-4o": structs.replace(model, latency=latency)},
        cny_per_usd=7.0,
    )


def _quick(profile: PaymentProfile) -> PaymentProfile:
    return structs.replace(profile, overhead=stretched(profile.overhead, 1 / QUICK))
