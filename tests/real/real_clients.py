"""Every client of a real provider with one request of it, and how that provider writes an error."""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from harness.providers import MODELS, alipay_ai, alipay_v3, unionpay, wechatpay
from harness.providers import stripe as stripe_wire
from harness.providers.alipay_ai import trade
from harness.providers.call import Call, Endpoint
from harness.providers.chat import Ask, Message
from harness.providers.unionpay.transactions import NewOrder
from harness.providers.wechatpay import orders
from harness.providers.wechatpay.signing import Stamp
from harness.real.credentials import Found
from tests.real import sample

LUCK = "b7Xk2mQ9vR4tZ1nW8c"
"""Keys are made of this, as true ones look: what reads like a name may be one."""
STRIPE_KEY = f"sk_test_51{LUCK}"
KEYS = {
    **sample.MODELS,
    "OPENAI_API_KEY": f"sk-proj-{LUCK}T3BlbkFJ{LUCK}",
    "ANTHROPIC_API_KEY": f"sk-ant-api03-{LUCK}-{LUCK}AA",
    "GEMINI_API_KEY": f"AIzaSy{LUCK}{LUCK[:15]}",
    "DEEPSEEK_API_KEY": "sk-2f7c9a1e5b8d4f60a3c7e9b1d5f80246",
    "DASHSCOPE_API_KEY": "sk-9a1e5b8d4f602f7cb1d5f80246a3c7e9",
    "MISTRAL_API_KEY": f"{LUCK}{LUCK[:14]}",
    "OPENROUTER_API_KEY": "sk-or-v1-2f7c9a1e5b8d4f60a3c7e9b1d5f802462f7c9a1e5b8d4f60a3c7e9b1d5",
    "PORTKEY_API_KEY": f"{LUCK}/{LUCK[:9]}",
    "LITELLM_PROXY_API_KEY": f"sk-{LUCK}",
    "TOKENMIX_API_KEY": f"tm-{LUCK}",
}
NOW_S = 1_795_392_000
"""2026-11-23, 00:00 UTC."""
MODEL = "gpt-5.4-nano"
ASK = Ask(model=MODEL, messages=(Message("user", "hello"),), max_tokens=20)
SAID = b'{"model":"gpt-5.4-nano","messages":[{"role":"user","content":"hello"}],'


@dataclass(frozen=True, slots=True)
class Client:
    """`opened` are the headers that carry the key, or begin with what stands before a signature;
    `error` is a body as its errors are, with that text in all of its words."""

    url: str
    opened: Mapping[str, str]
    body: bytes
    call: Callable[[Endpoint], Call[Any]]
    error: Callable[[str], bytes]
    environ: Callable[[Path], dict[str, str]]
    signed: Callable[[httpx.Request], None] = lambda request: None


def found_of(name: str, folder: Path) -> Found:
    """Its files are beside the test's folder, so that they are read once for all tests."""
    return sample.found(name, CLIENTS[name].environ(folder.parent))


def _models(folder: Path) -> dict[str, str]:
    return KEYS


def _model(name: str, url: str, opened: Mapping[str, str], rest: bytes, **more: Any) -> Client:
    def call(at: Endpoint) -> Call[Any]:
        return MODELS[name].chat(at, ASK)

    told: dict[str, Any] = {"error": _openai_error, "body": SAID + rest, **more}
    return Client(url=url, opened=opened, call=call, environ=_models, **told)


def _bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {KEYS[key]}"}


# How errors are written


def _json(told: object) -> bytes:
    return json.dumps(told).encode()


def _openai_error(text: str) -> bytes:
    return _json({"error": {"message": text, "type": text, "param": text, "code": text}})


def _anthropic_error(text: str) -> bytes:
    return _json({"type": "error", "error": {"type": text, "message": text}})


def _gemini_error(text: str) -> bytes:
    return _json({"error": {"code": 400, "message": text, "status": text}})


def _portkey_error(text: str) -> bytes:
    return _json({"status": "failure", "message": text})


def _stripe_error(text: str) -> bytes:
    told = {"type": text, "code": text, "decline_code": text, "message": text, "param": text}
    return _json({"error": told})


def _alipay_error(text: str) -> bytes:
    node = {"code": "40002", "msg": text, "sub_code": text, "sub_msg": text}
    return _json({"alipay_trade_precreate_response": node, "sign": text})


