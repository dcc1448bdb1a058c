"""What one run may do at most at real providers: the usual, and what no option can go beyond."""

from collections.abc import Iterator, Mapping

import msgspec

LEAST_MINOR: Mapping[str, int] = {
    "USD": 50,
    "EUR": 50,
    "CNY": 400,
    "GBP": 30,
    "HKD": 400,
    "JPY": 50,
}
"""The least that Stripe takes of each currency; a card is charged in no other here."""

FEN: Mapping[str, int] = {"CNY": 1}
"""The least of the Chinese providers, and the only currency of their domestic orders."""

MOST_PER_S = 5.0
"""Stripe's sandboxes allow 25 requests a second, and none is there for load tests."""
MOST_WECHAT_ORDERS = 20
MOST_ORDERS, MOST_REQUESTS, MOST_SPEND_USD, MOST_MINOR = 2_000, 100_000, 100.0, 10_000


class Caps(msgspec.Struct, frozen=True, kw_only=True):
    """Orders and requests are counted for each provider by itself, dollars for all together."""

    order_minor: Mapping[str, int] = {}
    """By currency, where an order in a sandbox may be of more than the least. What is real money
    never may."""
    orders: int = 200
    wechat_orders: int = MOST_WECHAT_ORDERS
    requests: int = 5_000
    per_s: float = MOST_PER_S
    """Requests in any second, to each host of a payment provider."""
    spend_usd: float = 1.0
    """For the models' tokens."""


USUAL = Caps()


def least_minor(provider: str) -> Mapping[str, int]:
    """By currency, what a payment provider's smallest order is of; it takes no other currency."""
    return LEAST_MINOR if provider == "stripe" else FEN


def most_minor(caps: Caps, provider: str, currency: str) -> int:
    """What an order may be of; 0 in a currency that none may be in."""
    least = least_minor(provider).get(currency, 0)
    if not least or provider == "wechatpay":
        return least
    return max(least, caps.order_minor.get(currency, 0))


def most_orders(caps: Caps, provider: str) -> int:
    return min(caps.orders, caps.wechat_orders) if provider == "wechatpay" else caps.orders


def beyond(caps: Caps) -> list[str]:
    """A line for each cap that is higher than any may be; none of them is ever meant to be."""
    return list(_beyond(caps))


def _beyond(caps: Caps) -> Iterator[str]:
    most: tuple[tuple[str, float, float], ...] = (
        ("orders", caps.orders, MOST_ORDERS),
        ("orders at WeChat Pay", caps.wechat_orders, MOST_WECHAT_ORDERS),
        ("requests", caps.requests, MOST_REQUESTS),
        ("requests a second", caps.per_s, MOST_PER_S),
        ("dollars", caps.spend_usd, MOST_SPEND_USD),
        *((f"{of} an order", minor, MOST_MINOR) for of, minor in caps.order_minor.items()),
    )
    for what, cap, limit in most:
        if not 0 <= cap <= limit:  # which a NaN is not either
            yield f"{cap:g} {what} is no cap: give one from 0 to {limit:g}"
    if caps.per_s == 0:
        yield f"0 requests a second is no rate: give more, up to {MOST_PER_S:g}"
