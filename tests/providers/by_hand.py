"""WeChat Pay AI requests made by hand: the seal by the cryptography library, the JSON by json."""

import base64
import json
from functools import cache

import httpx
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from harness.providers import wechat_ai as wire
from harness.providers.call import Endpoint

AT = Endpoint("http://pay/wechat-ai", "app-secret")
OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
PLAIN = '{"orderNo":"o-1","openid":"wx-ada","method":"balance","amount":1250,"payee":"tea-house"}'

Json = dict[str, object]


@cache
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def envelope(**changed: object) -> Json:
    """A good authorize, written by hand, with some of its fields changed; None leaves one out."""
    sealed = private_key().public_key().encrypt(PLAIN.encode(), OAEP)
    whole: Json = {
        "ver": "0.9",
        "call": "pay.authorize",
        "seq": "o-1",
        "auth": {"session_token": "wxs_00c0ffee"},
        "seal": {
            "key_id": "key-0",
            "data": base64.b64encode(sealed).decode(),
            "alg": "RSA-OAEP-256",
        },
    }
    return {name: value for name, value in {**whole, **changed}.items() if value is not None}


def rpc(body: object) -> httpx.Request:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.Request("POST", AT.url(wire.RPC_PATH), content=content)
