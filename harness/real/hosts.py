"""Where a real provider is: the exact hosts that may be asked; it asks none of them.

A host is compared as it would be connected to, never by a part of its name. The models' own hosts
are their wires'; a base URL from the environment may stand for one of a model, never of a payment.
"""

from collections.abc import Mapping

import httpx

from harness.providers import MODELS
from harness.real.unsafe import Unsafe

Origin = tuple[str, str, int]
"""Scheme, host and port: what a connection leads to."""

PAYMENT_BASES: Mapping[str, str] = {
    "stripe": "https://api.stripe.com",
    "alipay-ai": "https://openapi-sandbox.dl.alipaydev.com",
    "alipay-v3": "https://openapi-sandbox.dl.alipaydev.com",
    "wechatpay": "https://api.mch.weixin.qq.com",
    "unionpay": "https://gateway.test.95516.com",
}
"""Stripe tells test mode from live mode by the key alone. WeChat Pay's is its production."""

PRODUCTION: Mapping[str, str] = {
    "openapi.alipay.com": "Alipay's production moves money: its sandbox alone may be asked",
    "gateway.95516.com": "UnionPay's production moves money: its test gateway alone may be asked",
    "api2.mch.weixin.qq.com": "WeChat Pay is asked at api.mch.weixin.qq.com alone",
    "openapi.alipaydev.com": "Alipay's sandbox is at openapi-sandbox.dl.alipaydev.com now",
}
"""Hosts that a request of ours could be meant for, and why it never goes there."""

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def origin_of(url: httpx.URL) -> Origin:
    """What a request to it connects to. A URL that also names a user is meant to mislead."""
    scheme, host = url.scheme, url.raw_host.decode("ascii")
    if url.userinfo:
        raise Unsafe("a URL with a user before its host: write the host alone")
    if scheme not in ("http", "https") or not host:
        raise Unsafe("a URL that is neither https://host nor http://host")
    port = url.port if url.port is not None else 443 if scheme == "https" else 80
    if not 0 < port < 65536:
        raise Unsafe("a URL whose port is none")
    return scheme, host, port


def public_base(provider: str) -> str:
    """The provider's own base URL, "" where everybody has a server of their own."""
    if base := PAYMENT_BASES.get(provider):
        return base
    wire = MODELS[provider]
    return f"https://{wire.HOSTS[0]}{wire.BASE_PATH}" if wire.HOSTS else ""


def problem_of_base(text: str) -> str:
    """Why that cannot be the base URL of a provider of models, "" if it can."""
    try:
        url = httpx.URL(text)
        scheme, host, _ = origin_of(url)
    except (httpx.InvalidURL, UnicodeError, ValueError):
        return "is no URL"
    except Unsafe as unsafe:
        return f"is {unsafe}"
    if url.query or url.fragment or "?" in text or "#" in text:
        return "goes on behind its path: give scheme, host and path alone"
    if scheme == "http" and host not in LOOPBACK:
        return "would send the key in the clear: give an https URL, or one of this machine"
    if f".{host.rstrip('.')}".endswith(_OF_MONEY):
        return "is the host of a payment provider: give one of a provider of models"
    return ""


def why_not(host: str) -> str:
    """What is said of a host that no provider found has."""
    if host in PRODUCTION:
        return PRODUCTION[host]
    near = next((known for known in _NAMED if known in host or host in known), "")
    if near:
        return f"it only looks like {near}: a host has to be the very same"
    return "none of the providers whose credentials were found is there"


_MONEY = frozenset({*(httpx.URL(base).host for base in PAYMENT_BASES.values()), *PRODUCTION})
_OF_MONEY = (".stripe.com", ".alipay.com", ".alipaydev.com", ".95516.com", ".mch.weixin.qq.com")
_NAMED = (*_MONEY, *(host for wire in MODELS.values() for host in wire.HOSTS))
