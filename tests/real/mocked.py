"""The real host of one payment provider, which is a mock of ours on the virtual clock; it asserts
that nothing of ours is told to it."""

from dataclasses import dataclass, field

import httpx

from harness.clock import Clock
from harness.providers.call import Endpoint
from harness.real.credentials import Found
from harness.real.hosts import PAYMENT_BASES
from mocks.credentials import CREDENTIALS
from mocks.host import Host, MockConfig, key_of
from mocks.ledger import Entry
from mocks.profile import PaymentProfile, load


@dataclass(slots=True)
class Hosts(httpx.AsyncBaseTransport):
    host: Host
    provider: str
    sent: list[httpx.Request] = field(default_factory=list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        base = httpx.URL(PAYMENT_BASES[self.provider])
        assert (request.url.scheme, request.url.host) == (base.scheme, base.host)
        assert not {name for name in request.headers if name.startswith("x-tollbench")}
        self.sent.append(request)
        path = f"/{self.provider}".encode() + request.url.raw_path
        url = httpx.URL("http://mocks").copy_with(raw_path=path)
        headers = [each for each in request.headers.raw if each[0].lower() != b"host"]
        return await self.host(
            httpx.Request(request.method, url, headers=headers, content=request.content)
        )

    @property
    def books(self) -> list[Entry]:
        return list(self.host.payments[self.provider].ledger)


def hosts_of(provider: str, clock: Clock) -> Hosts:
    config = MockConfig(seed=1, pay={provider: load(provider, PaymentProfile)}, models={})
    return Hosts(Host(clock, config), provider)


def found_of(provider: str) -> Found:
    base = PAYMENT_BASES[provider]
    keyed = CREDENTIALS.get(provider)
    at = keyed.here(base) if keyed else Endpoint(base, key_of(provider))
    return Found(provider, "real" if provider == "wechatpay" else "sandbox", at, ())
