"""An environment with everybody's credentials, and a run that uses them; none is a true key."""

import asyncio
import base64
import datetime
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cache
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from harness.clock import VirtualClock, run
from harness.providers import rsa2
from harness.providers.call import Endpoint
from harness.real.caps import USUAL, Caps
from harness.real.credentials import Found, find
from harness.real.journal import Journal, read_journal
from harness.real.meter import Meter
from harness.real.safe import SafeTransport
from harness.real.usage import Price
from harness.transport import Measured, measure

STRIPE_KEY = "sk_test_51TollbenchNotAKey"
OPENAI_KEY = "sk-proj-tollbench-not-a-key"
PRICES: dict[str, Price] = {"gpt-5.4-nano": (0.2, 1.25)}

MODELS = {
    "OPENAI_API_KEY": OPENAI_KEY,
    "ANTHROPIC_API_KEY": "sk-ant-api03-not-a-key",
    "GEMINI_API_KEY": "AIzaSyNotAKeyNotAKeyNotAKey",
    "DEEPSEEK_API_KEY": "sk-deepseek-not-a-key",
    "DASHSCOPE_API_KEY": "sk-dashscope-not-a-key",
    "MISTRAL_API_KEY": "mistral-not-a-key",
    "OPENROUTER_API_KEY": "sk-or-v1-not-a-key",
    "PORTKEY_API_KEY": "portkey-not-a-key",
    "LITELLM_PROXY_API_KEY": "sk-litellm-not-a-key",
    "LITELLM_PROXY_API_BASE": "http://127.0.0.1:4000",
    "TOKENMIX_API_KEY": "tokenmix-not-a-key",
}


@cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def private_pem() -> str:
    return rsa2.private_pem(key())


def public_pem() -> str:
    return rsa2.public_pem(key().public_key())


def bare(pem: str) -> str:
    """Alipay's form: the base64 alone."""
    return "".join(line for line in pem.splitlines() if not line.startswith("-----"))


def alipay() -> dict[str, str]:
    return {
        "AP_APP_ID": "9021000100000001",
        "AP_APP_KEY": bare(private_pem()),
        "AP_PUB_KEY": bare(public_pem()),
        "AP_CURRENT_ENV": "sandbox",
    }


def wechatpay() -> dict[str, str]:
    return {
        "WECHATPAY_MCHID": "1900000109",
        "WECHATPAY_APPID": "wx0000000000000001",
        "WECHATPAY_PRIVATE_KEY": private_pem(),
        "WECHATPAY_CERT_SERIAL_NO": "7777D15D1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A",
        "WECHATPAY_PUBLIC_KEY": public_pem(),
        "WECHATPAY_PUBLIC_KEY_ID": "PUB_KEY_ID_0119000001092024",
    }


def unionpay(folder: Path) -> dict[str, str]:
    (folder / "sign.pfx").write_bytes(_pfx("000000"))
    for name in ("root.cer", "middle.cer"):
        (folder / name).write_bytes(_certificate().public_bytes(serialization.Encoding.PEM))
    return {
        "UNIONPAY_MER_ID": "777290058178717",
        "UNIONPAY_SIGN_CERT": str(folder / "sign.pfx"),
        "UNIONPAY_SIGN_CERT_PWD": "000000",
        "UNIONPAY_ROOT_CERT": str(folder / "root.cer"),
        "UNIONPAY_MIDDLE_CERT": str(folder / "middle.cer"),
    }


SERIAL = 69629715588


@cache
def _certificate() -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "not a certificate")])
    begin = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key().public_key()).serial_number(SERIAL)
    builder = builder.not_valid_before(begin).not_valid_after(begin.replace(year=2036))
    return builder.sign(key(), hashes.SHA256())


@cache
def _pfx(password: str) -> bytes:
    locked = serialization.BestAvailableEncryption(password.encode())
    return pkcs12.serialize_key_and_certificates(b"", key(), _certificate(), None, locked)


def stripe() -> Found:
    return found("stripe", {"STRIPE_API_KEY": STRIPE_KEY})


def openai() -> Found:
    return found("openai", MODELS)


def found(provider: str, environ: dict[str, str]) -> Found:
    """What is found there; to read a private key takes so long that it is read once."""
    return _found(provider, tuple(environ.items()))


@cache
def _found(provider: str, environ: tuple[tuple[str, str], ...]) -> Found:
    got = find(provider, dict(environ), allow_production=True)
    assert isinstance(got, Found), got
    return got


def forged(provider: str, base_url: str, key: str = STRIPE_KEY) -> Found:
    """As somebody would make it who goes round `find`."""
    return Found(provider, "sandbox", Endpoint(base_url, key), ())


class Unreached(httpx.AsyncBaseTransport):
    """Stands where the sockets would be, and fails the test that reaches it."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise AssertionError(f"sent to {request.url}")


Answer = Callable[[httpx.Request], httpx.Response]


class Internet(httpx.AsyncBaseTransport):
    """Stands there too, answers by a function, and keeps what was sent and when."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.sent: list[httpx.Request] = []
        self.times: list[float] = []
        self.wait_s = 0.0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        self.times.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.wait_s)
        response = self.answer(request)
        return httpx.Response(
            response.status_code, headers=response.headers, stream=Pieces(response.content)
        )


class Pieces(httpx.AsyncByteStream):
    """A body that comes in two."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        half = len(self._body) // 2
        yield self._body[:half]
        yield self._body[half:]


class Bench:
    """A transport as a run has it, with its journal and its meter."""

    def __init__(
        self,
        folder: Path,
        inner: httpx.AsyncBaseTransport,
        *of: Found,
        caps: Caps = USUAL,
        allow_production: bool = True,
    ) -> None:
        self.journal = Journal(folder / "orders.jsonl", now=lambda: 1_790_000_000.0)
        self.meter = Meter(caps)
        self.safe = SafeTransport(
            inner,
            of,
            caps,
            self.journal,
            self.meter,
            "run-1",
            prices=PRICES,
            allow_production=allow_production,
        )

    @property
    def states(self) -> dict[str, tuple[str, str]]:
        """How each order stands on the disk, by its number."""
        return {of.order_no: (of.state, of.how) for of in read_journal(self.journal.path)}

    def send(self, *requests: httpx.Request) -> list[Measured]:
        """One after the other, on the virtual clock."""

        async def main() -> list[Measured]:
            clock = VirtualClock()
            return [await measure(self.safe, clock, each, 30.0) for each in requests]

        return run("virtual", main())

    def at_once(self, *requests: httpx.Request) -> list[Measured]:
        async def main() -> list[Measured]:
            clock = VirtualClock()
            calls: list[Awaitable[Measured]] = [
                measure(self.safe, clock, each, 30.0) for each in requests
            ]
            return list(await asyncio.gather(*calls))

        return run("virtual", main())


def basic(secret: str) -> str:
    return base64.b64encode(f"{secret}:".encode()).decode()
