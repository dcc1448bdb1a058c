"""Anthropic's own SDK drives the mock on a socket, unpatched."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from harness.clock import RealClock
from mocks.figures import Limits
from mocks.host import KEY, Host, MockConfig
from mocks.profile import ModelProfile, load
from tests.sdk.serving import serve

# Untyped, so that the tests can be checked where the SDKs are not installed.
anthropic: Any = pytest.importorskip("anthropic")
pydantic: Any = pytest.importorskip("pydantic")

pytestmark = [pytest.mark.sdk, pytest.mark.socket]

MODEL = "claude-haiku-4-5"
SAID = "please pay 12.50 CNY to tea-house with my balance"
FACTS = "Payment t1: 12.50 CNY to tea-house with balance: paid"
HI = [{"role": "user", "content": "hi"}]
PAY = {
    "name": "authorize_payment",
    "description": "Pay.",
    "input_schema": {
        "type": "object",
        "properties": {
            name: {"type": "string"} for name in ("amount", "currency", "payee", "method", "wish")
        },
    },
}
NEVER = 3e7
DOWN = msgspec.structs.replace(Limits.none(), overload_every_s=1e9, overload_lasts_s=1e9)
LITTLE = msgspec.structs.replace(Limits.none(), requests=2, window_s=4.0)


def mocks() -> MockConfig:
    """A model that answers at once, one that is down, one that takes two calls in four seconds."""
    whole = load(MODEL, ModelProfile)
    latency = msgspec.structs.replace(
        whole.latency, ttft_p50_ms=5.0, ttft_p99_ms=6.0, tokens_per_s=1e4
    )
    fast = msgspec.structs.replace(whole, latency=latency, cold_schema=None)

    def named(name: str, limits: Limits | None) -> ModelProfile:
        return msgspec.structs.replace(fast, model=name, limits=limits)

    models = {
        MODEL: msgspec.structs.replace(fast, limits=whole.limits),
        "down": named("claude-down", DOWN),
        "little": named("claude-little", LITTLE),
    }
    return MockConfig(seed=1, pay={}, models=models)


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with serve(Host(RealClock(), mocks())) as url:
        yield f"{url}/anthropic"


@pytest.fixture
def client(base_url: str) -> Iterator[Any]:
    with anthropic.Anthropic(base_url=base_url, api_key=KEY, max_retries=0, timeout=10) as made:
        yield made


def test_a_message_is_created(client: Any) -> None:
    message = client.messages.create(model=MODEL, max_tokens=100, messages=HI, system="Be kind.")
    assert message.type == "message"
    assert message.stop_reason == "end_turn"
    assert message.content[0].text.startswith("Whom shall I pay")
    assert message.usage.input_tokens > 0
    assert message._request_id.startswith("req_")


def test_a_bound_cuts_the_text(client: Any) -> None:
    message = client.messages.create(model=MODEL, max_tokens=3, messages=HI)
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 3)


def test_a_stream_is_gathered_into_the_same_message(client: Any) -> None:
    whole = client.messages.create(model=MODEL, max_tokens=100, messages=HI)
    with client.messages.stream(model=MODEL, max_tokens=100, messages=HI) as stream:
        texts = list(stream.text_stream)
        final = stream.get_final_message()
    assert len(texts) > 1
    assert "".join(texts) == final.content[0].text == whole.content[0].text
    assert final.stop_reason == "end_turn"
    assert final.usage.output_tokens == whole.usage.output_tokens


def test_raw_events_have_the_types_of_the_sdk(client: Any) -> None:
    events = client.messages.create(model=MODEL, max_tokens=100, messages=HI, stream=True)
    kinds = [type(event).__name__ for event in events]
    assert kinds[0] == "RawMessageStartEvent"
    assert kinds[-2:] == ["RawMessageDeltaEvent", "RawMessageStopEvent"]
    assert set(kinds[2:-3]) == {"RawContentBlockDeltaEvent"}


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_is_called_and_answered(client: Any, streamed: bool) -> None:
    def say(messages: list[object]) -> Any:
        asked = {"model": MODEL, "max_tokens": 500, "messages": messages, "tools": [PAY]}
        if not streamed:
            return client.messages.create(**asked)
        with client.messages.stream(**asked) as stream:
            return stream.get_final_message()

    wished: list[object] = [{"role": "user", "content": SAID}]
    asked = say(wished)
    assert asked.stop_reason == "tool_use"
    (call,) = asked.content
    assert call.name == "authorize_payment"
    assert (call.input["amount"], call.input["payee"]) == ("12.50", "tea-house")
    result = {"type": "tool_result", "tool_use_id": call.id, "content": FACTS}
    told = say(
        [
            *wished,
            {"role": "assistant", "content": asked.content},
            {"role": "user", "content": [result]},
        ]
    )
    assert told.content[0].text.startswith("All done!")


def test_an_answer_is_parsed_by_its_schema(client: Any) -> None:
    shape = pydantic.create_model("Score", score=(int, ...), why=(str, ...))
    parsed = client.messages.parse(
        model=MODEL, max_tokens=100, messages=HI, output_format=shape
    ).parsed_output
    assert parsed.score == 7


def test_headers_are_those_of_the_api(client: Any) -> None:
    raw = client.messages.with_raw_response.create(model=MODEL, max_tokens=9, messages=HI)
    assert raw.headers["request-id"] == raw.parse()._request_id
    assert raw.headers["anthropic-organization-id"]
    assert raw.headers["x-envoy-upstream-service-time"].isdigit()


def test_the_models_are_listed(client: Any) -> None:
    assert MODEL in [model.id for model in client.models.list()]
    assert client.models.retrieve(MODEL).lifecycle == "active"


def test_both_dialects_are_served(base_url: str) -> None:
    old = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
    with anthropic.Anthropic(
        base_url=base_url, api_key="overruled", default_headers=old, max_retries=0
    ) as client:
        body = {"temperature": 0.5}
        message = client.messages.create(model=MODEL, max_tokens=9, messages=HI, extra_body=body)
    assert message.role == "assistant"


def test_a_sampling_parameter_is_a_bad_request(client: Any) -> None:
    with pytest.raises(anthropic.BadRequestError, match="Extra inputs are not permitted"):
        client.messages.create(
            model=MODEL, max_tokens=9, messages=HI, extra_body={"temperature": 1.0}
        )


def test_a_wrong_key_is_an_authentication_error(base_url: str) -> None:
    with (
        anthropic.Anthropic(base_url=base_url, api_key="wrong") as client,
        pytest.raises(anthropic.AuthenticationError) as caught,
    ):
        client.messages.create(model=MODEL, max_tokens=9, messages=HI)
    assert caught.value.body["error"]["type"] == "authentication_error"
    assert caught.value.request_id == caught.value.body["request_id"]


def test_an_unknown_model_is_not_found(client: Any) -> None:
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(model="claude-99", max_tokens=9, messages=HI)


@pytest.mark.parametrize("streamed", [False, True])
def test_an_overloaded_api_is_tried_again_and_then_told(base_url: str, streamed: bool) -> None:
    with (
        anthropic.Anthropic(base_url=base_url, api_key=KEY, max_retries=1) as client,
        pytest.raises(anthropic.InternalServerError) as caught,
    ):
        client.messages.create(model="claude-down", max_tokens=9, messages=HI, stream=streamed)
    assert caught.value.status_code == 529
    assert caught.value.response.request.headers["x-stainless-retry-count"] == "1"


@pytest.mark.thorough
def test_a_rate_limit_is_waited_out_as_the_header_says(base_url: str) -> None:
    with anthropic.Anthropic(base_url=base_url, api_key=KEY, max_retries=2) as client:
        counts = []
        for _ in range(3):
            raw = client.messages.with_raw_response.create(
                model="claude-little", max_tokens=9, messages=HI
            )
            counts.append(raw.retries_taken)
        assert counts == [0, 0, 1]
        with pytest.raises(anthropic.RateLimitError) as caught:
            client.with_options(max_retries=0).messages.create(
                model="claude-little", max_tokens=9, messages=HI
            )
    assert int(caught.value.response.headers["retry-after"]) >= 1
