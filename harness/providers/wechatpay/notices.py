"""What WeChat Pay tells a merchant unasked: sealed, signed, and sent until it is taken.

It encodes and decodes; it sends nothing. The shape is from pay.weixin.qq.com (doc/v3/merchant,
payment notices). A merchant takes a notice by any good status within five seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import httpx
import msgspec

from harness.providers.call import UNREADABLE
from harness.providers.wechatpay.signing import (
    Sealed,
    Signer,
    Stamp,
    doubt,
    seal,
    seal_headers,
    unseal,
)


@dataclass(frozen=True, slots=True)
class Notice:
    """`id` is the same at each try; `content` is JSON whose shape hangs on the type."""

    id: str
    event_type: str
    create_time: str
    content: bytes


def decode_notice(
    keys: Mapping[str, str], apiv3_key: str, request: httpx.Request, now_s: int
) -> Notice | None:
    """None when it is not WeChat's, or not for this merchant. `keys` are all that WeChat may sign
    with, in PEM by serial number or id: while a merchant changes to another it may be either."""
    if doubt(request.headers, request.content, keys, now_s):
        return None
    try:
        told = msgspec.json.decode(request.content, type=_Told)
    except UNREADABLE:
        return None
    content = unseal(apiv3_key, told.resource)
    if content is None:
        return None
    return Notice(told.id, told.event_type, told.create_time, content)


def encode_notice(
    notify_url: str, notice: Notice, apiv3_key: str, signer: Signer, stamp: Stamp
) -> httpx.Request:
    # A seal's nonce is twelve characters.
    sealed = seal(apiv3_key, notice.content, f"{stamp.nonce:0<12}"[:12], "transaction")
    told = _Told(notice.id, notice.create_time, notice.event_type, sealed)
    body = msgspec.json.encode(told)
    headers = {"content-type": "application/json", **seal_headers(signer, stamp, body)}
    return httpx.Request("POST", notify_url, headers=headers, content=body)


class _Told(msgspec.Struct, frozen=True):
    id: str
    create_time: str
    event_type: str
    resource: Sealed
    resource_type: str = "encrypt-resource"
