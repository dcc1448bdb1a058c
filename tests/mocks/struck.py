"""One payer at its mock with faults that a test has placed, on the virtual clock; it asserts
nothing."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import httpx
import msgspec

from harness.clock import VirtualClock, run
from harness.faults import Placed, Script
from harness.flow.flow import Flow, World
from harness.flow.inbox import Inbox
from harness.flow.payers import Payer, Payment, Session, Settlement
from harness.flow.payers.alipay_ai import AlipayAi
from harness.flow.payers.alipay_orders import AlipayOrdersV3
from harness.flow.payers.flat import Flat
from harness.flow.payers.stripe import Stripe
from harness.flow.payers.unionpay import Unionpay
from harness.flow.payers.unionpay_ai import UnionpayAi
from harness.flow.payers.wechat_ai import WechatAi
from harness.flow.payers.wechatpay import Wechatpay
from harness.flow.wish import Wish
from harness.in_process import InProcess
from harness.providers.call import Endpoint
from mocks.host import IN_PROCESS_URL, Host, MockConfig, endpoints
from mocks.profile import PaymentProfile, load
from tests.mocks.alipay_shop import profile as alipay_profile

T = TypeVar("T")
WISH = Wish(4580, "CNY", "noodles", "card")
LUNCH = Payment("ada-0", "ada", WISH)

PAYERS: dict[str, Callable[[Endpoint, Inbox], Payer]] = {
    "wechat-ai": lambda at, inbox: WechatAi(at),
    "flat": lambda at, inbox: Flat(at),
    "stripe": lambda at, inbox: Stripe(at),
    "unionpay-ai": lambda at, inbox: UnionpayAi(at),
    "alipay-ai": lambda at, inbox: AlipayAi(at, inbox, lambda luck: 4.0),
    "wechatpay": lambda at, inbox: Wechatpay(at),
    "alipay-v3": lambda at, inbox: AlipayOrdersV3(at),
    "unionpay": lambda at, inbox: Unionpay(at),
}


class Till:
    """Made inside the loop. Every call takes half a second, and every notice 300 ms. `heard` is
    when each delivery came to the app, and what it answered."""

    def __init__(self, lane: str, placed: Sequence[Placed], seed: int = 1) -> None:
        self.clock = VirtualClock()
        self.inbox = Inbox("http://app/notices")
        self.heard: list[tuple[float, bytes]] = []
        config = MockConfig(seed=seed, pay={lane: _profile(lane)}, models={})
        self.host = Host(self.clock, config, self._deliver, Script(placed))
        self.payer = PAYERS[lane](endpoints(IN_PROCESS_URL, config)[lane], self.inbox)
        self.ledger = self.host.payments[lane].ledger
        transport = InProcess(self.host.decide, self.clock)
        self._world = World(self.clock, transport, 1, 0, True, inbox=self.inbox)

    def turn(self, number: int = 0) -> Flow:
        return Flow(self._world, 0, number, self.clock.now(), self.clock.now())

    async def session(self, flow: Flow) -> Session:
        return await self.payer.open_session(flow, LUNCH.user, WISH.method)

    async def pay(self, flow: Flow) -> Settlement:
        settled = await self.payer.authorize(flow, await self.session(flow), LUNCH)
        assert isinstance(settled, Settlement)
        return settled

    async def wait(self, seconds: float) -> None:
        await self.clock.sleep_until(self.clock.now() + seconds)

    @property
    def states(self) -> list[str]:
        return [entry.state for entry in self.ledger]

    @property
    def struck(self) -> list[tuple[str, str, int]]:
        """What did strike: fault, stage and attempt."""
        return [(fault, key.stage, key.attempt) for fault, key in self.host.setting.struck]

    async def _deliver(self, request: httpx.Request) -> httpx.Response:
        answer = await self.inbox(request)
        self.heard.append((round(self.clock.now(), 6), answer.content))
        return answer


def at_till(
    lane: str,
    placed: Sequence[Placed],
    story: Callable[[Till], Coroutine[Any, Any, T]],
    *,
    seed: int = 1,
) -> T:
    async def main() -> T:
        till = Till(lane, placed, seed)
        await till.payer.start(till.turn())
        return await story(till)

    return run("virtual", main())


def _profile(lane: str) -> PaymentProfile:
    if lane == "alipay-ai":
        return alipay_profile()
    shipped = load(lane, PaymentProfile)
    overhead = msgspec.structs.replace(shipped.overhead, p50_ms=500.0, p99_ms=500.0)
    return msgspec.structs.replace(shipped, overhead=overhead)