def _code_error(text: str) -> bytes:
    return _json({"code": text, "message": text, "links": [{"link": text, "desc": text}]})


def _unionpay_error(text: str) -> bytes:
    return urlencode({"respCode": text, "respMsg": text, "signature": text}).encode()


# What the payments send

NEW_INTENT = stripe_wire.CreateIntent(
    amount=50,
    currency="usd",
    confirm=True,
    metadata={stripe_wire.ORDER_NO: "t1-o1"},
    payment_method="pm_card_visa",
    payment_method_types=["card"],
)
NEW_TRADE = trade.Precreate(out_trade_no="t1_o1", total_amount="0.01", subject="noodles")
NEW_ORDER = orders.NewOrder(
    appid="wx0000000000000001",
    mchid="1900000109",
    description="noodles",
    out_trade_no="t1_o0001",
    notify_url="https://example.com/notify",
    amount=orders.Amount(1),
)
NEW_PURCHASE = NewOrder("t1o00000001", "20261123080000", 1, "156", "20261123081500")
NONCE = "0123456789ABCDEF0123456789ABCDEF"


def _signed_v2(request: httpx.Request) -> None:
    told = dict(parse_qsl(request.url.query.decode()) + parse_qsl(request.content.decode()))
    sign = told.pop("sign")
    assert told["sign_type"] == "RSA2"
    verify("&".join(f"{name}={told[name]}" for name in sorted(told)), sign)


def _signed_v3(request: httpx.Request) -> None:
    opened, _, sign = request.headers["authorization"].partition(",sign=")
    auth = opened.removeprefix("ALIPAY-SHA256withRSA ")
    verify(f"{auth}\nPOST\n{request.url.path}\n{request.content.decode()}\n", sign)


def _signed_wechatpay(request: httpx.Request) -> None:
    _, _, listed = request.headers["authorization"].partition(" ")
    told = dict(part.split("=", 1) for part in listed.split(","))
    of = {name: value.strip('"') for name, value in told.items()}
    assert (of["mchid"], of["serial_no"]) == (
        "1900000109", sample.wechatpay()["WECHATPAY_CERT_SERIAL_NO"],
    )  # fmt: skip
    text = f"POST\n{request.url.path}\n{of['timestamp']}\n{of['nonce_str']}\n"
    verify(f"{text}{request.content.decode()}\n", of["signature"])


def _signed_unionpay(request: httpx.Request) -> None:
    told = dict(parse_qsl(request.content.decode()))
    sign = told.pop("signature")
    assert told["certId"] == str(sample.SERIAL)
    text = "&".join(f"{name}={told[name]}" for name in sorted(told))
    verify(hashlib.sha256(text.encode()).hexdigest(), sign)


def verify(text: str, signature: str) -> None:
    """Raises where it is not the app's."""
    public = sample.key().public_key()
    public.verify(base64.b64decode(signature), text.encode(), padding.PKCS1v15(), hashes.SHA256())


