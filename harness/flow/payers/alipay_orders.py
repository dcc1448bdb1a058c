"""Orders at Alipay that nobody pays: a QR code is made, and its trade closed again; on v2 or v3.

It knows no wire format. A code is good for a few minutes at most, and is shown to nobody. In the
real sandbox a trade does not exist before its code is scanned: that one does not exist means that
nothing is open, so it ends well whatever is asked of it.
"""

from collections.abc import Callable
from hashlib import blake2b

from harness.clock import unix_s
from harness.flow.flow import Flow
from harness.flow.payers import Payment, Refund, Session, Settlement, Stale, sessionless
from harness.providers import alipay_ai, alipay_v3
from harness.providers.alipay_ai import trade
from harness.providers.call import Call, Endpoint, Malformed, Unreachable, code_name
from harness.record import Outcome

Asking = Callable[[Flow, trade.Biz], Call[trade.Reply | trade.Refusal]]

GOOD_FOR = "5m"
"""How long a code can be paid; 5m is the least that Alipay recommends."""
PRODUCT = "QR_CODE_OFFLINE"

_UNKNOWN = "ACQ.TRADE_NOT_EXIST"
_NOT_IN_SUBJECT = str.maketrans("/=&", "   ")
"""What Alipay does not take there."""


class AlipayOrders:
    """One app's client, on the wire that `ask` speaks. It keeps which orders are being closed."""

    good_end: Outcome = "ordered"
    has_sessions = False

    def __init__(self, provider: str, at: Endpoint, ask: Asking) -> None:
        self._provider = provider
        self._at = at
        self._ask = ask
        self._closing: set[str] = set()

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
        self._close_beside(flow, payment)
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
            self._close_beside(flow, payment)
            return Settlement("ordered")
        closed: Outcome = "refunded" if told.send_pay_date else "ordered"
        outcome: Outcome = closed if told.trade_status == "TRADE_CLOSED" else "paid"
        return Settlement(outcome, trade.fee_minor(told))

    async def void(self, flow: Flow, session: Session, payment: Payment) -> bool:
        """Closes what is open, and gives back what was paid."""
        asked = trade.Cancel(out_trade_no=payment.order_no)
        told = await flow.call("reverse", self._ask(flow, asked))
        if isinstance(told, trade.Refusal):
            return told.sub_code == _UNKNOWN
        return told.retry_flag == "N"

    async def refund(
        self, flow: Flow, session: Session, payment: Payment, refund: Refund
    ) -> Settlement | Stale:
        """There is nothing to give back, unless somebody has paid after all."""
        stands = await self.query(flow, session, payment)
        if stands is None or stands.outcome not in ("paid", "refunded"):
            return Settlement("declined")
        asked = trade.Refund(
            refund_amount=trade.yuan(refund.amount_minor),
            out_trade_no=payment.order_no,
            out_request_no=refund.refund_no,
        )
        told = await flow.call("refund", self._ask(flow, asked))
        if isinstance(told, trade.Refusal):
            if told.sub_code in trade.REFUND_FORBIDDEN:
                return Settlement("declined")
            raise Malformed(f"refund refused: {code_name(told.sub_code)}")
        # "N" is of a refund that was made before, or of one that is not made yet.
        if told.fund_change != "Y" and not await self._is_back(flow, payment, refund):
            raise Unreachable("nothing tells that the money is on its way back")
        return Settlement("refunded", trade.fee_minor(told))

    async def _refused(
        self, flow: Flow, session: Session, payment: Payment, why: trade.Refusal
    ) -> Settlement:
        if why.sub_code in trade.DECLINES:
            return Settlement("declined")
        settled = None
        if why.sub_code == trade.PAID_BEFORE:
            settled = await self.query(flow, session, payment)
        if settled is None:
            raise Malformed(f"the order was refused: {code_name(why.sub_code)}")
        return settled

    def _close_beside(self, flow: Flow, payment: Payment) -> None:
        """Nobody waits for it, and no two close one order."""
        if payment.order_no not in self._closing:
            self._closing.add(payment.order_no)
            flow.fork(self._close(flow, payment))

    async def _close(self, flow: Flow, payment: Payment) -> None:
        asked = trade.Close(out_trade_no=payment.order_no)
        try:
            await flow.call("close", self._ask(flow, asked))
        finally:
            self._closing.discard(payment.order_no)

    async def _is_back(self, flow: Flow, payment: Payment, refund: Refund) -> bool:
        asked = trade.RefundQuery(out_request_no=refund.refund_no, out_trade_no=payment.order_no)
        told = await flow.call("refund", self._ask(flow, asked))
        return isinstance(told, trade.Reply) and told.refund_status == "REFUND_SUCCESS"


class AlipayOrdersV2(AlipayOrders):
    """On the wire of alipay-ai, which is OpenAPI v2."""

    def __init__(self, at: Endpoint) -> None:
        def ask(flow: Flow, biz: trade.Biz) -> Call[trade.Reply | trade.Refusal]:
            return alipay_ai.ask(at, biz, trade.beijing(unix_s(flow.world.clock)))

        super().__init__(alipay_ai.NAME, at, ask)


class AlipayOrdersV3(AlipayOrders):
    def __init__(self, at: Endpoint) -> None:
        def ask(flow: Flow, biz: trade.Biz) -> Call[trade.Reply | trade.Refusal]:
            now_s = unix_s(flow.world.clock)
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
