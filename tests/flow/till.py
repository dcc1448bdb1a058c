"""One payment provider's client at its mock, with no agent and no model; it asserts nothing.

Delays are exact: every draw of an overhead is one second, of which a session takes its share.
"""

import datetime
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import httpx
import msgspec

from harness.clock import VirtualClock, run
from harness.flow.flow import Flow, World
from harness.flow.payers import Payer, Payment, Session, Settlement, Stale
from harness.flow.payers.flat import Flat
from harness.flow.payers.unionpay_ai import UnionpayAi
from harness.flow.payers.wechat_ai import WechatAi
from harness.flow.wish import Wish
from harness.load.engine import BOOT
from harness.providers.call import Endpoint
from mocks.figures import Limits, Overhead
from mocks.host import IN_PROCESS_URL, Host, MockConfig, endpoints
from mocks.profile import PaymentProfile, load
from tests.worlds import Door, Troubles

T = TypeVar("T")

PAYERS: dict[str, Callable[[Endpoint], Payer]] = {
    "wechat-ai": WechatAi,
    "flat": Flat,
    "unionpay-ai": UnionpayAi,
}
WISH = Wish(5000, "CNY", "noodles", "balance")
PAYMENT = Payment("r1c2-0", "r1c2", WISH)
DAY = datetime.date(2026, 1, 1)


class Till:
    """Made inside the loop. `door` keeps every call, and spoils some."""

    def __init__(self, provider: str, config: MockConfig, key: str, troubles: Troubles) -> None:
        clock = VirtualClock()
        at = endpoints(IN_PROCESS_URL, config)[provider]
        self.provider = provider
        self.door = Door(Host(clock, config), troubles)
        self.payer = PAYERS[provider](replace(at, key=key or at.key))
        self._world = World(clock, httpx.MockTransport(self.door), seed=1, round=0, mocked=True)
        self.flow = self.turn(0)

    def turn(self, conversation: int) -> Flow:
        now = self._world.clock.now()
        return Flow(self._world, conversation, 0, now, now)

    async def session(self, user: str = PAYMENT.user) -> Session:
        return await self.payer.open_session(self.flow, user, WISH.method)

    async def pay(self, payment: Payment = PAYMENT) -> Settlement | Stale:
        return await self.payer.authorize(self.flow, await self.session(payment.user), payment)

    def books(self) -> list[tuple[str, str, int]]:
        """Order number, state and what was given back."""
        ledger = self.door.host.payments[self.provider].ledger
        return [(entry.order_no, entry.state, entry.refunded_minor) for entry in ledger]


def at_till(
    provider: str,
    story: Callable[[Till], Awaitable[T]],
    *,
    limits: Limits | None = None,
    lifetime_s: float = 900.0,
    key: str = "",
    troubles: Troubles | None = None,
) -> T:
    """`limits` of the provider, the `lifetime_s` of its sessions and the client's `key` are as a
    test wants them; the app has started."""

    async def main() -> T:
        profile = exact(provider, lifetime_s, limits)
        config = MockConfig(seed=1, pay={provider: profile}, models={})
        till = Till(provider, config, key, troubles or {})
        await till.payer.start(till.turn(BOOT))
        return await story(till)

    return run("virtual", main())


def exact(provider: str, lifetime_s: float, limits: Limits | None) -> PaymentProfile:
    shipped = load(provider, PaymentProfile)
    overhead = Overhead(p50_ms=1000, p99_ms=1000, provenance="assumed", source="tests", date=DAY)
    session = shipped.session and msgspec.structs.replace(shipped.session, lifetime_s=lifetime_s)
    return msgspec.structs.replace(shipped, overhead=overhead, session=session, limits=limits)


def limited(**of: float) -> Limits:
    none = Limits(provenance="assumed", source="tests", date=DAY)
    return msgspec.structs.replace(none, **of)
