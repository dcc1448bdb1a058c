"""Google's own SDK drives the mock on a socket, unpatched; OpenAI's does so on its second base."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from harness.clock import RealClock
from harness.providers.gemini import COMPATIBLE
from mocks.figures import Limits
from mocks.host import KEY, Host, MockConfig
from mocks.profile import ModelProfile, load
from tests.sdk.serving import serve

# Untyped, so that the tests can be checked where the SDKs are not installed.
genai: Any = pytest.importorskip("google.genai")
openai: Any = pytest.importorskip("openai")
pydantic: Any = pytest.importorskip("pydantic")
types, errors = genai.types, genai.errors

pytestmark = [pytest.mark.sdk, pytest.mark.socket]

MODEL = "gemini-2.5-flash"
SAID = "please pay 12.50 CNY to tea-house with my balance"
FACTS = "Payment t1: 12.50 CNY to tea-house with balance: paid"
DOWN = msgspec.structs.replace(Limits.none(), overload_every_s=1e9, overload_lasts_s=1e9)
ONE = msgspec.structs.replace(Limits.none(), requests=1, window_s=1e6)
PAY = types.FunctionDeclaration(
    name="authorize_payment",
    description="Pay.",
    parameters=types.Schema(
        type="OBJECT",
        properties={
            name: types.Schema(type="STRING")
            for name in ("amount", "currency", "payee", "method", "wish")
        },
    ),
)


def mocks() -> MockConfig:
    """A model that answers at once, one that is down, one that takes a single call."""
    whole = load("gemini-2-5-flash", ModelProfile)
    latency = msgspec.structs.replace(
        whole.latency, ttft_p50_ms=5.0, ttft_p99_ms=6.0, tokens_per_s=1e4
    )
    fast = msgspec.structs.replace(whole, latency=latency)

    def named(name: str, limits: Limits) -> ModelProfile:
        return msgspec.structs.replace(fast, model=name, limits=limits)

    models = {"fast": fast, "down": named("down", DOWN), "one": named("one", ONE)}
    return MockConfig(seed=1, pay={}, models=models)


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with serve(Host(RealClock(), mocks())) as url:
        yield f"{url}/gemini"


def made(base_url: str, key: str = KEY, **options: object) -> Any:
    return genai.Client(
        api_key=key, http_options=types.HttpOptions(base_url=base_url, timeout=10_000, **options)
    )


@pytest.fixture(params=[{}, {"api_version": "v1beta"}], ids=["v1", "v1beta"])
def client(base_url: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    with made(base_url, **request.param) as client:
        yield client


def test_content_is_generated(client: Any) -> None:
    config = types.GenerateContentConfig(system_instruction="Be kind.", temperature=0.2)
    told = client.models.generate_content(model=MODEL, contents="hi", config=config)
    assert told.text.startswith("Whom shall I pay")
    assert told.candidates[0].finish_reason == types.FinishReason.STOP
    assert told.usage_metadata.total_token_count > 5
    assert told.model_version == MODEL
    assert told.response_id


def test_a_bound_cuts_the_text(client: Any) -> None:
    config = types.GenerateContentConfig(max_output_tokens=3)
    told = client.models.generate_content(model=MODEL, contents="hi", config=config)
    assert told.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS


def test_a_stream_says_the_same_in_pieces(client: Any) -> None:
    whole = client.models.generate_content(model=MODEL, contents="hi")
    chunks = list(client.models.generate_content_stream(model=MODEL, contents="hi"))
    assert len(chunks) > 2
    assert "".join(chunk.text or "" for chunk in chunks) == whole.text
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP
    assert chunks[-1].usage_metadata == whole.usage_metadata


@pytest.mark.parametrize("streamed", [False, True])
def test_a_function_is_called_and_answered(client: Any, streamed: bool) -> None:
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[PAY])])

    def say(contents: list[object]) -> Any:
        if not streamed:
            told = client.models.generate_content(model=MODEL, contents=contents, config=config)
            return told.candidates[0].content
        parts = [
            part
            for chunk in client.models.generate_content_stream(
                model=MODEL, contents=contents, config=config
            )
            for part in chunk.candidates[0].content.parts
            if part.text != ""
        ]
        return types.Content(role="model", parts=parts)

    wished: list[object] = [types.Content(role="user", parts=[types.Part(text=SAID)])]
    asked = say(wished)
    (part,) = asked.parts
    assert part.function_call.name == "authorize_payment"
    assert part.function_call.args["amount"] == "12.50"
    answer = types.Part.from_function_response(name="authorize_payment", response={"result": FACTS})
    told = say([*wished, asked, types.Content(role="user", parts=[answer])])
    assert "".join(part.text for part in told.parts).startswith("All done!")


def test_an_answer_is_parsed_by_its_schema(client: Any) -> None:
    shape = pydantic.create_model("Score", score=(int, ...), why=(str, ...))
    config = types.GenerateContentConfig(
        response_mime_type="application/json", response_schema=shape
    )
    told = client.models.generate_content(model=MODEL, contents="hi", config=config)
    assert told.parsed.score == 7


def test_the_models_are_listed(client: Any) -> None:
    assert f"models/{MODEL}" in [model.name for model in client.models.list()]
    assert client.models.get(model=MODEL).name == f"models/{MODEL}"


@pytest.mark.parametrize(
    ("model", "key", "code", "status"),
    [
        (MODEL, "wrong", 400, "INVALID_ARGUMENT"),
        ("gemini-99", KEY, 404, "NOT_FOUND"),
        ("down", KEY, 503, "UNAVAILABLE"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_an_error_is_told_with_its_status(
    base_url: str, model: str, key: str, code: int, status: str, streamed: bool
) -> None:
    with made(base_url, key) as client, pytest.raises(errors.APIError) as caught:
        if streamed:
            list(client.models.generate_content_stream(model=model, contents="hi"))
        else:
            client.models.generate_content(model=model, contents="hi")
    assert (caught.value.code, caught.value.status) == (code, status)


def test_a_rate_limit_tells_when_to_come_again(base_url: str) -> None:
    with made(base_url) as client:
        client.models.generate_content(model="one", contents="hi")
        with pytest.raises(errors.ClientError) as caught:
            client.models.generate_content(model="one", contents="hi")
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
    (detail,) = caught.value.details["error"]["details"]
    assert detail["retryDelay"].endswith("s")


# The second base


@pytest.fixture
def compatible(base_url: str) -> Iterator[Any]:
    url = base_url + COMPATIBLE.BASE_PATH
    with openai.OpenAI(base_url=url, api_key=KEY, max_retries=0, timeout=10) as client:
        yield client


@pytest.mark.parametrize("streamed", [False, True])
def test_openais_sdk_is_served_on_the_second_base(compatible: Any, streamed: bool) -> None:
    messages = [{"role": "user", "content": "hi"}]
    told = compatible.chat.completions.create(model=MODEL, messages=messages, stream=streamed)
    text = (
        "".join(chunk.choices[0].delta.content or "" for chunk in told)
        if streamed
        else told.choices[0].message.content
    )
    assert text.startswith("Whom shall I pay")


def test_errors_of_the_second_base_reach_openais_sdk_as_an_array(
    compatible: Any,
) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        compatible.chat.completions.create(
            model="gemini-99", messages=[{"role": "user", "content": "hi"}]
        )
    (body,) = caught.value.response.json()
    assert body["error"]["status"] == "NOT_FOUND"
