"""OpenAI's own SDK drives, unpatched and on a socket, all mocks that speak its wire."""

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from harness.clock import RealClock
from harness.providers import GATEWAYS
from harness.providers import MODELS as WIRES
from mocks.figures import Limits, Outage
from mocks.host import KEY, Host, MockConfig
from mocks.profile import GatewayProfile, ModelProfile, load, names
from tests.sdk.serving import serve

# Untyped, so that the tests can be checked where the SDKs are not installed.
openai: Any = pytest.importorskip("openai")
pydantic: Any = pytest.importorskip("pydantic")

pytestmark = [pytest.mark.sdk, pytest.mark.socket]

MODEL = "gpt-4o"
SAID = "please pay 12.50 CNY to tea-house with my balance"
FACTS = "Payment t1: 12.50 CNY to tea-house with balance: paid"
HI = [{"role": "user", "content": "hi"}]
PAY = {
    "type": "function",
    "function": {
        "name": "authorize_payment",
        "description": "Pay.",
        "parameters": {
            "type": "object",
            "properties": {
                name: {"type": "string"}
                for name in ("amount", "currency", "payee", "method", "wish")
            },
        },
    },
}
DOWN = msgspec.structs.replace(Limits.none(), overload_every_s=0.1, overload_lasts_s=0.1)
LITTLE = msgspec.structs.replace(Limits.none(), requests=2, window_s=4.0)

ALIKE = {
    "openai": "gpt-4o",
    "deepseek": "deepseek-v3",
    "qwen": "qwen-plus",
    "mistral": "mistral-small",
    "openrouter": "openai/gpt-4o",
    "litellm": "gpt-4o",
    "portkey": "@openai/gpt-4o",
    "tokenmix": "gpt-4o",
}
"""All that can be pointed at, and the model that each is asked for."""


def fast(name: str, **changed: Any) -> ModelProfile:
    whole = load(name, ModelProfile)
    latency = msgspec.structs.replace(
        whole.latency, ttft_p50_ms=5.0, ttft_p99_ms=6.0, tokens_per_s=1e4
    )
    changed = {"cold_schema": None, "structure": None, "model": "", **changed}
    return msgspec.structs.replace(whole, latency=latency, **changed)


def mocks() -> MockConfig:
    """Models that answer at once, one that is down, one that takes two calls in four seconds."""
    models = {
        name: fast(name)
        for name in ("gpt-4o", "deepseek-v3", "deepseek-r1-lite", "qwen-plus", "mistral-small")
    }
    return MockConfig(
        seed=1,
        pay={},
        models={
            **models,
            "down": fast(MODEL, limits=DOWN),
            "little": fast(MODEL, limits=LITTLE),
            "claude-3-5-haiku": fast("claude-3-5-haiku"),
        },
        gateways={name: load(name, GatewayProfile) for name in names(GatewayProfile)},
        fallbacks={"down": "claude-3-5-haiku"},
    )


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serve(Host(RealClock(), mocks())) as served:
        yield served


def client_of(url: str, provider: str = "openai", **options: Any) -> Any:
    base_url = f"{url}/{provider}{WIRES[provider].BASE_PATH}"
    options = {"api_key": KEY, "max_retries": 0, "timeout": 10, **options}
    return openai.OpenAI(base_url=base_url, **options)


@pytest.fixture
def client(url: str) -> Iterator[Any]:
    with client_of(url) as made:
        yield made


# Every one of them


@pytest.mark.parametrize("provider", ALIKE)
def test_a_completion_is_created(url: str, provider: str) -> None:
    with client_of(url, provider) as client:
        told = client.chat.completions.create(model=ALIKE[provider], messages=HI, temperature=0.2)
    (choice,) = told.choices
    assert choice.message.content.startswith("Whom shall I pay")
    assert (choice.finish_reason, choice.message.role) == ("stop", "assistant")
    assert told.usage.total_tokens == told.usage.prompt_tokens + told.usage.completion_tokens > 0


