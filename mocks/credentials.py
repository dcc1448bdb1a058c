"""What opens the mocks whose clients sign: keys that were made in the mocks' own process.

A client of that process has them at hand; any other asks the mock itself. They open nothing but a
mock, and are safe for everyone only on loopback.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import httpx

from harness.providers import alipay_ai, alipay_v3, unionpay, wechatpay
from harness.providers.call import Call, Endpoint
from mocks import unionpay_keys, wechatpay_keys
from mocks.alipay_ai import credentials as alipay_credentials

K = TypeVar("K")


class Keyed(Protocol):
    """One provider's keys, wherever they were made."""

    def here(self, base_url: str) -> Endpoint:
        """For a client of this process."""

    def ask(self, base_url: str) -> Call[Endpoint]:
        """For a client of mocks in another one."""


@dataclass(frozen=True, slots=True)
class Pair(Generic[K]):
    """Keys as their wire tells them."""

    own: Callable[[], K]
    fetch: Callable[[str], Call[K]]
    endpoint: Callable[[str, K], Endpoint]

    def here(self, base_url: str) -> Endpoint:
        return self.endpoint(base_url, self.own())

    def ask(self, base_url: str) -> Call[Endpoint]:
        call = self.fetch(base_url)

        def decode(status: int, headers: httpx.Headers, body: bytes) -> Endpoint:
            return self.endpoint(base_url, call.decode(status, headers, body))

        return Call(call.provider, call.request, decode)


def alipay_endpoint(base_url: str, keys: alipay_ai.Keys) -> Endpoint:
    return Endpoint(base_url, keys.app_private_key, keys.app_id, keys.alipay_public_key)


def alipay_keys() -> alipay_ai.Keys:
    return alipay_ai.Keys(*alipay_credentials())


CREDENTIALS: Mapping[str, Keyed] = {
    "alipay-ai": Pair(alipay_keys, alipay_ai.fetch_keys, alipay_endpoint),
    "alipay-v3": Pair(alipay_keys, alipay_v3.fetch_keys, alipay_endpoint),
    "unionpay": Pair(unionpay_keys.credentials, unionpay.fetch_keys, unionpay_keys.endpoint_of),
    "wechatpay": Pair(
        lambda: wechatpay_keys.credentials().keys, wechatpay.fetch_keys, wechatpay.endpoint_of
    ),
}
"""By provider. Every other one is opened by a key that anybody can know."""
