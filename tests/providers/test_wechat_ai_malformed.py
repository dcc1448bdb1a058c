"""Malformed WeChat Pay AI requests: each earns a refusal with 400, and none an exception."""

import json

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.providers import wechat_ai as wire
from harness.providers.wechat_ai import Refusal
from tests.providers.by_hand import AT, Json, envelope, private_key, rpc

FIELDS = ("ver", "call", "seq", "auth", "seal")
SEAL: Json = {"key_id": "key-0", "data": "AAAA", "alg": "RSA-OAEP-256"}


@pytest.mark.parametrize(
    ("why", "body"),
    [
        ("empty", b""),
        ("no JSON", b"hello"),
        ("no UTF-8", b'{"ver":"\xff"}'),
        ("too deep", b'{"deep":' + b"[" * 100_000),
        ("no object", []),
        ("an empty object", {}),
        ("bad base64", envelope(seal={**SEAL, "data": "!!!!"})),
        ("base64 with a line end", envelope(seal={**SEAL, "data": "AAAA\nAAAA"})),
        ("base64 of the other alphabet", envelope(seal={**SEAL, "data": "__--"})),
        ("base64 that lacks its padding", envelope(seal={**SEAL, "data": "AAA"})),
        ("base64 that is no ASCII", envelope(seal={**SEAL, "data": "ÄÖÜß"})),
        ("another sealing", envelope(seal={**SEAL, "alg": "RSA1_5"})),
        ("a seal without its key", envelope(seal={"data": "AAAA"})),
        ("wrong call", envelope(call="pay.steal")),
        ("call of a wrong type", envelope(call=1)),
        *[(f"no {name}", envelope(**{name: None})) for name in FIELDS],
        ("no token", envelope(auth={})),
        ("token of a wrong type", envelope(auth={"session_token": 1})),
    ],
)  # fmt: skip
def test_a_malformed_envelope_is_refused_with_400(why: str, body: object) -> None:
    check_malformed(rpc(body))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/rpc"),
        ("PUT", "/rpc"),
        ("GET", "/oauth/session"),
        ("GET", "/oauth/refresh"),
        ("POST", "/keys/current"),
        ("POST", "/"),
        ("POST", "/rpc/more"),
        ("POST", "/nothing"),
    ],
)
def test_a_wrong_method_or_path_is_refused_with_400(method: str, path: str) -> None:
    content = json.dumps(envelope()).encode()
    check_malformed(httpx.Request(method, AT.url(path), content=content))


@pytest.mark.parametrize("lacks", ["app_secret", "openid", "method"])
def test_a_session_request_that_lacks_a_field_is_refused_with_400(lacks: str) -> None:
    whole = {"app_secret": "s", "openid": "wx-ada", "method": "card"}
    content = json.dumps({name: value for name, value in whole.items() if name != lacks}).encode()
    check_malformed(httpx.Request("POST", AT.url(wire.SESSION_PATH), content=content))


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"refresh_token": 1}', b'"wxs_1"'])
def test_a_refresh_without_its_token_is_refused_with_400(body: bytes) -> None:
    check_malformed(httpx.Request("POST", AT.url(wire.REFRESH_PATH), content=body))


def check_malformed(request: httpx.Request) -> None:
    told = wire.decode_request(request)
    assert isinstance(told, Refusal)
    assert (told.code, wire.encode_reply(told)[0]) == ("MALFORMED_REQUEST", 400)


paths = st.sampled_from(
    [wire.RPC_PATH, wire.SESSION_PATH, wire.REFRESH_PATH, wire.KEY_PATH, "/", "/x"]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(["GET", "POST", "DELETE"]), paths, st.binary())
def test_arbitrary_bytes_never_raise(method: str, path: str, body: bytes) -> None:
    wire.decode_request(httpx.Request(method, AT.url(path), content=body))


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), json_values))
def test_an_envelope_with_anything_in_its_fields_never_raises(changed: dict[str, object]) -> None:
    told = wire.decode_request(rpc(envelope(**changed)))
    assert isinstance(told, Refusal | wire.Transaction)


@given(st.binary(max_size=300))
def test_opening_arbitrary_bytes_never_raises(sealed: bytes) -> None:
    assert isinstance(wire.open_seal(private_key(), sealed), Refusal)
