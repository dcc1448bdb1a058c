"""Where a client's call goes, with whose key, and what cannot be played is told with its mend."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from harness.flow.own import OwnTurn
from harness.flow.routing import BadFlow, Client, Routes
from harness.providers.call import Endpoint
from harness.virtual_loop import Deadlock
from tests.flow.own_turns import AT, OPENAI, STRIPE, Servers, play

MOCKS = httpx.MockTransport(lambda request: httpx.Response(200))
OTHER = httpx.MockTransport(lambda request: httpx.Response(200))
ROUTES = Routes(
    {
        **AT,
        "openrouter": Endpoint("http://mocks/openrouter/api/v1", "k"),
        "qwen": Endpoint("http://mocks/qwen/compatible-mode/v1", "k"),
        "anthropic": Endpoint("http://mocks/anthropic", "k"),
        "portkey": Endpoint("http://mocks/portkey/v1", "k"),
        "stripe-list": Endpoint("http://mocks/stripe-list", "k"),
    },
    MOCKS,
    {"shop.test": OTHER, "127.0.0.1:8080": OTHER, "api.stripe.com": OTHER},
)


@pytest.mark.parametrize(
    ("url", "provider", "there"),
    [
        (OPENAI, "openai", "http://mocks/openai/v1/chat/completions"),
        ("https://api.openai.com:443/v1/models", "openai", "http://mocks/openai/v1/models"),
        (
            "https://api.anthropic.com/v1/messages",
            "anthropic",
            "http://mocks/anthropic/v1/messages",
        ),
        (
            "https://openrouter.ai/api/v1/models?a=b%2Fc",
            "openrouter",
            "http://mocks/openrouter/api/v1/models?a=b%2Fc",
        ),
        (
            "https://dashscope-intl.aliyuncs.com/compatible-mode/v1/chat/completions",
            "qwen",
            "http://mocks/qwen/compatible-mode/v1/chat/completions",
        ),
        (
            "https://generativelanguage.googleapis.com/v1beta/models/a:b",
            "gemini",
            "http://mocks/gemini/v1beta/models/a:b",
        ),
        ("http://mocks/wechat-ai/rpc?x=1", "wechat-ai", "http://mocks/wechat-ai/rpc?x=1"),
        (
            "http://mocks/stripe-list/v1/refunds",
            "stripe-list",
            "http://mocks/stripe-list/v1/refunds",
        ),
        ("http://mocks/openai/v1", "openai", "http://mocks/openai/v1"),
        ("https://shop.test:8443/carts", "shop.test", "https://shop.test:8443/carts"),
        ("http://127.0.0.1:8080/x", "127.0.0.1:8080", "http://127.0.0.1:8080/x"),
        (STRIPE, "api.stripe.com", STRIPE),
    ],
)
def test_a_call_goes_to_the_mock_of_its_host(url: str, provider: str, there: str) -> None:
    route = ROUTES.to(url)
    request = route.request("GET", url, Client([], b""))
    assert (route.provider, str(request.url)) == (provider, there)
    assert (route.transport is MOCKS, route.mocked) == ("mocks" in there, "mocks" in there)


def test_a_client_s_connection_is_its_own_and_not_the_mock_s() -> None:
    """Else one that closes it after each call, as urllib does, would have the mock do so too."""
    headers = [
        (b"Connection", b"close"),
        (b"Expect", b"100-continue"),
        (b"TE", b"trailers"),
        (b"Accept", b"a/b"),
    ]
    request = ROUTES.to(OPENAI).request("POST", OPENAI, Client(headers, b"{}"))
    assert set(request.headers) == {"host", "accept", "content-length"}


def test_a_host_that_nobody_has_is_told_with_the_mend() -> None:
    with pytest.raises(BadFlow) as told:
        ROUTES.to("https://pay.example:8443/v1")
    assert str(told.value).startswith(
        "a call goes to pay.example:8443, and there is no mock of it: name a server for it, "
        "others={'pay.example': httpx.MockTransport(...)}; known are api.openai.com, "
    )
    assert "shop.test" in str(told.value)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("/api.openai.com/v1/x?key=SECRET", "'api.openai.com/v1/x', which is no address"),
        ("ftp://ann:SECRET@host/a#SECRET", "'ftp://host/a', which is no address"),
        ("https://ann:SECRET@pay.example/a?key=SECRET", "a call goes to pay.example, and"),
    ],
)
def test_what_is_told_of_a_url_holds_no_secret(url: str, told: str) -> None:
    with pytest.raises(BadFlow) as error:
        ROUTES.to(url)
    assert told in str(error.value) and "SECRET" not in str(error.value)


SECRET = "sk-their-own"


def test_a_server_of_the_user_s_own_gets_the_call_as_it_is() -> None:
    asked: list[httpx.Request] = []

    async def shop(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        await asyncio.sleep(0.75)
        return httpx.Response(201, json={"cart": 1})

    async def order() -> None:
        headers = {"authorization": SECRET, "cookie": "cart=1"}
        async with httpx.AsyncClient(headers=headers) as client:
            answer = await client.post("https://shop.test/carts?a=1", json={"n": 1})
            assert (answer.status_code, answer.json()) == (201, {"cart": 1})

    seen = play(order, others={"shop.test": httpx.MockTransport(shop)})
    (request,) = asked
    assert (str(request.url), request.headers["authorization"], request.content) == (
        "https://shop.test/carts?a=1", SECRET, b'{"n":1}',
    )  # fmt: skip
    assert request.headers["cookie"] == "cart=1"
    assert not [name for name in request.headers if name.startswith("x-tollbench")]
    (span,) = seen.spans
    assert seen.stages() == [("shop.test", 0.0, 0.75)]
    assert (span.provider, span.status) == ("shop.test", 201)


def test_the_calls_of_a_user_s_own_server_are_calls_of_the_turn() -> None:
    async def shop(request: httpx.Request) -> httpx.Response:
        async with httpx.AsyncClient() as client:
            return httpx.Response((await client.post(OPENAI, json={})).status_code)

    async def order(turn: OwnTurn) -> None:
        with turn.stage("order"):
            async with httpx.AsyncClient() as client:
                await client.get("https://shop.test/")

    seen = play(order, others={"shop.test": httpx.MockTransport(shop)})
    assert sorted((of.stage, of.provider) for of in seen.spans) == [
        ("order", "openai"),
        ("order", "shop.test"),
    ]


def test_a_user_s_real_transport_is_used_as_it_is() -> None:
    class Near(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            try:
                return await super().handle_async_request(request)
            except (Deadlock, ExceptionGroup):  # what the virtual clock says to a connection
                return httpx.Response(418)

    async def order() -> None:
        async with httpx.AsyncClient() as client:
            assert (await client.get("http://127.0.0.1:8080/")).status_code == 418

    seen = play(order, others={"127.0.0.1:8080": Near()})
    assert [of.status for of in seen.spans] == [418]


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/", "https://shop.test/a?b=1"])
def test_a_transport_that_hands_on_to_a_real_one_reaches_it(url: str) -> None:
    class Logged(httpx.AsyncBaseTransport):
        def __init__(self) -> None:
            self.real = httpx.AsyncHTTPTransport()

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            try:
                return await self.real.handle_async_request(request)
            except (Deadlock, ExceptionGroup):  # what the virtual clock says to a connection
                return httpx.Response(418)

    async def order() -> None:
        async with httpx.AsyncClient() as client:
            assert (await client.get(url)).status_code == 418

    seen = play(order, others={httpx.URL(url).host: Logged()})
    assert [of.status for of in seen.spans] == [418]


async def _by_a_custom_transport() -> None:
    class Retrying(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            answer = await super().handle_async_request(request)
            return (
                answer if answer.status_code < 500 else await super().handle_async_request(request)
            )

    async with httpx.AsyncClient(transport=Retrying()) as client:
        await client.post(OPENAI, params={"status": 503}, content=_pieces())


async def _by_a_proxy() -> None:
    async with httpx.AsyncClient(proxy="http://127.0.0.1:9") as client:
        for _ in range(2):
            await client.post(OPENAI, params={"status": 503}, files={"a": b"b"})


async def _pieces() -> Any:
    yield b"{"
    yield b"}"


@pytest.mark.parametrize("function", [_by_a_custom_transport, _by_a_proxy])
def test_clients_of_every_make_are_rerouted(function: Callable[[], Awaitable[None]]) -> None:
    servers = Servers()
    seen = play(function, servers)
    assert [(of.status, of.attempt) for of in seen.spans] == [(503, 1), (503, 2)]
    assert all(len(of.content) == int(of.headers["content-length"]) for of in servers.asked)
    assert seen.tally.causes == {("openai", "Overloaded 503"): 2}


def test_an_endpoint_is_that_of_the_mock() -> None:
    async def told(turn: OwnTurn) -> None:
        endpoint = turn.endpoint("wechat-ai")
        assert (endpoint.base_url, endpoint.key) == ("http://mocks/wechat-ai", "mock-wechat")
        async with httpx.AsyncClient(base_url=endpoint.base_url) as client:
            await client.get("/keys/current")

    assert play(told).stages() == [("wechat-ai", 0.0, 1.0)]


def test_a_client_with_a_double_of_its_own_keeps_it_and_loopback_is_nobody_s_business() -> None:
    seen: list[str] = []

    async def handler(request: httpx.Request) -> httpx.Response:
        seen.append(socket.getaddrinfo("127.0.0.1", 80)[0][4][0])  # type: ignore[arg-type]  # a str
        return httpx.Response(200)

    async def function() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as client:
            await client.get("https://anywhere.test/")

    assert play(function).spans == [] and seen == ["127.0.0.1"]
