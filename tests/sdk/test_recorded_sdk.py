"""OpenAI's own SDK, pointed at the recording proxy and at nothing else, notices nothing of it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.calibrate.carrier import Carrier
from harness.calibrate.proxy import Proxy
from harness.calibrate.reading import read_samples
from harness.calibrate.recorder import Recorder
from harness.clock import RealClock, run
from mocks.host import KEY, Host
from tests.calibrate.passing import served
from tests.sdk.serving import serve
from tests.sdk.test_openai_sdk import HI, MODEL, mocks

openai: Any = pytest.importorskip("openai")

pytestmark = [pytest.mark.sdk, pytest.mark.socket]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serve(Host(RealClock(), mocks())) as at:
        yield at


def test_chats_whole_streamed_refused_and_left_are_recorded(url: str, tmp_path: Path) -> None:
    async def main() -> None:
        with Recorder(tmp_path / "calls.jsonl") as recorder:
            async with (
                Carrier() as carrier,
                served(Proxy({"openai": f"{url}/openai"}, carrier, recorder)) as proxy,
                openai.AsyncOpenAI(
                    base_url=f"{proxy}/openai/v1", api_key=KEY, max_retries=0
                ) as client,
            ):
                await _talk(client)
                while recorder.counts.total() < 4:
                    await asyncio.sleep(0.001)

    run("real", main())
    told = read_samples(tmp_path / "calls.jsonl")
    whole, streamed, models = told.samples
    assert (whole.stage, whole.provider, whole.model) == ("intent", "openai", MODEL)
    assert whole.completion_tokens == streamed.completion_tokens
    assert streamed.first_token_s < streamed.total_s
    assert (models.stage, models.model) == ("models", "")
    assert told.skipped == {"answered 404": 1}
    assert KEY not in (tmp_path / "calls.jsonl").read_text()


async def _talk(client: Any) -> None:
    asked = {"model": MODEL, "messages": HI}
    whole = await client.chat.completions.create(
        **asked, extra_headers={"x-tollbench-stage": "intent"}
    )
    stream = await client.chat.completions.create(
        **asked, stream=True, stream_options={"include_usage": True}
    )
    pieces = [chunk async for chunk in stream]
    said = "".join(choice.delta.content or "" for piece in pieces for choice in piece.choices)
    assert said == whole.choices[0].message.content
    assert MODEL in [model.id async for model in client.models.list()]
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.create(model="nobody", messages=HI)
