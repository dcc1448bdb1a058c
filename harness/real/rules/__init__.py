"""What a request to a real provider may be, read off its bytes alone; pure, and nothing is sent.

Whatever no wire of ours sends is Unsafe: another method or path, a field that nobody here writes,
a body that could be read in two ways, another's key. What stands here calls no wire's code: it is
the second opinion on what they write.
"""

from collections.abc import Mapping
from typing import Protocol

import httpx

from harness.real.caps import Caps, most_minor
from harness.real.credentials import Found
from harness.real.rules import alipay, models, stripe, unionpay, wechatpay
from harness.real.rules.asked import NOTHING, Asked, Kind, Told
from harness.real.unsafe import Unsafe

__all__ = ["NOTHING", "Asked", "Kind", "Told", "check_amount", "judge", "prefix_of", "told"]


class Judge(Protocol):
    def __call__(self, found: Found, request: httpx.Request, path: str, query: bytes) -> Asked: ...


class Tell(Protocol):
    def __call__(self, asked: Asked, status: int, body: bytes) -> Told: ...


_PAYMENTS: Mapping[str, tuple[Judge, Tell, str]] = {
    "stripe": (stripe.judge, stripe.told, "/v1/"),
    "alipay-ai": (alipay.judge_v2, alipay.told_v2, "/gateway.do"),
    "alipay-v3": (alipay.judge_v3, alipay.told_v3, "/v3/alipay/"),
    "wechatpay": (wechatpay.judge, wechatpay.told, "/v3/"),
    "unionpay": (unionpay.judge, unionpay.told, "/gateway/api/"),
}


def judge(found: Found, request: httpx.Request) -> Asked:
    """What the request asks for, or Unsafe. Its body must have been read."""
    path, _, query = request.url.raw_path.partition(b"?")
    try:
        plain = path.decode("ascii")
    except UnicodeDecodeError:
        raise Unsafe(f"a request to {found.provider} with a path that is no path") from None
    ours = _PAYMENTS.get(found.provider)
    asks = ours[0] if ours else models.judge
    return asks(found, request, plain, query)


def check_amount(found: Found, asked: Asked, caps: Caps) -> None:
    """An order of more than the cap is Unsafe, and a refund too."""
    if not asked.amount_minor:
        return
    currency = asked.currency
    if not currency:  # Stripe's refunds are in that of their order, and of no more than it.
        return
    most = most_minor(caps, found.provider, currency)
    if not most:
        raise Unsafe(f"an order at {found.provider} in {currency}, in which none may be made")
    if asked.amount_minor > most:
        told = f"an order of {asked.amount_minor} {currency} (minor units) at {found.provider}"
        raise Unsafe(f"{told}, more than the {most} that one may be of")


def told(found: Found, asked: Asked, status: int, body: bytes) -> Told:
    """What an answer says of an order; Unsafe where it says that it is real money's. It raises
    nothing else, whatever the bytes."""
    ours = _PAYMENTS.get(found.provider)
    return ours[1](asked, status, body) if ours else NOTHING


def prefix_of(found: Found) -> str:
    """How the paths of its requests begin."""
    ours = _PAYMENTS.get(found.provider)
    return ours[2] if ours else models.base_path(found.endpoint.base_url)
