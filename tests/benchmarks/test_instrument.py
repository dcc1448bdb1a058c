"""What the instrument itself costs, part by part, on this machine's clock; it asserts no time.

`pytest tests/benchmarks --benchmark-only` shows it. The calls themselves are timed beside it, in
test_instrument_calls.py.
"""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import httpx
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from harness import draws
from harness.clock import VirtualClock
from harness.flow.flow import Flow, Span, World
from harness.flow.tools import TOOLS
from harness.load.engine import record_turn
from harness.providers import MODELS, wechat_ai
from harness.providers.call import Call, Endpoint
from harness.providers.chat import Ask, Message, Reply, ToolCall, Usage
from harness.record import FlowRow, Rows, SpanRow
from harness.record.spool import Spool
from harness.stats.bootstrap import RESAMPLES, resample
from harness.stats.quantiles import Sample
from tests.benchmarks.fixture import Timed, timed
from tests.record.sample import FLOW, SPAN

WIRE, AT = MODELS["openai"], Endpoint("http://mocks/openai/v1", "key")
WISH = "Please pay 45.80 CNY to noodle-house with my balance."
ARGUMENTS = '{"amount": "45.80", "currency": "CNY", "payee": "noodle-house", "method": "balance"}'
CONFIRMED = "All done! 45.80 CNY went to noodle-house with your balance. Enjoy your noodles."
STAGES = ("intent", "session", "encrypt", "pay", "confirm")


def _ask(stream: bool = False) -> Ask:
    return Ask(
        model="gpt-4o",
        messages=[Message("system", "You are a payment assistant."), Message("user", WISH)],
        tools=() if stream else TOOLS,
        tool_choice="auto" if stream else "required",
        stream=stream,
        include_usage=stream,
    )


def _reply(text: str | None, *calls: ToolCall) -> Reply:
    return Reply(
        id="chatcmpl-1", model="gpt-4o", created=1, text=text, tool_calls=calls,
        finish="tool_calls" if calls else "stop", usage=Usage(200, 40),
    )  # fmt: skip


def _decoded(call: Call[Reply], body: bytes, kind: str = "application/json") -> Reply:
    return call.decode(200, httpx.Headers({"content-type": kind}), body)


# Codecs


@timed("codec")
def test_a_wish_is_encoded(benchmark: Timed) -> None:
    call = benchmark(WIRE.chat, AT, _ask())
    assert WISH.encode() in call.request.content


@timed("codec")
def test_a_tool_call_is_decoded(benchmark: Timed) -> None:
    said = _reply(None, ToolCall("call_1", "authorize_payment", ARGUMENTS))
    reply = benchmark(_decoded, WIRE.chat(AT, _ask()), WIRE.encode_reply(said))
    assert reply.tool_calls == said.tool_calls


@timed("codec")
def test_a_stream_of_20_tokens_is_decoded(benchmark: Timed) -> None:
    ask, said = _ask(stream=True), _reply(CONFIRMED)
    pieces = [CONFIRMED[n : n + 4] for n in range(0, len(CONFIRMED), 4)]
    assert len(pieces) == 20
    body = b"".join(WIRE.encode_stream(said, pieces, ask))
    assert benchmark(_decoded, WIRE.chat(AT, ask), body, "text/event-stream").text == CONFIRMED


@timed("codec")
def test_an_order_is_sealed_and_encoded(benchmark: Timed) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=wechat_ai.KEY_BITS)
    key = wechat_ai.SealingKey("key-0", private.public_key(), 900.0)
    order = wechat_ai.Order("alice-0", "alice", "balance", 4580, payee="noodle-house")
    call = benchmark(wechat_ai.transact, AT, "pay.authorize", "token", key, order)
    asked = wechat_ai.decode_request(call.request)
    assert isinstance(asked, wechat_ai.Transaction)
    assert wechat_ai.open_seal(private, asked.sealed) == order


# Draws


@timed("draw")
def test_a_delay_is_drawn(benchmark: Timed) -> None:
    draw, conversations = draws.uniforms(1, "delay", "wechat-ai"), count()

    def delay() -> float:
        u = draw(3, next(conversations), 4, "pay", 1)  # One that nobody has asked for before.
        return draws.microseconds(draws.lognormal(u, 0.588, 0.72))

    assert 0.4 < benchmark(delay) < 0.9


# Spans


@pytest.fixture
def turn() -> Flow:
    """One that ended, with a span for each stage, one after another."""

    async def nowhere(request: httpx.Request) -> httpx.Response:
        raise AssertionError("nothing is called here")

    world = World(VirtualClock(), httpx.MockTransport(nowhere), seed=1, round=0, mocked=True)
    flow = Flow(world, conversation=3, turn=1, due=10.0, start=10.0, end=15.0, outcome="paid")
    for n, stage in enumerate(STAGES):
        at = 10.0 + n
        flow.spans.append(Span(stage, "mock", at, at + 0.5, at + 0.5, at + 1.0, 200, 1, None))
    return flow


@timed("span")
def test_a_turn_of_5_spans_is_recorded(benchmark: Timed, turn: Flow) -> None:
    def recorded() -> tuple[FlowRow, list[SpanRow]]:
        rows = Rows()
        record_turn("baseline", turn, 15.0, 0.0, rows.add)
        return rows.flows[0], rows.spans

    flow, spans = benchmark(recorded)
    assert flow.response_ms == 5000.0
    assert [span.stage for span in spans if span.critical] == list(STAGES)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path / "round-0.spool") as spool:
        yield spool


@timed("span")
def test_a_turn_of_5_spans_is_spooled(benchmark: Timed, spool: Spool) -> None:
    spans, added = [SPAN] * 5, count()

    def add() -> int:
        spool.add(FLOW, spans)
        return next(added)

    # Of fixed number: each one stays on the disk.
    turns = benchmark.pedantic(add, rounds=200, iterations=50) + 1
    spool.flush()
    assert spool.path.stat().st_size % turns == 0


# Intervals


@timed("bootstrap")
def test_3_percentiles_of_2_strategies_are_resampled(benchmark: Timed) -> None:
    rng = np.random.default_rng(1)
    rounds = np.repeat(np.arange(20), 50)
    samples = [Sample(rng.lognormal(8, 0.25, rounds.size), rounds) for _ in range(2)]
    found = benchmark(resample, samples, (0.5, 0.95, 0.99), seed=1)
    assert found.drawn.shape == (3, 2, RESAMPLES)
