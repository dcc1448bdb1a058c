"""Alipay's messages signed by hand: parameters by urllib, JSON by json, RSA by its library.

The pairs of keys are those of an app and of Alipay; golden messages have <SIGN> where their own
signature was, of which nobody but Alipay has the key.
"""

import base64
import hashlib
import json
from functools import cache
from urllib.parse import parse_qsl, quote_plus, urlencode

import httpx
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from harness.providers.call import Endpoint
from tests.providers.foreign import Foreign, read

APP_ID = "2021000000000001"
TIME = "2026-11-23 16:05:09"
_SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")  # RFC 8017, 9.2, note 1


@cache
def key(owner: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private_pem(owner: str) -> str:
    """In PKCS#8, where mocks hand out PKCS#1: both must do."""
    return (
        key(owner)
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        .decode()
    )


def public_pem(owner: str) -> str:
    public = key(owner).public_key()
    return public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


@cache
def at() -> Endpoint:
    return Endpoint("http://pay/alipay-ai", private_pem("app"), APP_ID, public_pem("alipay"))


def apps() -> dict[str, str]:
    return {APP_ID: public_pem("app")}


def sign(owner: str, text: str) -> str:
    signature = key(owner).sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    return base64.b64encode(signature).decode()


def textbook(owner: str, text: str) -> str:
    """The same by arithmetic alone (RFC 8017, 8.2.1): slow, and nobody's code but this."""
    numbers = key(owner).private_numbers()
    digest = _SHA256 + hashlib.sha256(text.encode()).digest()
    padded = b"\x00\x01" + b"\xff" * (256 - 3 - len(digest)) + b"\x00" + digest
    signature = pow(int.from_bytes(padded, "big"), numbers.d, numbers.public_numbers.n)
    return base64.b64encode(signature.to_bytes(256, "big")).decode()


def canonical(params: dict[str, str]) -> str:
    return "&".join(f"{name}={params[name]}" for name in sorted(params))


# Requests


def params_of(
    method: str, biz: object, owner: str = "app", /, **changed: str | None
) -> dict[str, str]:
    """Good public parameters with some changed before signing; None leaves one out. A changed
    sign is kept as it is."""
    content = biz if isinstance(biz, str) else json.dumps(biz, ensure_ascii=False)
    whole: dict[str, str | None] = {
        "app_id": APP_ID,
        "method": method,
        "charset": "utf-8",
        "sign_type": "RSA2",
        "timestamp": TIME,
        "version": "1.0",
        "biz_content": content,
        **changed,
    }
    params = {name: value for name, value in whole.items() if value is not None}
    if "sign" in changed:
        return params
    return {**params, "sign": sign(owner, canonical(params))}


def gateway(params: dict[str, str]) -> httpx.Request:
    return httpx.Request("POST", "http://pay/alipay-ai/gateway.do", content=urlencode(params))


# Golden messages


def golden_request(name: str, owner: str, leave_out: tuple[str, ...] = ("sign",)) -> httpx.Request:
    """Signed over all that the message says, wherever it says it."""
    foreign = read(f"alipay/{name}.http")
    query = foreign.start.split()[1].partition("?")[2]
    told = parse_qsl(query) + parse_qsl(foreign.body.decode())
    signature = sign(owner, canonical({name: v for name, v in told if name not in leave_out}))
    filled = quote_plus(signature).encode()
    start = foreign.start.replace("<SIGN>", filled.decode())
    body = foreign.body.replace(b"<SIGN>", filled)
    return Foreign(foreign.shape, start, foreign.headers, body).request


def golden_answer(name: str) -> Foreign:
    """Signed over the bytes of its inner object."""
    foreign = read(f"alipay/{name}.http")
    text = foreign.body.decode()
    inside = json.loads(text)["result"] if name.startswith("app_pay") else text
    signature = sign("alipay", _node(inside))
    return Foreign(
        foreign.shape, foreign.start, foreign.headers, text.replace("<SIGN>", signature).encode()
    )


def answer_of(method: str, node: str, signature: str | None = None) -> bytes:
    """An answer of the gateway with this inner object, signed unless told how."""
    made = sign("alipay", node) if signature is None else signature
    return f'{{"{method.replace(".", "_")}_response":{node},"sign":"{made}"}}'.encode()


def _node(text: str) -> str:
    """The object after the name that ends in _response, by counting braces outside of strings."""
    start = text.index("{", text.index("_response"))
    depth, quoted, escaped = 0, False, False
    for n, char in enumerate(text[start:], start):
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == '"':
            quoted = not quoted
        elif not quoted:
            depth += (char == "{") - (char == "}")
            if depth == 0:
                return text[start : n + 1]
    raise AssertionError("the braces do not match")
