"""One payer at its own mock, in process and on the virtual clock, with faults placed one by one.

It asserts nothing.
"""

import json
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
from msgspec.structs import replace

from harness.answer import Answer
from harness.clock import VirtualClock, run
from harness.faults import Faults, Placed, Script
from harness.flow.flow import Flow, World
from harness.flow.inbox import Inbox
from harness.flow.payers import Payer, Payment
from harness.flow.payers.alipay_ai import AlipayAi
from harness.flow.payers.alipay_orders import AlipayOrdersV2, AlipayOrdersV3
from harness.flow.payers.flat import Flat
from harness.flow.payers.stripe import Stripe
from harness.flow.payers.unionpay import Unionpay
from harness.flow.payers.unionpay_ai import UnionpayAi
from harness.flow.payers.wechat_ai import WechatAi
from harness.flow.payers.wechatpay import Wechatpay
from harness.flow.wish import Wish
from harness.in_process import InProcess
from harness.providers import alipay_ai, alipay_v3, unionpay
from harness.providers.alipay_ai import trade
from harness.providers.call import Call, Endpoint
from harness.providers.told import DrawKey, name_draw, read_draw
from harness.providers.unionpay.message import fields_of_answer
from mocks.host import IN_PROCESS_URL, Host, MockConfig, endpoints
from mocks.keys import signing_pair
from mocks.profile import PaymentProfile, load

T = TypeVar("T")

Make = Callable[[Endpoint, Inbox], Payer]

WISH = Wish(5000, "CNY", "noodles", "balance")
PAYMENT = Payment("r1c2-0", "r1c2", WISH)


@dataclass(frozen=True, slots=True)
class Client:
    """A payer, and the lane whose mock is its provider."""

    lane: str
    make: Make


CLIENTS: dict[str, Client] = {
    "wechat-ai": Client("wechat-ai", lambda at, inbox: WechatAi(at)),
    "unionpay-ai": Client("unionpay-ai", lambda at, inbox: UnionpayAi(at)),
    "flat": Client("flat", lambda at, inbox: Flat(at)),
    "stripe": Client("stripe", lambda at, inbox: Stripe(at)),
    "alipay-ai": Client("alipay-ai", lambda at, inbox: AlipayAi(at, inbox, lambda luck: 4.0)),
    "alipay-orders": Client("alipay-ai", lambda at, inbox: AlipayOrdersV2(at)),
    "alipay-v3": Client("alipay-v3", lambda at, inbox: AlipayOrdersV3(at)),
    "unionpay": Client("unionpay", lambda at, inbox: Unionpay(at)),
    "wechatpay": Client("wechatpay", lambda at, inbox: Wechatpay(at)),
}


class Stand:
    """Made inside the loop. It keeps every call that the payer made, and what was answered."""

    def __init__(
        self, client: Client, placed: Sequence[Placed] = (), faults: Faults | None = None
    ) -> None:
        """`faults` are in place of those that are placed."""
        self.clock = VirtualClock()
        self.inbox = Inbox("http://app/notices")
        config = MockConfig(seed=1, pay={client.lane: load(client.lane, PaymentProfile)}, models={})
        faults = faults or Script(placed)
        self.host = Host(self.clock, config, self.inbox, faults)
        self.ledger = self.host.payments[client.lane].ledger
        self.at = endpoints(IN_PROCESS_URL, config)[client.lane]
        self.payer = client.make(self.at, self.inbox)
        self.calls: list[DrawKey] = []
        self.requests: list[httpx.Request] = []
        self.answers: list[bytes] = []
        self.mangled: dict[tuple[int, str, int], Callable[[Answer], Answer]] = {}
        """What becomes of an answer on its way, by turn, stage and attempt."""
        self._world = World(
            self.clock,
            InProcess(self._decide, self.clock),
            1,
            0,
            True,
            inbox=self.inbox,
            faults=self.host.setting.faults,
        )

    def turn(self, turn: int) -> Flow:
        now = self.clock.now()
        return Flow(self._world, 0, turn, now, now)

    @property
    def states(self) -> list[str]:
        return [entry.state for entry in self.ledger]

    def struck(self, turn: int) -> bool:
        return any(key.turn == turn for _, key in self.host.setting.struck)

    @property
    def captures(self) -> int:
        """How often money was taken, whatever became of it."""
        return sum(of.moved == "captured" for of in self.ledger.movements)

    @property
    def kept_minor(self) -> int:
        """What stands of all that was taken."""
        return sum(
            entry.terms.amount_minor - entry.refunded_minor
            for entry in self.ledger
            if entry.terms and entry.state in ("paid", "refunded")
        )

    def arrive_late(self, turn: int) -> None:
        """Every request of that turn comes to the provider once more; no fault strikes it."""
        sent = zip(list(self.calls), list(self.requests), strict=True)
        for key, request in [one for one in sent if one[0].turn == turn]:
            name_draw(request, DrawKey(key.round, key.conversation, 99, key.stage, key.attempt))
            self.host.decide(request)

    async def tell(self, notice: trade.Notice, owner: str = "alipay") -> None:
        """A notice comes to the app, signed with that key."""
        at, private_pem = f"{self.inbox.url}/alipay-ai", signing_pair(owner)[0]
        await self.inbox(alipay_ai.encode_notice(at, notice, "2026-11-23", private_pem))

    async def scanned(self) -> None:
        """Somebody pays the order that nobody was to pay. The code is the app's secret, so it is
        taken from the wire."""
        told = self.answers[0]
        if "wechatpay" in self.at.base_url:
            code, url = json.loads(told)["code_url"], f"{self.at.base_url}/client/pay?openid=eve"
            self.host.decide(httpx.Request("POST", url, content=code))
        elif "unionpay" in self.at.base_url:
            await self._past(unionpay.submit(self.at, fields_of_answer(told)["tn"], "eve"))
        elif "alipay-v3" in self.at.base_url:
            await self._past(alipay_v3.submit(self.at, json.loads(told)["qr_code"], "eve"))
        else:
            code = json.loads(told)["alipay_trade_precreate_response"]["qr_code"]
            await self._past(alipay_ai.submit(self.at, code, "eve", "card"))

    async def _past(self, call: Call[T]) -> None:
        """A call of somebody else's."""
        await self.host(call.request)

    def _decide(self, request: httpx.Request) -> Answer:
        key = read_draw(request)
        assert key is not None
        self.calls.append(key)
        self.requests.append(request)
        answer = self.host.decide(request)
        self.answers.append(b"".join(answer.chunks))
        mangle = self.mangled.get((key.turn, key.stage, key.attempt))
        return mangle(answer) if mangle else answer


def at_stand(
    name: str,
    story: Callable[[Stand], Coroutine[Any, Any, T]],
    placed: Sequence[Placed] = (),
    faults: Faults | None = None,
) -> T:
    async def main() -> T:
        return await story(Stand(CLIENTS[name], placed, faults))

    return run("virtual", main())


def other(n: int) -> Payment:
    return replace(PAYMENT, order_no=f"r1c2-{n}")
