"""Client credentials and bearer tokens in both roles, against the examples of their standards."""

import base64
import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.providers import oauth
from harness.providers.call import Malformed, Overloaded, ProviderFault, RateLimited, Unauthorized
from harness.providers.oauth import Client, Token, TokenRefusal
from tests.providers import foreign

URL = httpx.URL("https://server.example.com/token")
NAMED = Client("s6BhdRkqt3", "gX1fBat3bV", "client_credentials")


def asked(body: str, **headers: str) -> Client | TokenRefusal:
    whole = {"content-type": "application/x-www-form-urlencoded", **headers}
    return oauth.decode_client(httpx.Request("POST", URL, headers=whole, content=body.encode()))


def basic(pair: str) -> str:
    return "Basic " + base64.b64encode(pair.encode()).decode()


def error(told: Client | TokenRefusal) -> str:
    assert isinstance(told, TokenRefusal)
    return told.error


# Asking


def test_the_standard_s_own_request_is_read_and_written() -> None:
    told = foreign.read("rfc/token_request.http")
    assert oauth.decode_client(told.request) == NAMED
    ours = oauth.token_request(URL, NAMED.client_id, NAMED.secret)
    assert (ours.method, str(ours.url), ours.content) == ("POST", str(URL), told.body)
    for header in ("authorization", "content-type"):
        assert ours.headers[header] == told.headers[header]


@given(st.text(min_size=1), st.text())
def test_any_client_and_secret_arrive_as_they_left(client_id: str, secret: str) -> None:
    request = oauth.token_request(URL, client_id, secret)
    assert oauth.decode_client(request) == Client(client_id, secret, "client_credentials")


def test_a_client_may_name_itself_in_the_form() -> None:
    told = asked("grant_type=client_credentials&client_id=a%3Ab&client_secret=c+d&scope=x")
    assert told == Client("a:b", "c d", "client_credentials")


def test_another_grant_is_read_as_it_is() -> None:
    assert asked("grant_type=password", authorization=basic("a:b")) == Client("a", "b", "password")


@pytest.mark.parametrize(
    ("why", "body"),
    [
        ("empty", ""),
        ("no grant", "client_id=a&client_secret=b"),
        ("a grant without a value, which is as if omitted", "grant_type=&client_id=a"),
        ("a parameter twice", "grant_type=client_credentials&scope=a&scope=a"),
        ("too many", "grant_type=client_credentials&" + "&".join(f"p{n}=1" for n in range(200))),
        ("named in two ways", "grant_type=client_credentials&client_secret=b"),
    ],
)
def test_a_malformed_request_is_invalid(why: str, body: str) -> None:
    assert error(asked(body, authorization=basic("a:b"))) == "invalid_request"


@pytest.mark.parametrize("content_type", ["", "application/json", "multipart/form-data"])
def test_only_a_form_is_read(content_type: str) -> None:
    told = asked("grant_type=client_credentials", **{"content-type": content_type})
    assert error(told) == "invalid_request"


def test_a_form_may_tell_its_charset() -> None:
    of_utf8 = "Application/X-WWW-Form-URLEncoded; charset=UTF-8"
    told = asked("grant_type=client_credentials", **{"content-type": of_utf8})
    assert told == Client("", "", "client_credentials")


@pytest.mark.parametrize("text", ["Basic", "Basic !!!", "Basic /w==", "basic YQ=="])
def test_broken_credentials_name_no_client(text: str) -> None:
    told = asked("grant_type=client_credentials", authorization=text)
    assert isinstance(told, Client)
    assert told.secret == ""


@given(st.binary(), st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_no_request_raises(body: bytes, authorization: str) -> None:
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "authorization": authorization,
    }
    told = oauth.decode_client(httpx.Request("POST", URL, headers=headers, content=body))
    assert isinstance(told, Client | TokenRefusal)


# Answering