@pytest.mark.parametrize("provider", ALIKE)
def test_a_stream_is_gathered_into_the_same_text_and_usage(url: str, provider: str) -> None:
    # Mistral takes no such option and tells the usage anyway.
    more = {} if provider == "mistral" else {"stream_options": {"include_usage": True}}
    with client_of(url, provider) as client:
        whole = client.chat.completions.create(model=ALIKE[provider], messages=HI)
        chunks = list(
            client.chat.completions.create(model=ALIKE[provider], messages=HI, stream=True, **more)
        )
    texts = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]
    assert "".join(texts) == whole.choices[0].message.content
    assert len([text for text in texts if text]) > 1
    (usage,) = [chunk.usage for chunk in chunks if chunk.usage]
    assert usage.completion_tokens == whole.usage.completion_tokens


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("provider", ALIKE)
def test_a_tool_is_called_and_answered(url: str, provider: str, streamed: bool) -> None:
    wished: list[Any] = [{"role": "user", "content": SAID}]
    asked = {"model": ALIKE[provider], "messages": wished, "tools": [PAY]}
    with client_of(url, provider) as client:
        if streamed and provider != "mistral":
            with client.chat.completions.stream(**asked) as stream:
                message = stream.get_final_completion().choices[0].message
        else:
            message = client.chat.completions.create(**asked).choices[0].message
        (call,) = message.tool_calls
        assert call.function.name == "authorize_payment"
        assert msgspec.json.decode(call.function.arguments)["payee"] == "tea-house"
        spoken = {
            "role": "assistant",
            "tool_calls": [call.model_dump(include={"id", "type", "function"})],
        }
        told = client.chat.completions.create(
            model=ALIKE[provider],
            messages=[*wished, spoken, {"role": "tool", "tool_call_id": call.id, "content": FACTS}],
            tools=[PAY],
        )
    assert told.choices[0].message.content.startswith("All done!")


@pytest.mark.parametrize("provider", ALIKE)
def test_a_wrong_key_is_an_authentication_error(url: str, provider: str) -> None:
    with (
        client_of(url, provider, api_key="sk-wrong") as client,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        client.chat.completions.create(model=ALIKE[provider], messages=HI)
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize(
    ("provider", "error"),
    [(name, openai.NotFoundError) for name in ("openai", "qwen", "tokenmix", "portkey")]
    + [(name, openai.BadRequestError) for name in ("deepseek", "mistral", "openrouter", "litellm")],
)
def test_an_unknown_model_is_told_with_the_providers_status(
    url: str, provider: str, error: type[Exception]
) -> None:
    with client_of(url, provider) as client, pytest.raises(error):
        client.chat.completions.create(model="gpt-99", messages=HI)


@pytest.mark.parametrize("provider", ALIKE)
def test_the_models_are_listed(url: str, provider: str) -> None:
    with client_of(url, provider) as client:
        listed = [model.id for model in client.models.list()]
        assert ALIKE[provider].removeprefix("@").split("/")[-1] in [
            id_.split("/")[-1] for id_ in listed
        ]
        assert client.models.retrieve(listed[0]).id == listed[0]


# OpenAI itself


def test_an_answer_is_parsed_by_its_schema(client: Any) -> None:
    shape = pydantic.create_model("Score", score=(int, ...), why=(str, ...))
    told = client.chat.completions.parse(model=MODEL, messages=HI, response_format=shape)
    assert told.choices[0].message.parsed.score == 7
    assert told.choices[0].message.refusal is None


def test_a_strict_tool_made_by_the_sdk_is_taken_and_parsed(client: Any) -> None:
    shape = pydantic.create_model("LookUp", word=(str, ...))
    tool = openai.pydantic_function_tool(shape)
    told = client.chat.completions.parse(
        model=MODEL, messages=HI, tools=[tool], tool_choice="required", parallel_tool_calls=False
    )
    (call,) = told.choices[0].message.tool_calls
    assert call.function.parsed_arguments.word == "example"


def test_a_schema_that_is_not_strict_is_a_bad_request(client: Any) -> None:
    form = {
        "type": "json_schema",
        "json_schema": {"name": "a", "strict": True, "schema": {"type": "object"}},
    }
    with pytest.raises(openai.BadRequestError, match="additionalProperties") as caught:
        client.chat.completions.create(model=MODEL, messages=HI, response_format=form)
    assert (caught.value.param, caught.value.type) == ("response_format", "invalid_request_error")


def test_a_bound_cuts_the_text(client: Any) -> None:
    told = client.chat.completions.create(model=MODEL, messages=HI, max_completion_tokens=3)
    assert (told.choices[0].finish_reason, told.usage.completion_tokens) == ("length", 3)


def test_an_answer_has_every_field_that_the_sdk_shows(client: Any) -> None:
    told = client.chat.completions.create(model=MODEL, messages=HI)
    assert told.system_fingerprint.startswith("fp_")
    assert told.service_tier == "default"
    assert told.choices[0].message.annotations == []
    assert told.usage.prompt_tokens_details.cached_tokens == 0
    assert told.usage.completion_tokens_details.reasoning_tokens == 0


def test_headers_are_those_of_the_api(client: Any) -> None:
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=HI)
    assert raw.headers["x-request-id"] == raw.parse()._request_id
    assert raw.headers["openai-version"] == "2020-10-01"
    assert int(raw.headers["openai-processing-ms"]) > 0
    assert raw.headers["x-ratelimit-limit-requests"] == "10000"
    assert raw.headers["x-ratelimit-reset-tokens"].endswith("s")


