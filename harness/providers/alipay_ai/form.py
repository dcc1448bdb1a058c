"""The public parameters of Alipay's OpenAPI v2: an app writes and signs them, the gateway checks.

They travel in a query, a form, or the order string of an app payment; biz_content, what is asked,
is one of them. The order of the checks is the real gateway's as far as it was probed: the app is
looked up before its signature. No window for the timestamp is documented, so none is kept.
"""

from collections.abc import Mapping
from urllib.parse import parse_qsl

import httpx
import msgspec

from harness.providers import rsa2
from harness.providers.alipay_ai.trade import METHODS, Biz, is_time
from harness.providers.call import Endpoint

APP_PAY = "alipay.trade.app.pay"

_REQUIRED = {
    "timestamp": "isv.missing-timestamp",
    "version": "isv.missing-version",
    "sign_type": "isv.missing-signature-type",
    "sign": "isv.missing-signature",
}


def signed(at: Endpoint, biz: Biz, timestamp: str, notify_url: str) -> dict[str, str]:
    params = {
        "app_id": at.account,
        "method": next(name for name, of in METHODS.items() if isinstance(biz, of)),
        "format": "JSON",
        "charset": "utf-8",
        "sign_type": "RSA2",
        "timestamp": timestamp,
        "version": "1.0",
        "biz_content": msgspec.json.encode(biz).decode(),
    }
    if notify_url:
        params["notify_url"] = notify_url
    return {**params, "sign": rsa2.sign(at.key, rsa2.canonical(params, ()))}


def params_of(encoded: bytes) -> dict[str, str]:
    """Of a query or a form. What is no UTF-8 is replaced, and so fails its signature."""
    return dict(parse_qsl(encoded.decode("utf-8", "replace"), errors="replace"))


def breach(params: Mapping[str, str], apps: Mapping[str, str], by_client: bool) -> str:
    """The first fault of the public parameters, as sub_code. The app is looked up before its
    signature is, as the real gateway does."""
    if not params.get("method"):
        return "isv.missing-method"
    app_id = params.get("app_id", "")
    if app_id not in apps:
        return "isv.invalid-app-id" if app_id else "isv.missing-app-id"
    for name, missing in _REQUIRED.items():
        if not params.get(name):
            return missing
    if params["sign_type"] != "RSA2":
        return "isv.invalid-signature-type"
    if params.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        return "isv.invalid-charset"
    if not rsa2.verify(apps[app_id], rsa2.canonical(params, ("sign",)), params["sign"]):
        return "isv.invalid-signature"
    if params["method"] not in METHODS or by_client != (params["method"] == APP_PAY):
        return "isv.invalid-method"
    if params.get("format", "json").lower() != "json":
        return "isv.invalid-format"
    if not is_time(params["timestamp"]):
        return "isv.invalid-timestamp"
    return "" if _is_address(params.get("notify_url", "")) else "isv.invalid-parameter"


def _is_address(text: str) -> bool:
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        return False
    whole = url.scheme in ("http", "https") and bool(url.host) and (url.port or 1) < 65536
    return whole or not text