def test_the_standard_s_own_token_is_read() -> None:
    told = foreign.read("rfc/token.http")
    read = oauth.decode_token(told.status, told.headers, told.body)
    assert read == Token("mF_9.B5f-4.1JqM", "Bearer", 3600)


def test_a_token_is_written_as_others_read_it() -> None:
    status, headers, body = oauth.encode_token(Token("upt_1", "Bearer", 3600), "realm")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert headers["cache-control"] == "no-store"
    assert json.loads(body) == {"access_token": "upt_1", "token_type": "Bearer", "expires_in": 3600}
    assert b"3600." not in body


@pytest.mark.parametrize(
    ("code", "status"),
    [("invalid_request", 400), ("invalid_client", 401), ("unsupported_grant_type", 400)],
)
def test_a_refusal_is_written_as_others_read_it(code: oauth.TokenError, status: int) -> None:
    told, headers, body = oauth.encode_token(TokenRefusal(code, "because"), "unionpay-ai")
    assert told == status
    assert json.loads(body) == {"error": code, "error_description": "because"}
    challenge = 'Basic realm="unionpay-ai"' if status == 401 else None
    assert headers.get("www-authenticate") == challenge


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (302, Malformed),
        (400, Malformed),
        (401, Unauthorized),
        (429, RateLimited),
        (503, Overloaded),
    ],
)
def test_all_but_a_token_is_a_fault(status: int, fault: type[ProviderFault]) -> None:
    for body in (foreign.read("rfc/token_refused.http").body, b"<html>"):
        with pytest.raises(fault) as raised:
            oauth.decode_token(status, httpx.Headers(), body)
        assert type(raised.value) is fault


@pytest.mark.parametrize(
    ("why", "body"),
    [
        ("no JSON", b"hello"),
        ("no token", b'{"token_type":"Bearer","expires_in":1}'),
        ("no end", b'{"access_token":"a","token_type":"Bearer"}'),
        ("another type", b'{"access_token":"a","token_type":"mac","expires_in":1}'),
        ("an end in words", b'{"access_token":"a","token_type":"Bearer","expires_in":"soon"}'),
    ],
)
def test_a_token_that_cannot_be_used_is_malformed(why: str, body: bytes) -> None:
    with pytest.raises(Malformed):
        oauth.decode_token(200, httpx.Headers(), body)


def test_the_token_type_s_case_does_not_matter() -> None:
    body = b'{"access_token":"a","token_type":"bearer","expires_in":1.5}'
    assert oauth.decode_token(200, httpx.Headers(), body) == Token("a", "Bearer", 1.5)


# Bearing


@pytest.mark.parametrize(
    ("authorization", "token"),
    [
        ("Bearer mF_9.B5f-4.1JqM", "mF_9.B5f-4.1JqM"),
        ("bearer  a ", "a"),
        ("Bearer", ""),
        ("Basic YTpi", ""),
        ("mF_9.B5f-4.1JqM", ""),
    ],
)
def test_a_bearer_token_is_read(authorization: str, token: str) -> None:
    request = httpx.Request("GET", URL, headers={"authorization": authorization})
    assert oauth.bearer_of(request) == token


def test_no_header_bears_no_token_and_ours_bears_it() -> None:
    assert oauth.bearer_of(httpx.Request("GET", URL)) == ""
    assert oauth.bearer_of(httpx.Request("GET", URL, headers=oauth.bearer("a"))) == "a"


def test_who_sent_no_token_is_told_no_error_code() -> None:
    assert oauth.challenge("x", "")["www-authenticate"] == 'Bearer realm="x"'
    told = oauth.challenge("x", "old")["www-authenticate"]
    assert told == 'Bearer realm="x", error="invalid_token"'


def test_nothing_that_holds_a_secret_prints_it() -> None:
    assert "s3cret" not in repr((Client("a", "s3cret", "b"), Token("s3cret", "Bearer", 1)))
