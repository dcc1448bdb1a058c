"""What a run may do in all, what is left of it afterwards, and what an answer can end."""

import asyncio
import gzip
from pathlib import Path

import httpx
import pytest

from harness.clock import VirtualClock, run
from harness.real.caps import Caps
from harness.real.unsafe import Unsafe
from harness.transport import Measured, measure, streamed
from tests.real import answers, sample, wires
from tests.real.answers import ERROR, PI
from tests.real.sample import Bench, Internet, Unreached
from tests.real.wires import chat, intent, stripe

# Caps


def test_no_more_orders_than_the_cap_and_one_that_is_tried_again_is_one(tmp_path: Path) -> None:
    internet = Internet(lambda _: answers.intent())
    bench = Bench(tmp_path, internet, sample.stripe(), caps=Caps(orders=2))
    bench.send(intent("a"), intent("a"), intent("b"))
    with pytest.raises(Unsafe, match="order 3 at stripe"):
        bench.send(intent("c"))
    bench.send(intent("b"))
    assert (len(internet.sent), bench.meter.orders["stripe"]) == (4, 2)


def test_wechat_pay_has_twenty_orders_whatever_the_cap(tmp_path: Path) -> None:
    internet = Internet(lambda _: httpx.Response(200, json={"code_url": "weixin://wxpay/x"}))
    wechat = sample.found("wechatpay", sample.wechatpay())
    bench = Bench(tmp_path, internet, wechat, caps=Caps(orders=500))
    bench.send(*(wires.native(out_trade_no=f"order_{n:04}") for n in range(20)))
    with pytest.raises(Unsafe, match="order 21"):
        bench.send(wires.native(out_trade_no="order_9999"))
    assert len(internet.sent) == 20
    with pytest.raises(ValueError, match="20"):
        Bench(tmp_path, internet, wechat, caps=Caps(wechat_orders=21))


def test_no_more_requests_than_the_cap(tmp_path: Path) -> None:
    internet = Internet(lambda _: answers.intent())
    bench = Bench(tmp_path, internet, sample.stripe(), caps=Caps(requests=2))
    with pytest.raises(Unsafe, match="request 3 to stripe"):
        bench.send(*(intent("a") for _ in range(3)))
    assert len(internet.sent) == 2


@pytest.mark.parametrize("many_at_once", [True, False])
def test_no_second_has_more_requests_than_the_rate(many_at_once: bool, tmp_path: Path) -> None:
    internet = Internet(lambda _: answers.intent())
    bench = Bench(tmp_path, internet, sample.stripe())
    requests = [intent("a") for _ in range(23)]
    took = bench.at_once(*requests) if many_at_once else bench.send(*requests)
    times = sorted(internet.times)
    assert all(later - sooner >= 1.0 for sooner, later in zip(times, times[5:], strict=False))
    assert times[-1] == pytest.approx(4.0)
    assert bench.meter.held_back > 0
    assert max(each.end - each.start for each in took) == 0.0  # A wait is no part of a call.


def test_the_rate_may_be_lower_and_is_each_hosts_own(tmp_path: Path) -> None:
    internet = Internet(lambda _: httpx.Response(500))
    found = [sample.stripe(), sample.found("alipay-v3", sample.alipay())]
    bench = Bench(tmp_path, internet, *found, caps=Caps(per_s=0.5))
    ask = wires.alipay_v3("query", {"out_trade_no": "o1"})
    bench.at_once(intent("a"), ask, intent("a"), intent("a"))
    assert internet.times == pytest.approx([0.0, 0.0, 2.0, 4.0])
    assert bench.meter.held_back == 2


def test_models_are_not_held_back(tmp_path: Path) -> None:
    internet = Internet(lambda _: answers.usage())
    bench = Bench(tmp_path, internet, sample.openai())
    bench.at_once(*(chat() for _ in range(30)))
    assert {*internet.times} == {0.0}


