"""No key of the user's own reaches a mock, which gets in its place the one that it takes."""

import base64

import httpx
import pytest

from harness.flow.routing import Client
from tests.flow.own_turns import OPENAI, STRIPE, Servers, play
from tests.flow.test_own_routing import ROUTES

SECRET = "sk-their-own"


@pytest.mark.parametrize(
    ("url", "sent", "got"),
    [
        (OPENAI, {"Authorization": f"Bearer {SECRET}"}, {"authorization": "Bearer mock-openai"}),
        (
            "https://api.anthropic.com/v1/messages",
            {"X-Api-Key": SECRET, "authorization": f"Bearer {SECRET}"},
            {"x-api-key": "k", "authorization": "Bearer k"},
        ),
        (
            "https://api.portkey.ai/v1/chat/completions",
            {"x-portkey-api-key": SECRET, "authorization": f"Bearer {SECRET}"},
            {"x-portkey-api-key": "k", "authorization": "Bearer k"},
        ),
        (
            f"https://generativelanguage.googleapis.com/v1/models?key={SECRET}",
            {"x-goog-api-key": SECRET},
            {"x-goog-api-key": "mock-gemini"},
        ),
        (
            OPENAI,
            {"cookie": f"session={SECRET}", "proxy-authorization": SECRET, "x-a": "b"},
            {"x-a": "b"},
        ),
        (OPENAI, {}, {}),
        (OPENAI, {"authorization": f"Bearer {SECRET} "}, {"authorization": "Bearer mock-openai"}),
        (
            OPENAI,
            {"authorization": f"  bearer  {SECRET} "},
            {"authorization": "bearer mock-openai"},
        ),
        (OPENAI, {"authorization": "Bearer "}, {"authorization": "Bearer"}),
        (OPENAI, {"authorization": SECRET}, {"authorization": "mock-openai"}),
        (OPENAI, {"authorization": f"{SECRET} {SECRET}"}, {"authorization": "mock-openai"}),
        (
            OPENAI,
            {"authorization": f"AWS4-HMAC-SHA256 Credential={SECRET}/2/3, Signature={SECRET}"},
            {"authorization": "AWS4-HMAC-SHA256 mock-openai"},
        ),
        (
            "https://generativelanguage.googleapis.com/v1/models",
            {"x-api-key": SECRET, "api-key": SECRET, "x-portkey-api-key": SECRET},
            {},
        ),
        ("http://mocks/openai/v1/models", {"x-api-key": SECRET, "x-auth-token": SECRET}, {}),
        (
            f"https://generativelanguage.googleapis.com/v1/models?access_token={SECRET}&a=b",
            {},
            {},
        ),
    ],
)
def test_a_client_s_key_is_never_sent_on(
    url: str, sent: dict[str, str], got: dict[str, str]
) -> None:
    client = Client(httpx.Headers(sent).raw, b"{}")
    request = ROUTES.to(url).request("POST", url, client)
    assert SECRET not in str(request.url) + repr(request.headers.raw)
    headers = dict(request.headers)
    assert headers.pop("host") == "mocks" and headers.pop("content-length") == "2"
    assert headers == got
    assert ("key=mock-gemini" in str(request.url)) == ("?key=" in url)


def test_by_basic_authentication_a_mock_gets_its_key_as_the_user() -> None:
    """As with Stripe's `curl -u`, and with nothing of the client's: no password either."""
    servers = Servers()

    async def pay() -> None:
        for auth in ((SECRET, ""), (SECRET, SECRET), ("", SECRET)):
            async with httpx.AsyncClient(auth=auth, timeout=60.0) as client:
                await client.post(STRIPE, data={"a": "1"})

    play(pay, servers)
    users = [_user_of(of.headers["authorization"]) for of in servers.asked]
    assert users == [b"sk_test_mock:", b"sk_test_mock:", b":"]


def _user_of(authorization: str) -> bytes:
    scheme, _, told = authorization.partition(" ")
    assert scheme == "Basic"
    return base64.b64decode(told, validate=True)


def test_headers_of_keys_stay_where_a_mock_s_own_wire_does_not_tell_of_its() -> None:
    """Whoever calls a mock at its own address was given the key there."""
    url = "http://mocks/wechat-ai/v1"
    sent = {"x-api-key": "k", "authorization": "WECHATPAY2-SHA256-RSA2048 signed", "cookie": SECRET}
    request = ROUTES.to(url).request("POST", url, Client(httpx.Headers(sent).raw, b""))
    assert {name: request.headers.get(name) for name in sent} == {**sent, "cookie": None}
