"""The gateways' wires: how each names a model, tells of the way, and passes trouble on."""

import dataclasses
import json

import httpx
import pytest
from msgspec.structs import replace

from harness.providers import GATEWAYS
from harness.providers.call import Endpoint, Overloaded, ProviderFault, RateLimited, Unauthorized
from harness.providers.chat import Ask, Message, Reply, Served, Trouble, TroubleKind, Usage
from harness.providers.gateway import Gateway, Routed
from harness.providers.gateways import LITELLM, PORTKEY, TOKENMIX
from harness.providers.openai.got import decode_reply, decode_stream
from harness.providers.openrouter import OPENROUTER
from harness.providers.sse import is_keep_alive
from tests.providers.foreign import read

AT = Endpoint("http://model/v1", "a-key")
HI = Ask(model="openai/gpt-4o", messages=[Message("user", "hi")])
REPLY = Reply(
    id="c-1", model="m", created=17, text="All done.", finish="stop", usage=Usage(3, 4, 2),
    reasoning="It is paid.",
)  # fmt: skip
ALL = pytest.mark.parametrize("gateway", GATEWAYS.values(), ids=lambda of: of.NAME)
KINDS: tuple[TroubleKind, ...] = (
    "bad_request", "unauthorized", "not_found", "too_large", "rate_limited", "overloaded",
)  # fmt: skip


@pytest.mark.parametrize(
    ("gateway", "provider", "spelled"),
    [
        (OPENROUTER, "openai", "openai/m"),
        (OPENROUTER, "gemini", "google/m"),
        (OPENROUTER, "mistral", "mistralai/m"),
        (LITELLM, "gemini", "gemini/m"),
        (LITELLM, "qwen", "dashscope/m"),
        (PORTKEY, "openai", "@openai/m"),
        (PORTKEY, "mistral", "@mistral-ai/m"),
        (OPENROUTER, "", "m"),
        (PORTKEY, "", "m"),
    ],
)
def test_each_spells_vendors_in_its_own_way(gateway: Gateway, provider: str, spelled: str) -> None:
    assert gateway.name_of(provider, "m") == spelled
    assert gateway.place_of(spelled) == (provider, "m")
    asked = replace(HI, model=f"{provider}/m" if provider else "m")
    assert json.loads(gateway.chat(AT, asked).request.content)["model"] == spelled


def test_tokenmix_names_no_vendor() -> None:
    assert json.loads(TOKENMIX.chat(AT, HI).request.content)["model"] == "gpt-4o"


@ALL
def test_each_server_reads_what_its_client_writes(gateway: Gateway) -> None:
    request = gateway.chat(AT, HI).request
    asked = gateway.decode_request(request)
    assert isinstance(asked, Ask), asked
    assert gateway.place_of(asked.model) in (("openai", "gpt-4o"), ("", "gpt-4o"))
    assert gateway.key_of(request) == "a-key"


@ALL
def test_a_reply_survives_both_ways_of_sending_it(gateway: Gateway) -> None:
    seen = REPLY if gateway.manner.thinks_in else replace(REPLY, reasoning="")
    assert decode_reply(200, httpx.Headers(), gateway.encode_reply(REPLY)) == seen
    asked = replace(HI, stream=True, include_usage=True)
    body = b"".join(gateway.encode_stream(REPLY, ["All ", "done."], asked))
    assert decode_stream(body) == seen


@ALL
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("relayed", [False, True])
def test_each_trouble_is_a_fault_to_the_client(
    gateway: Gateway, kind: TroubleKind, relayed: bool
) -> None:
    trouble = Trouble(kind=kind, message="m", retry_after_s=0.5)
    status, headers, body = (
        gateway.encode_relayed(trouble, "openai") if relayed else gateway.encode_trouble(trouble)
    )
    assert headers["content-type"] == "application/json"
    with pytest.raises(ProviderFault, match=f"^{status} ") as caught:
        decode_reply(status, httpx.Headers(headers), body)
    expected = {"unauthorized": Unauthorized, "rate_limited": RateLimited, "overloaded": Overloaded}
    if kind in ("rate_limited", "overloaded") or (kind == "unauthorized" and not relayed):
        assert type(caught.value) is expected[kind]


@pytest.mark.parametrize(
    ("gateway", "trouble", "golden"),
    [
        (LITELLM, Trouble(kind="rate_limited", message="slow down"), "litellm/error_429"),
        (PORTKEY, Trouble(kind="overloaded", message="The server is overloaded"),
         "portkey/error_503"),
    ],
)  # fmt: skip
def test_a_providers_trouble_is_told_as_the_gateway_does(
    gateway: Gateway, trouble: Trouble, golden: str
) -> None:
    told = read(f"{golden}.http")
    status, _, body = gateway.encode_relayed(trouble, "openai")
    assert (status, json.loads(body)) == (told.status, json.loads(told.body))


def test_openrouter_names_who_failed_and_repeats_the_status_in_the_body() -> None:
    told = read("openrouter/late_error.http")
    foreign = json.loads(told.body)
    trouble = Trouble(kind="overloaded", message="upstream")
    status, _, body = OPENROUTER.encode_relayed(trouble, "OpenAI")
    assert (status, json.loads(body)["error"]) == (502, foreign["error"])