@pytest.mark.parametrize(
    "caps",
    [
        Caps(per_s=5.1),
        Caps(per_s=0),
        Caps(per_s=float("nan")),
        Caps(spend_usd=float("inf")),
        Caps(spend_usd=-1),
        Caps(orders=10**6),
        Caps(order_minor={"USD": 10**6}),
    ],
)
def test_no_cap_is_beyond_what_any_may_be(caps: Caps, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give"):
        Bench(tmp_path, Unreached(), sample.stripe(), caps=caps)


# Spend


def test_what_answers_cost_adds_up(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Internet(lambda _: answers.usage(1_000, 2_000)), sample.openai())
    bench.send(chat(max_tokens=100), chat(max_tokens=100))
    assert bench.meter.spent_usd == pytest.approx(2 * (1_000 * 0.2 + 2_000 * 1.25) / 1e6)
    assert bench.meter.set_aside_usd == 0.0


def test_a_call_that_could_pass_the_spend_cap_is_not_sent(tmp_path: Path) -> None:
    internet = Internet(lambda _: answers.usage(0, 1_000))
    bench = Bench(tmp_path, internet, sample.openai(), caps=Caps(spend_usd=0.0035))
    with pytest.raises(Unsafe, match="spend cap") as unsafe:
        bench.send(*(chat(max_tokens=1_000) for _ in range(10)))
    assert len(internet.sent) == 2
    assert bench.meter.spent_usd <= 0.0035
    assert "0.0025 are spent" in str(unsafe.value)


def test_calls_on_their_way_count_as_what_they_may_cost(tmp_path: Path) -> None:
    internet = Internet(lambda _: answers.usage(0, 1))
    internet.wait_s = 1.0
    bench = Bench(tmp_path, internet, sample.openai(), caps=Caps(spend_usd=0.0035))
    with pytest.raises(Unsafe, match="spend cap"):
        bench.at_once(*(chat(max_tokens=1_000) for _ in range(3)))
    assert len(internet.sent) == 2


@pytest.mark.parametrize(
    ("answer", "spent_usd"),
    [
        (httpx.Response(429, json={"error": {}}), 0.0),
        (httpx.Response(200, json={"choices": []}), 0.0008),
        (httpx.Response(200, content=b"\xff"), 0.0008),
    ],
)
def test_an_error_costs_nothing_and_an_answer_that_tells_nothing_all_that_it_may(
    answer: httpx.Response, spent_usd: float, tmp_path: Path
) -> None:
    bench = Bench(tmp_path, Internet(lambda _: answer), sample.openai())
    request = chat(max_tokens=600)
    bench.send(request)
    most = (len(request.content) * 0.2 + 600 * 1.25) / 1e6
    assert bench.meter.spent_usd == (pytest.approx(most) if spent_usd else 0.0)


def test_a_call_that_is_given_up_may_have_cost_all(tmp_path: Path) -> None:
    internet = Internet(lambda _: answers.usage())
    internet.wait_s = 100.0
    bench = Bench(tmp_path, internet, sample.openai())
    took = bench.send(chat())
    assert took[0].fault
    assert (bench.meter.spent_usd > 0, bench.meter.set_aside_usd) == (True, 0.0)


def test_a_model_without_a_price_is_not_asked(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Unreached(), sample.openai())
    with pytest.raises(Unsafe, match="price"):
        bench.send(chat(model="gpt-nobody-knows"))


# Live mode


CHARGE = {"object": "charge", "id": "ch_1"}
LIVE = [
    answers.intent(livemode=True),
    answers.intent(livemode="left out"),
    answers.intent(livemode=None),
    answers.intent(livemode="false"),
    answers.intent(livemode=0),
    answers.intent(latest_charge={**CHARGE, "livemode": True}),
    httpx.Response(200, json={"object": "search_result", "data": [{"id": PI}]}),
    httpx.Response(200, json={"object": "list", "data": [{"id": PI, "livemode": True}]}),
    httpx.Response(200, json={"object": "list"}),
    httpx.Response(402, json={"error": {**ERROR, "payment_intent": {"livemode": True}}}),
    httpx.Response(500, json={"livemode": True}),
    httpx.Response(200, content=b'{"id":"pi_1","livemode":true,"livemode":false}'),
    httpx.Response(200, content=b'{"id":"pi_1","livemode":false,"livemode" : true}'),
    httpx.Response(200, content=b'{"id":"pi_1","\\u006civemode":true}'),
    httpx.Response(200, content=b'{"id":"pi_1","livemode":true'),
    httpx.Response(200, content=b'{"\\u006civemode":true,"livemode":false}'),
    httpx.Response(200, content=b'{"livemod\\u0065":true,"livemode":false'),
    answers.intent(metadata={"livemode": [[{"livemode": None}]]}),
    answers.intent(latest_charge={"a": [[{"refunds": {"data": [{"livemode": True}]}}]]}),
]


@pytest.mark.parametrize("answer", LIVE)
def test_an_answer_of_live_mode_ends_the_run(answer: httpx.Response, tmp_path: Path) -> None:
    internet = Internet(lambda _: answer)
    bench = Bench(tmp_path, internet, sample.stripe(), sample.openai())
    with pytest.raises(Unsafe, match="Stripe"):
        bench.send(intent())
    for request in (intent("t1-o2"), chat(), stripe("GET", "/v1/payment_intents")):
        with pytest.raises(Unsafe, match="after an answer"):
            bench.send(request)
    assert len(internet.sent) == 1
    assert [entry.state for entry in bench.journal.open] == ["intended"]


def test_an_answer_that_nobody_can_look_at_ends_the_run_too(tmp_path: Path) -> None:
    def packed(request: httpx.Request) -> httpx.Response:
        body = gzip.compress(b'{"livemode":true}')
        response = httpx.Response(200, content=body)
        response.headers["content-encoding"] = "gzip"
        return response

    bench = Bench(tmp_path, Internet(packed), sample.stripe())
    with pytest.raises(Unsafe, match="compressed"):
        bench.send(intent())
    assert bench.meter.stopped


def test_what_waits_for_its_turn_is_not_sent_after_a_live_answer(tmp_path: Path) -> None:
    internet = Internet(lambda _: answers.intent(livemode=True))
    internet.wait_s = 0.1
    bench = Bench(tmp_path, internet, sample.stripe())

    async def main() -> list[Measured | BaseException]:
        calls = [measure(bench.safe, VirtualClock(), intent(f"o{n}"), 9.0) for n in range(8)]
        return await asyncio.gather(*calls, return_exceptions=True)

    assert all(isinstance(each, Unsafe) for each in run("virtual", main()))
    assert len(internet.sent) == 5  # As many as a second has.


TEST = [
    answers.intent(latest_charge={**CHARGE, "livemode": False}),
    httpx.Response(200, json={"object": "list", "data": []}),
    httpx.Response(200, json={"object": "search_result", "data": [{"livemode": False}]}),
    httpx.Response(200, json={"object": "refund", "id": "re_1", "charge": {"livemode": False}}),
    httpx.Response(200, json={"object": "list", "data": [{"object": "refund", "id": "re_1"}]}),
    httpx.Response(401, json={"error": ERROR}),
    httpx.Response(200, text="<html>"),
    httpx.Response(503),
]


@pytest.mark.parametrize("answer", TEST)
def test_an_answer_of_test_mode_or_of_none_does_not(answer: httpx.Response, tmp_path: Path) -> None:
    bench = Bench(tmp_path, Internet(lambda _: answer), sample.stripe())
    [took] = bench.send(stripe("GET", "/v1/payment_intents"))
    assert (took.status, bench.meter.stopped) == (answer.status_code, "")


# Other people's clients


def test_a_stream_goes_on_as_it_comes_and_is_settled_at_its_end(tmp_path: Path) -> None:
    lines = [
        "data: {}",
        'data: {"usage":{"prompt_tokens":7,"completion_tokens":9}}',
        "data: [DONE]",
    ]
    body = "\n\n".join(lines).encode()
    bench = Bench(tmp_path, Internet(lambda _: httpx.Response(200, content=body)), sample.openai())

    async def main() -> list[bytes]:
        async with httpx.AsyncClient(transport=bench.safe) as client:
            told = {name: chat().headers[name] for name in ("authorization", "content-type")}
            request = client.build_request("POST", chat().url, content=chat().content, headers=told)
            answer = await client.send(request, stream=True)
            chunks = [chunk async for chunk in answer.aiter_raw()]
            await answer.aclose()
            return chunks

    chunks = asyncio.run(main())
    assert (len(chunks), b"".join(chunks)) == (2, body)
    assert bench.meter.spent_usd == pytest.approx((7 * 0.2 + 9 * 1.25) / 1e6)


def test_a_stream_that_nobody_reads_to_its_end_may_have_cost_all(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Internet(lambda _: answers.usage(1, 1)), sample.openai())
    told: list[tuple[Measured, bool]] = []

    async def main() -> None:
        answer = await streamed(
            bench.safe, VirtualClock(), chat(), 5.0, lambda took, whole: told.append((took, whole))
        )
        await answer.aclose()

    run("virtual", main())
    assert [whole for _, whole in told] == [False]
    assert bench.meter.spent_usd > 100e-6
    assert bench.meter.set_aside_usd == 0.0


def test_a_live_answer_ends_the_run_of_such_a_client_too(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Internet(lambda _: answers.intent(livemode=True)), sample.stripe())

    async def main() -> None:
        async with httpx.AsyncClient(transport=bench.safe) as client:
            with pytest.raises(Unsafe):
                await client.send(intent())

    asyncio.run(main())
    assert bench.meter.stopped


def test_what_the_inner_transport_raises_is_the_inner_transports(tmp_path: Path) -> None:
    def reset(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("connection reset")

    bench = Bench(tmp_path, Internet(reset), sample.stripe(), sample.openai())
    took = bench.send(intent(), chat())
    assert [each.fault for each in took] == ["ReadError: connection reset"] * 2
    assert bench.meter.set_aside_usd == 0.0
    assert bench.states == {"t1-o1": ("intended", "")}
