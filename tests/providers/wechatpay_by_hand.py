"""WeChat Pay's messages signed by hand: JSON by json, RSA and AES by their library; and its own.

The golden key pair is of wechatpay-go's tests; whatever is foreign and unsigned is signed with it
here, as only WeChat can sign with its own.
"""

import base64
import json
from functools import cache
from pathlib import Path
from typing import cast

import httpx
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from harness.providers.call import Endpoint
from harness.providers.wechatpay.signing import Stamp
from tests.providers.foreign import FOLDER, Foreign, read

SERIAL = "D7CE59D1F522D701"
MCHID, APPID, MERCHANT_SERIAL = "1230000109", "wxd678efh567hg6787", "BE6DCDA7A5931FA0"
NOW_S = 1_624_523_846
STAMP = Stamp(NOW_S, "593BEC0C930BF1AFEB40B4A08C8FB242")
VECTORS = json.loads((FOLDER / "wechatpay/vectors.json").read_text("utf-8"))


def pem(name: str) -> str:
    """Without the line that says where it is from; the private one says that it is for tests."""
    text = Path(FOLDER / f"wechatpay/{name}.pem").read_text("utf-8").partition("\n")[2]
    return text.replace("TESTING KEY", "PRIVATE KEY")


@cache
def merchant_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def at() -> Endpoint:
    private = merchant_key().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return Endpoint(
        "http://pay/wechatpay",
        private.decode(),
        account=MCHID,
        peer_key=pem("certificate"),
        key_id=MERCHANT_SERIAL,
        peer_key_id=SERIAL,
        app=APPID,
    )


@cache
def merchants() -> dict[tuple[str, str], str]:
    public = merchant_key().public_key()
    text = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return {(MCHID, MERCHANT_SERIAL): text.decode()}


def signed(
    body: bytes, now_s: int = NOW_S, nonce: str = "abc", serial: str = SERIAL
) -> httpx.Headers:
    text = f"{now_s}\n{nonce}\n".encode() + body + b"\n"
    return httpx.Headers(
        {
            "Wechatpay-Timestamp": str(now_s),
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Serial": serial,
            "Wechatpay-Signature": signature(_platform_key(), text),
        }
    )


def signature(key: rsa.RSAPrivateKey, text: bytes) -> str:
    return base64.b64encode(key.sign(text, padding.PKCS1v15(), hashes.SHA256())).decode()


def golden(name: str) -> Foreign:
    return read(f"wechatpay/{name}.http")


@cache
def _platform_key() -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(pem("private_key").encode(), None)
    return cast(rsa.RSAPrivateKey, key)
