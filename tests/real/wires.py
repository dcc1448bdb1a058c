"""The requests of each provider's orders, written by hand as its public wire has them."""

import json
from urllib.parse import urlencode

import httpx

from tests.real.sample import OPENAI_KEY, STRIPE_KEY

STRIPE = "https://api.stripe.com"
ALIPAY = "https://openapi-sandbox.dl.alipaydev.com"
WECHATPAY = "https://api.mch.weixin.qq.com"
UNIONPAY = "https://gateway.test.95516.com"
OPENAI = "https://api.openai.com"

_FORM = {"content-type": "application/x-www-form-urlencoded"}
_JSON = {"content-type": "application/json"}


def intent(
    order_no: str = "t1-o1", base: str = STRIPE, key: str = STRIPE_KEY, **fields: str | None
) -> httpx.Request:
    """A field that is None is left out."""
    told = {
        "amount": "50",
        "currency": "usd",
        "confirm": "true",
        "payment_method": "pm_card_visa",
        "payment_method_types[]": "card",
        "metadata[order_no]": order_no,
        **fields,
    }
    kept = {name: value for name, value in told.items() if value is not None}
    return stripe("POST", "/v1/payment_intents", urlencode(kept), f"pay-{order_no}", base, key)


def stripe(
    method: str,
    path: str,
    form: str = "",
    key: str = "",
    base: str = STRIPE,
    opens: str = STRIPE_KEY,
) -> httpx.Request:
    headers = {"authorization": f"Bearer {opens}"}
    if key:
        headers["idempotency-key"] = key
    if form:
        headers |= _FORM
    content = form.encode() if method == "POST" else None
    return httpx.Request(method, f"{base}{path}", headers=headers, content=content)


def alipay_v2(act: str, biz: object, base: str = ALIPAY, **public: str) -> httpx.Request:
    """`biz` is text where it is to be sent as it stands."""
    told = {
        "app_id": "9021000100000001",
        "method": f"alipay.trade.{act}",
        "format": "JSON",
        "charset": "utf-8",
        "sign_type": "RSA2",
        "timestamp": "2026-11-23 08:00:00",
        "version": "1.0",
        "sign": "c2lnbmVk",
        **public,
    }
    text = biz if isinstance(biz, str) else json.dumps(biz)
    body = urlencode({"biz_content": text}).encode()
    return httpx.Request(
        "POST", f"{base}/gateway.do?{urlencode(told)}", headers=_FORM, content=body
    )


def alipay_v3(method: str, biz: object, base: str = ALIPAY) -> httpx.Request:
    opens = "ALIPAY-SHA256withRSA app_id=9021000100000001,nonce=n,timestamp=1,sign=c2ln"
    if not isinstance(biz, bytes):
        biz = (biz if isinstance(biz, str) else json.dumps(biz)).encode()
    return httpx.Request(
        "POST",
        f"{base}/v3/alipay/trade/{method}",
        headers={**_JSON, "authorization": opens},
        content=biz,
    )


def order(order_no: str = "t1_o1", amount: object = "0.01", **more: object) -> dict[str, object]:
    """What Alipay's precreate takes."""
    return {"out_trade_no": order_no, "total_amount": amount, "subject": "a test", **more}


def wechatpay(method: str, path: str, body: object = None, base: str = WECHATPAY) -> httpx.Request:
    opens = 'WECHATPAY2-SHA256-RSA2048 mchid="1900000109",nonce_str="n",signature="c2ln"'
    headers = {**_JSON, "authorization": opens}
    text = body if isinstance(body, str) else json.dumps(body) if body is not None else ""
    content = text.encode() or None
    return httpx.Request(method, f"{base}{path}", headers=headers, content=content)


def native(amount: object = None, base: str = WECHATPAY, **more: object) -> httpx.Request:
    body = {
        "appid": "wx0000000000000001",
        "mchid": "1900000109",
        "description": "a test",
        "out_trade_no": "t1_o0001",
        "notify_url": "https://example.com/notify",
        "amount": {"total": 1, "currency": "CNY"} if amount is None else amount,
        **more,
    }
    return wechatpay("POST", "/v3/pay/transactions/native", body, base)


def unionpay(
    path: str = "appTransReq", base: str = UNIONPAY, **fields: str | None
) -> httpx.Request:
    told = {
        "version": "5.1.0",
        "encoding": "UTF-8",
        "signMethod": "01",
        "txnType": "01",
        "txnSubType": "01",
        "bizType": "000201",
        "channelType": "08",
        "accessType": "0",
        "merId": "777290058178717",
        "orderId": "t1o00000001",
        "txnTime": "20261123080000",
        "txnAmt": "1",
        "currencyCode": "156",
        "payTimeout": "20261123081500",
        "signature": "c2ln",
        **fields,
    }
    kept = {name: value for name, value in told.items() if value is not None}
    url = f"{base}/gateway/api/{path}.do"
    return httpx.Request("POST", url, headers=_FORM, content=urlencode(kept).encode())


def openai(content: bytes, base: str = OPENAI, key: str = OPENAI_KEY) -> httpx.Request:
    """A prompt that is already written."""
    url = f"{base}/v1/chat/completions"
    headers = {**_JSON, "authorization": f"Bearer {key}"}
    return httpx.Request("POST", url, headers=headers, content=content)


def chat(
    model: str = "gpt-5.4-nano",
    base: str = OPENAI,
    key: str = OPENAI_KEY,
    prompt: str = "hello",
    **more: object,
) -> httpx.Request:
    body = {"model": model, "messages": [{"role": "user", "content": prompt}], **more}
    return openai(json.dumps(body).encode(), base, key)
