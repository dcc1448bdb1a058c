"""Orders at Alipay that nobody pays: a QR code is made, and its trade closed again; on v2 or v3.

It knows no wire format. A code is good for a few minutes at most, and is shown to nobody. In the
real sandbox a trade does not exist before its code is scanned: that one does not exist means that
nothing is open, so it ends well whatever is asked of it.
"""

from hashlib import blake2b

from harness.flow.flow import Flow
from harness.flow.payers import Payment, Refund, Session, Settlement, Stale, sessionless
from harness.flow.payers.closing import Closing
from harness.flow.payers.trades import Asking, give_back
from harness.providers import alipay_ai, alipay_v3
from harness.providers.alipay_ai import trade
from harness.providers.call import Call, Endpoint, Malformed, code_name
from harness.record import Outcome

GOOD_FOR = "5m"
"""How long a code can be paid; 5m is the least that Alipay recommends."""
PRODUCT = "QR_CODE_OFFLINE"

_UNKNOWN = "ACQ.TRADE_NOT_EXIST"
_NOT_OPEN = (_UNKNOWN, "ACQ.TRADE_STATUS_ERROR", "ACQ.TRADE_HAS_CLOSE")
"""What is said of a trade that cannot be closed because it is not open."""
_ENDED = (trade.PAID_BEFORE, "ACQ.TRADE_HAS_CLOSE")
"""What is said of an order that an earlier try has made."""
_NOT_IN_SUBJECT = str.maketrans("/=&", "   ")
"""What Alipay does not take there."""


class AlipayOrders:
    """One app's client, on the wire that `ask` speaks."""

    good_end: Outcome = "ordered"
    has_sessions = False

    def __init__(self, provider: str, at: Endpoint, ask: Asking) -> None:
        self._provider = provider
        self._at = at
        self._ask = ask
        self._closing = Closing(self._close)

    async def start(self, flow: Flow) -> None:
        """The keys are there: nothing is fetched."""

    async def connect(self, flow: Flow) -> None:
        await flow.connect(self._provider, self._at)

    async def open_session(self, flow: Flow, user: str, method: str) -> Session:
        return sessionless(method)

    async def refresh_session(self, flow: Flow, user: str, session: Session) -> Session:
        return session

    async def authorize(self, flow: Flow, session: Session, payment: Payment) -> Settlement | Stale:
        told = await flow.call("pay", self._ask(flow, _order(payment)))
        if isinstance(told, trade.Refusal):
            return await self._refused(flow, session, payment, told)
        self._closing.beside(flow, payment)
        return Settlement("ordered")

    async def query(self, flow: Flow, session: Session, payment: Payment) -> Settlement | None:
        """A trade that is found waiting for its buyer is closed."""
        asked = trade.Query(out_trade_no=payment.order_no)
        told = await flow.call("query", self._ask(flow, asked))
        if isinstance(told, trade.Refusal) or not told.trade_status:
            return None
        if told.total_amount != trade.yuan(payment.wish.amount_minor):
            raise Malformed("the trade is of another amount")
        if told.trade_status == "WAIT_BUYER_PAY":
            self._closing.beside(flow, payment)
            return Settlement("ordered")
        closed: Outcome = "refunded" if told.send_pay_date else "ordered"
        outcome: Outcome = closed if told.trade_status == "TRADE_CLOSED" else "paid"
        return Settlement(outcome, trade.fee_minor(told))

    async def void(self, flow: Flow, session: Session, payment: Payment) -> bool:
        """Closes what is open, and gives back what was paid. Where that is not sure, what is open
        is closed beside the turn."""
        return await self._closing.unless_ended(flow, payment, self._end(flow, payment))

    async def refund(
        self, flow: Flow, session: Session, payment: Payment, refund: Refund
    ) -> Settlement | Stale:
        """There is nothing to give back, unless somebody has paid after all."""
        stands = await self.query(flow, session, payment)
        if stands is None or stands.outcome not in ("paid", "refunded"):
            return Settlement("declined")
        return await give_back(flow, self._ask, payment, refund)

    async def _refused(
        self, flow: Flow, session: Session, payment: Payment, why: trade.Refusal
    ) -> Settlement:
        if why.sub_code in trade.DECLINES:
            return Settlement("declined")
        settled = None
        if why.sub_code in _ENDED:
            settled = await self.query(flow, session, payment)
        if settled is None:
            raise Malformed(f"the order was refused: {code_name(why.sub_code)}")
        return settled

    async def _end(self, flow: Flow, payment: Payment) -> bool:
        asked = trade.Cancel(out_trade_no=payment.order_no)
        told = await flow.call("reverse", self._ask(flow, asked))
        if isinstance(told, trade.Refusal):
            return told.sub_code == _UNKNOWN
        return told.retry_flag == "N"

    async def _close(self, flow: Flow, payment: Payment) -> bool:
        asked = trade.Close(out_trade_no=payment.order_no)
        told = await flow.call("close", self._ask(flow, asked))
        return isinstance(told, trade.Reply) or told.sub_code in _NOT_OPEN


class AlipayOrdersV2(AlipayOrders):
    """On the wire of alipay-ai, which is OpenAPI v2."""

    def __init__(self, at: Endpoint) -> None:
        def ask(flow: Flow, biz: trade.Biz) -> Call[trade.Reply | trade.Refusal]:
            return alipay_ai.ask(at, biz, trade.beijing(flow.world.clock.unix_s()))

        super().__init__(alipay_ai.NAME, at, ask)


class AlipayOrdersV3(AlipayOrders):
    def __init__(self, at: Endpoint) -> None:
        def ask(flow: Flow, biz: trade.Biz) -> Call[trade.Reply | trade.Refusal]:
            now_s = flow.world.clock.unix_s()
            return alipay_v3.ask(at, biz, int(now_s * 1000), _nonce(biz, now_s))

        super().__init__(alipay_v3.NAME, at, ask)


def _order(payment: Payment) -> trade.Precreate:
    """Whom the user names is only told: every order is to the account that the key belongs to."""
    wish = payment.wish
    return trade.Precreate(
        out_trade_no=payment.order_no,
        total_amount=trade.yuan(wish.amount_minor),
        subject=f"Payment to {wish.payee}".translate(_NOT_IN_SUBJECT)[:256],
        trans_currency="" if wish.currency == "CNY" else wish.currency,
        product_code=PRODUCT,
        timeout_express=GOOD_FOR,
    )


def _nonce(biz: trade.Biz, now_s: float) -> str:
    """Another for each call of all runs, and the same for the same one on the virtual clock."""
    told = f"{biz} {now_s:.6f}"
    return blake2b(told.encode(), digest_size=16).hexdigest()
