"""What the models' tokens cost: every answer is paid for, also one that the guard stops."""

import contextlib
import dataclasses

import httpx
import pytest
from msgspec import structs

from harness.clock import VirtualClock, run
from harness.flow.flow import Flow, World
from harness.flow.model import Models, Voice
from harness.providers import MODELS
from harness.providers.call import Endpoint, Malformed, Overloaded
from harness.providers.chat import Finish, Reply, ToolCall, Usage
from tests.worlds import WISH

WIRE = MODELS["openai"]
VOICE = Voice(WIRE, Endpoint("http://models/v1", "key"), "reader", 2.5, 10.0)
GOOD = ToolCall(
    "call_0",
    "authorize_payment",
    '{"amount":"45.80","currency":"CNY","payee":"noodles","method":"balance","wish":""}',
)


def _reply(usage: Usage | None, *calls: ToolCall) -> httpx.Response:
    finish: Finish = "tool_calls" if calls else "stop"
    reply = Reply(
        id="id",
        model="reader",
        created=0,
        text=None if calls else "All done!",
        tool_calls=calls,
        finish=finish,
        usage=usage,
    )
    return httpx.Response(200, content=WIRE.encode_reply(reply))


def _cost(answer: httpx.Response, voice: Voice = VOICE, times: int = 1) -> int:
    async def main() -> int:
        transport = httpx.MockTransport(lambda request: answer)
        flow = Flow(World(VirtualClock(), transport, 1, 0, mocked=True), 0, 0, 0.0, 0.0)
        for _ in range(times):
            with contextlib.suppress(Malformed, Overloaded):
                await Models(voice, voice).read_wish(flow, WISH.said())
        return flow.token_cost_micro

    return run("virtual", main())


@pytest.mark.parametrize(
    ("usage", "micro"),
    [
        (Usage(100, 0), 250),
        (Usage(0, 100), 1000),
        (Usage(400, 60), 1600),
        (Usage(1, 0), 2),
        (Usage(400, 60, 50), 1600),  # What was only thought is among what was written.
        (None, 0),
    ],
)
def test_an_answer_costs_what_was_read_and_written(usage: Usage | None, micro: int) -> None:
    assert _cost(_reply(usage, GOOD)) == micro
    assert _cost(_reply(usage, GOOD), times=3) == 3 * micro


def test_an_answer_that_the_guard_stops_is_paid_for_all_the_same() -> None:
    bad = structs.replace(GOOD, arguments="{")
    assert _cost(_reply(Usage(400, 60), bad)) == 1600
    assert _cost(_reply(Usage(400, 60))) == 1600


def test_no_answer_and_no_price_cost_nothing() -> None:
    assert _cost(httpx.Response(503)) == 0
    free = dataclasses.replace(VOICE, prompt_micro=0.0, completion_micro=0.0)
    assert _cost(_reply(Usage(400, 60), GOOD), free) == 0