@pytest.mark.parametrize("streamed", [False, True])
def test_an_overloaded_api_is_tried_again_and_then_told(url: str, streamed: bool) -> None:
    with (
        client_of(url, max_retries=1) as client,
        pytest.raises(openai.InternalServerError) as caught,
    ):
        client.chat.completions.create(model="down", messages=HI, stream=streamed)
    assert caught.value.status_code == 503
    assert caught.value.response.request.headers["x-stainless-retry-count"] == "1"


@pytest.mark.thorough
def test_a_rate_limit_is_waited_out_as_the_headers_say(url: str) -> None:
    with client_of(url, max_retries=2) as client:
        counts = []
        for _ in range(3):
            raw = client.chat.completions.with_raw_response.create(model="little", messages=HI)
            counts.append(raw.retries_taken)
        assert counts == [0, 0, 1]
        with pytest.raises(openai.RateLimitError) as caught:
            client.with_options(max_retries=0).chat.completions.create(model="little", messages=HI)
    assert (caught.value.type, caught.value.code) == ("requests", "rate_limit_exceeded")
    assert int(caught.value.response.headers["retry-after-ms"]) > 0


def test_the_asynchronous_client_is_served_as_well(url: str) -> None:
    async def main() -> str:
        async with openai.AsyncOpenAI(base_url=f"{url}/openai/v1", api_key=KEY) as client:
            stream = await client.chat.completions.create(model=MODEL, messages=HI, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert asyncio.run(main()).startswith("Whom shall I pay")


# The others' own ways


def test_what_deepseek_thinks_comes_before_what_it_says(url: str) -> None:
    with client_of(url, "deepseek") as client:
        whole = client.chat.completions.create(model="deepseek-r1-lite", messages=HI)
        chunks = client.chat.completions.create(model="deepseek-r1-lite", messages=HI, stream=True)
        deltas = [chunk.choices[0].delta for chunk in chunks]
    assert whole.choices[0].message.reasoning_content
    assert whole.usage.completion_tokens_details.reasoning_tokens > 0
    thought = [n for n, delta in enumerate(deltas) if getattr(delta, "reasoning_content", None)]
    said = [n for n, delta in enumerate(deltas) if delta.content]
    assert thought and max(thought) < min(said)


def test_mistral_refuses_what_it_does_not_know(url: str) -> None:
    with (
        client_of(url, "mistral") as client,
        pytest.raises(openai.UnprocessableEntityError) as caught,
    ):
        client.chat.completions.create(model="mistral-small", messages=HI, max_completion_tokens=5)
    (wrong,) = caught.value.response.json()["message"]["detail"]
    assert (wrong["type"], wrong["loc"][-1]) == ("extra_forbidden", "max_completion_tokens")


@pytest.mark.parametrize("provider", GATEWAYS)
def test_behind_a_gateway_another_model_stands_in(url: str, provider: str) -> None:
    model = {"portkey": "@openai/down", "tokenmix": "down"}.get(provider, "openai/down")
    with client_of(url, provider) as client:
        told = client.chat.completions.create(model=model, messages=HI)
    assert told.model.split("/")[-1] == "claude-3-5-haiku"
    assert told.choices[0].message.content.startswith("Whom shall I pay")


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("provider", GATEWAYS)
def test_trouble_behind_a_gateway_is_an_error_of_the_sdk(provider: str, streamed: bool) -> None:
    down = [Outage("openai", from_s=0.0, for_s=1e6)]
    config = msgspec.structs.replace(mocks(), outages=down, fallbacks={})
    with (
        serve(Host(RealClock(), config)) as url,
        client_of(url, provider) as client,
        pytest.raises(openai.APIError) as caught,
    ):
        told = client.chat.completions.create(model=ALIKE[provider], messages=HI, stream=streamed)
        list(told)
    in_stream = provider == "openrouter" and streamed
    assert isinstance(caught.value, openai.InternalServerError) is not in_stream


def test_a_gateway_tells_of_the_way_in_its_headers(url: str) -> None:
    with client_of(url, "litellm") as client:
        raw = client.chat.completions.with_raw_response.create(model="down", messages=HI)
    assert raw.headers["x-litellm-attempted-fallbacks"] == "1"
    assert float(raw.headers["x-litellm-overhead-duration-ms"]) > 0
    own = {"x-portkey-api-key": KEY, "x-portkey-provider": "openai"}
    with client_of(url, "portkey", api_key="upstream's", default_headers=own) as client:
        raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=HI)
    assert raw.headers["x-portkey-provider"] == "openai"
    assert raw.headers["x-portkey-last-used-option-index"] == "config.targets[0]"
