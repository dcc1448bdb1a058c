"""Notices that look like Alipay's and are not: they tell of another end than the true one.

They are carried nowhere from here. Both have the true one's id, so that an app which noted the id
before it looked at the signature would take the true one for a repetition.
"""

import httpx
from msgspec.structs import replace

from harness.providers import alipay_ai as wire
from harness.providers.alipay_ai.trade import Notice, TradeStatus
from mocks.faults.unknown_keys import stranger_pem


def forgeries(
    notify_url: str, true: Notice, at: str, private_pem: str
) -> tuple[httpx.Request, httpx.Request]:
    """One that a stranger signed, and one that was changed after Alipay had signed it. `at` is the
    time of sending in Beijing, `private_pem` Alipay's own key."""
    other: TradeStatus = "TRADE_CLOSED" if true.trade_status == "TRADE_SUCCESS" else "TRADE_SUCCESS"
    changed = wire.encode_notice(notify_url, true, at, private_pem)
    body = changed.content.replace(true.trade_status.encode(), other.encode())
    return (
        wire.encode_notice(notify_url, replace(true, trade_status=other), at, stranger_pem()),
        httpx.Request("POST", notify_url, headers=_FORM, content=body),
    )


_FORM = {"content-type": "application/x-www-form-urlencoded;charset=utf-8"}
