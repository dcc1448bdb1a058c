"""A provider's clock that is wrong for one call; it moves no other clock.

Struck are the wires whose servers hold a request's time stamp against their own clock: wechatpay,
which takes less than five minutes of difference, and alipay-v3, which takes ten. alipay-ai and
unionpay write a time too, but no window for it is documented, so none is kept and nothing strikes
them; the others send none.
"""

import httpx

from harness.providers import alipay_v3, wechatpay
from harness.providers.told import DrawKey
from harness.providers.wechatpay.signing import SKEW_S
from mocks.setting import Setting

BEYOND_S = 60.0

OFF_S = {
    wechatpay.NAME: SKEW_S + BEYOND_S,
    alipay_v3.NAME: alipay_v3.SKEW_MS / 1e3 + BEYOND_S,
}
"""How far the clock is off: a minute more than each of these allows."""


def off_s(setting: Setting, provider: str, request: httpx.Request, key: DrawKey) -> float:
    """How far the provider's clock is ahead of the client's for this call, in seconds; negative
    where it is behind. A request without a time stamp is never struck."""
    if setting.faults is None or "authorization" not in request.headers:
        return 0.0
    if not setting.strikes("skew", provider, key):
        return 0.0
    ahead = setting.luck("skew ahead", key) < 0.5
    return OFF_S[provider] if ahead else -OFF_S[provider]