CLIENTS: dict[str, Client] = {
    "openai": _model(
        "openai", "https://api.openai.com/v1/chat/completions", _bearer("OPENAI_API_KEY"),
        b'"max_completion_tokens":20}',
    ),
    "anthropic": _model(
        "anthropic", "https://api.anthropic.com/v1/messages",
        {"x-api-key": KEYS["ANTHROPIC_API_KEY"], "anthropic-version": "2026-10-21"},
        b'"max_tokens":20}', error=_anthropic_error,
    ),
    "gemini": _model(
        "gemini",
        f"https://generativelanguage.googleapis.com/v1beta/models/{MODEL}:generateContent",
        {"x-goog-api-key": KEYS["GEMINI_API_KEY"]},
        b"", error=_gemini_error,
        body=b'{"contents":[{"parts":[{"text":"hello"}],"role":"user"}],'
        b'"generationConfig":{"maxOutputTokens":20}}',
    ),
    "deepseek": _model(
        "deepseek", "https://api.deepseek.com/chat/completions", _bearer("DEEPSEEK_API_KEY"),
        b'"max_tokens":20,"thinking":{"type":"disabled"}}',
    ),
    "qwen": _model(
        "qwen", "https://dashscope.aliyuncs.com/compatible-mode/v1/chat/completions",
        _bearer("DASHSCOPE_API_KEY"), b'"max_tokens":20,"enable_thinking":false}',
    ),
    "mistral": _model(
        "mistral", "https://api.mistral.ai/v1/chat/completions", _bearer("MISTRAL_API_KEY"),
        b'"max_tokens":20}',
    ),
    "openrouter": _model(
        "openrouter", "https://openrouter.ai/api/v1/chat/completions",
        _bearer("OPENROUTER_API_KEY"), b'"max_completion_tokens":20}',
    ),
    "litellm": _model(
        "litellm", "http://127.0.0.1:4000/v1/chat/completions", _bearer("LITELLM_PROXY_API_KEY"),
        b'"max_completion_tokens":20}',
    ),
    "portkey": _model(
        "portkey", "https://api.portkey.ai/v1/chat/completions",
        {"x-portkey-api-key": KEYS["PORTKEY_API_KEY"]},
        b'"max_completion_tokens":20}', error=_portkey_error,
    ),
    "tokenmix": _model(
        "tokenmix", "https://api.tokenmix.ai/v1/chat/completions", _bearer("TOKENMIX_API_KEY"),
        b'"max_completion_tokens":20}',
    ),
    "stripe": Client(
        url="https://api.stripe.com/v1/payment_intents",
        opened={
            "authorization": f"Bearer {STRIPE_KEY}",
            "idempotency-key": "pay-t1-o1",
            "stripe-version": "2026-10-28.endive",
        },
        body=b"amount=50&currency=usd&confirm=true&metadata%5Border_no%5D=t1-o1"
        b"&payment_method=pm_card_visa&payment_method_types%5B%5D=card",
        call=lambda at: stripe_wire.create_intent(at, NEW_INTENT, "pay-t1-o1"),
        error=_stripe_error,
        environ=lambda _: {"STRIPE_API_KEY": STRIPE_KEY},
    ),
    "alipay-ai": Client(
        url="https://openapi-sandbox.dl.alipaydev.com/gateway.do",
        opened={},
        body=urlencode({
            "biz_content": '{"out_trade_no":"t1_o1","total_amount":"0.01","subject":"noodles"}'
        }).encode(),
        call=lambda at: alipay_ai.ask(at, NEW_TRADE, "2026-11-23 08:00:00"),
        error=_alipay_error,
        environ=lambda _: sample.alipay(),
        signed=_signed_v2,
    ),
    "alipay-v3": Client(
        url="https://openapi-sandbox.dl.alipaydev.com/v3/alipay/trade/precreate",
        opened={
            "authorization": "ALIPAY-SHA256withRSA app_id=9021000100000001,nonce="
            f"{NONCE},timestamp={NOW_S}000,sign=",
        },
        body=b'{"out_trade_no":"t1_o1","total_amount":"0.01","subject":"noodles"}',
        call=lambda at: alipay_v3.ask(at, NEW_TRADE, NOW_S * 1000, NONCE),
        error=_code_error,
        environ=lambda _: sample.alipay(),
        signed=_signed_v3,
    ),
    "wechatpay": Client(
        url="https://api.mch.weixin.qq.com/v3/pay/transactions/native",
        opened={
            "authorization": 'WECHATPAY2-SHA256-RSA2048 mchid="1900000109",',
            "wechatpay-serial": "PUB_KEY_ID_0119000001092024",
        },
        body=b'{"appid":"wx0000000000000001","mchid":"1900000109","description":"noodles",'
        b'"out_trade_no":"t1_o0001","notify_url":"https://example.com/notify",'
        b'"amount":{"total":1,"currency":"CNY"}}',
        call=lambda at: wechatpay.order(at, NEW_ORDER, Stamp(NOW_S, NONCE)),
        error=_code_error,
        environ=lambda _: sample.wechatpay(),
        signed=_signed_wechatpay,
    ),
    "unionpay": Client(
        url="https://gateway.test.95516.com/gateway/api/appTransReq.do",
        opened={},
        body=b"",
        call=lambda at: unionpay.ask(at, NEW_PURCHASE, NOW_S),
        error=_unionpay_error,
        environ=sample.unionpay,
        signed=_signed_unionpay,
    ),
}  # fmt: skip