# OpenRouter's stream begins before there is an answer


def test_openrouters_first_line_is_no_token() -> None:
    first = OPENROUTER.encode_keep_alive(True)
    assert first == b": OPENROUTER PROCESSING\n\n"
    assert is_keep_alive(first)
    assert read("openrouter/stream.http").body.startswith(first)


@pytest.mark.parametrize(
    ("kind", "fault"), [("rate_limited", RateLimited), ("overloaded", Overloaded)]
)
def test_trouble_in_a_stream_that_began_is_told_inside(
    kind: TroubleKind, fault: type[ProviderFault]
) -> None:
    asked = replace(HI, stream=True)
    late = OPENROUTER.encode_late(Trouble(kind=kind, message="m", request_id="r"), asked)
    with pytest.raises(fault, match="mid-stream") as caught:
        decode_stream(OPENROUTER.encode_keep_alive(True) + late)
    assert type(caught.value) is fault
    event = json.loads(late.partition(b"\n\n")[0].removeprefix(b"data: "))
    foreign = read("openrouter/stream_error.http").body.split(b"\n\n")[1]
    assert set(json.loads(foreign.removeprefix(b"data: "))) - set(event) == {"provider"}
    assert event["choices"][0]["finish_reason"] == "error"


def test_no_other_gateway_begins_a_stream_early() -> None:
    for gateway in (LITELLM, PORTKEY, TOKENMIX):
        assert gateway.encode_keep_alive(True) == b""
        assert gateway.encode_late(Trouble(kind="overloaded", message="m"), HI) == b""


# What each tells of the way

ROUTED = Routed(
    request_id="req_1",
    provider="gemini",
    model="gemini-2.5-flash",
    target=1,
    upstream_ms=400.0,
    overhead_ms=15.5,
    cost_usd=0.00125,
)


def test_litellm_tells_the_deployment_the_cost_and_the_times() -> None:
    told = LITELLM.encode_routed(ROUTED)
    assert told["x-litellm-attempted-fallbacks"] == "1"
    assert told["x-litellm-response-cost"] == "0.00125"
    assert told["x-litellm-overhead-duration-ms"] == "15.500"
    assert told["x-litellm-response-duration-ms"] == "415.500"
    assert told["x-litellm-model-group"] == "gemini-2.5-flash"
    assert "x-litellm-call-id" in LITELLM.encode_served(Served(request_id="req_1"))


def test_portkey_tells_the_provider_and_the_target() -> None:
    told = PORTKEY.encode_routed(ROUTED)
    foreign = read("portkey/error_503.http").headers
    assert told["x-portkey-provider"] == "google"
    for name in ("x-portkey-last-used-option-index", "x-portkey-retry-attempt-count"):
        assert told[name] == foreign[name]


def test_openrouter_names_the_vendors_model_in_the_reply() -> None:
    assert OPENROUTER.told_name("gemini", "gemini-2.5-flash") == "google/gemini-2.5-flash"
    assert LITELLM.told_name("gemini", "gemini-2.5-flash") == "gemini-2.5-flash"


@ALL
def test_a_model_of_any_name_makes_headers_that_can_be_sent(gateway: Gateway) -> None:
    told = gateway.encode_routed(dataclasses.replace(ROUTED, model="mämma", cost_usd=None))
    assert all(value.isascii() for value in told.values())


@pytest.mark.parametrize("way", ["@openai/gpt-4o", "openai/gpt-4o"])
def test_portkey_may_be_told_the_provider_in_a_header_or_the_model(way: str) -> None:
    body = {"model": way, "messages": [{"role": "user", "content": "hi"}]}
    request = PORTKEY.chat(AT, HI).request
    url = request.url
    named = httpx.Request("POST", url, headers=request.headers, content=json.dumps(body))
    asked = PORTKEY.decode_request(named)
    assert isinstance(asked, Ask)
    assert PORTKEY.place_of(asked.model) == ("openai", "gpt-4o")
    headers = {**request.headers, "x-portkey-provider": "openai"}
    bare = json.dumps({**body, "model": "gpt-4o"})
    asked = PORTKEY.decode_request(httpx.Request("POST", url, headers=headers, content=bare))
    assert isinstance(asked, Ask)
    assert PORTKEY.place_of(asked.model) == ("openai", "gpt-4o")


def test_portkey_takes_a_key_of_its_own_or_a_bearers() -> None:
    own = httpx.Request("POST", "http://m", headers={"x-portkey-api-key": "k"})
    bearer = httpx.Request("POST", "http://m", headers={"authorization": "Bearer k"})
    assert (PORTKEY.key_of(own), PORTKEY.key_of(bearer)) == ("k", "k")


def test_openrouters_cards_name_no_price_that_nobody_told() -> None:
    told = json.loads(OPENROUTER.encode_listing(["openai/a", "google/b"], "", 17))
    assert (told["total_count"], told["links"]) == (2, {"next": None})
    card = told["data"][0]
    assert (card["id"], card["canonical_slug"]) == ("openai/a", "openai/a")
    assert card["pricing"] == {"prompt": "-1", "completion": "-1"}
    assert json.loads(OPENROUTER.encode_listing(["openai/a"], "openai/a", 17)) == card
