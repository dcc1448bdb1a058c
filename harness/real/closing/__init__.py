"""How an order ends at each payment provider: looked at first, then closed, canceled or given back.
Nothing here makes an order, or decides what may be sent."""

from collections.abc import Callable, Mapping, Sequence

from harness.providers.call import Endpoint
from harness.real.closing.alipay import AlipayCloser
from harness.real.closing.closer import Absent, Caller, Closer, Over, Stays, Step
from harness.real.closing.stripe import StripeCloser
from harness.real.closing.unionpay import UnionpayCloser
from harness.real.closing.wechatpay import WechatpayCloser
from harness.real.journal import Entry

__all__ = ["CLOSERS", "Absent", "Caller", "Closer", "Over", "Stays", "Step"]

CLOSERS: Mapping[str, Callable[[Endpoint, Sequence[Entry]], Closer]] = {
    "stripe": StripeCloser,
    "alipay-ai": lambda at, _: AlipayCloser.v2(at),
    "alipay-v3": lambda at, _: AlipayCloser.v3(at),
    "wechatpay": lambda at, _: WechatpayCloser(at),
    "unionpay": lambda at, _: UnionpayCloser(at),
}
"""By provider; the entries are those of its orders that are to be ended."""
