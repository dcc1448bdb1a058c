"""No spelling of a secret gets through, and no text loses what is none."""

import base64
import json
import re
from pathlib import Path
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.real.credentials import secrets_of
from harness.real.redact import HIDDEN, SHORT, Redactor
from tests.real import sample

SECRET = "pass word/with+all=kinds&of\"signs'\u00e9\\"
SPELLINGS = [
    SECRET,
    quote(SECRET),
    quote(SECRET, safe=""),
    quote_plus(SECRET),
    json.dumps(SECRET),
    json.dumps(SECRET, ensure_ascii=False),
    repr(SECRET),
    json.dumps(SECRET).replace("/", "\\/"),
    quote(SECRET, safe="")
    .replace("%2F", "%2f")
    .replace("%2B", "%2b")
    .replace("%5C", "%5c")
    .replace("%3D", "%3d")
    .replace("%C3%A9", "%c3%a9"),
    base64.b64encode(SECRET.encode()).decode(),
    base64.urlsafe_b64encode(SECRET.encode()).decode(),
    base64.b64encode(f"{SECRET}:".encode()).decode(),
    base64.b64encode(f"user:{SECRET}".encode()).decode(),
]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("around", ["{}", "before {} after", '{{"a":"{}"}}', "x={}&y=1", "{}{}"])
def test_a_secret_is_hidden_however_it_is_spelled(spelling: str, around: str) -> None:
    text = around.format(spelling, spelling)
    told = Redactor([SECRET])(text)
    assert HIDDEN in told
    assert "kinds" not in told
    assert spelling not in told


@given(st.text("abcdefghij0123456789+/=- ", min_size=8, max_size=40), st.integers(0, 5))
def test_any_secret_is_hidden_wherever_in_base64_it_stands(secret: str, before: int) -> None:
    text = base64.b64encode(b"u" * before + secret.encode() + b"x").decode()
    told = Redactor([secret])(text)
    shown = [part for part in told.split(HIDDEN) if len(part) > 8 + before * 2]
    assert shown == []


def test_a_key_of_several_lines_is_hidden_whole_and_by_line() -> None:
    pem = sample.private_pem()
    redact = Redactor([pem])
    lines = [line for line in pem.splitlines() if not line.startswith("-----")]
    assert redact(f"key: {pem}!") in (f"key: {HIDDEN}!", f"key: {HIDDEN}\n!")
    texts = (lines[3], sample.bare(pem), json.dumps(pem), pem.replace("\n", " "), quote(lines[3]))
    for text in (*texts, urlencode({"key": sample.bare(pem)}), lines[5].replace("/", "\\/")):
        told = redact(f"a {text} b")
        assert all(line not in told for line in lines)
        assert not any(
            part in told
            for line in lines
            for part in re.split("[+/]", line)[:1]
            if len(part) >= SHORT  # A shorter one may stand in any text.
        )


LOOKS_LIKE = [
    "sk_test_51TollbenchNotAKey",
    "rk_live_51TollbenchNotAKey",
    "whsec_TollbenchNotAKey",
    "sk-ant-api03-not-a-key",
    "AIzaSyNotAKeyNotAKeyNotAKey",
    "Authorization: Bearer not.a.key-at-all",
    "authorization: Basic dXNlcjpwYXNz",
    '{"Authorization": "not-a-key-at-all"}',
    "x-api-key: not-a-key-at-all",
    "api_key=not-a-key-at-all",
    "https://host/v1?key=not-a-key-at-all&alt=sse",
    "weixin://wxpay/bizpayurl?pr=not-a-key-at-all",
    "https://qr.alipay.com/not-a-key-at-all",
    "-----BEGIN RSA PRIVATE KEY-----\nnot-a-key-at-all\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\nnot-a-key-at-all",
]


@pytest.mark.parametrize("text", LOOKS_LIKE)
def test_what_looks_like_a_key_is_hidden_though_nobody_knows_it(text: str) -> None:
    told = Redactor()(f"before {text}")
    assert told.startswith("before ")
    assert HIDDEN in told
    for part in ("NotAKey", "not-a-key", "not.a.key", "dXNlcjpwYXNz"):
        assert part not in told


PLAIN = [
    "1,200 turns at 0.2/s; p50 812 ms; order t1_o0000001",
    "2026-11-23 00:00:00.0000001",
    "task_test_results and risk-free",
    "the basic idea",
    "no key was found: set OPENAI_API_KEY",
]


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_no_secret_stays(text: str) -> None:
    assert Redactor(["000000", sample.STRIPE_KEY])(text) == text
    assert Redactor()(text) == text


def test_a_short_secret_is_hidden_where_it_stands_alone() -> None:
    assert Redactor(["000000"])("password=000000, order 10000001") == (
        f"password={HIDDEN}, order 10000001"
    )


def test_what_is_hidden_stays_hidden_and_nothing_is_told_of_it(tmp_path: Path) -> None:
    environ = {**sample.MODELS, **sample.alipay(), **sample.unionpay(tmp_path)}
    redact = Redactor(secrets_of(environ))
    told = redact(json.dumps(environ))
    assert redact(told) == told
    assert all(key not in told for key in sample.MODELS.values() if not key.startswith("http"))
    assert repr(redact) == "Redactor()"
