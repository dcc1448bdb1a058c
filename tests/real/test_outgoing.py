"""What goes out is what was judged: no header, address or body is another by then, and no key is
where none belongs. Nothing opens a socket."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from harness.clock import VirtualClock, run
from harness.providers.lean import LeanHeaders, LeanRequest
from harness.providers.told import DrawKey, name_draw
from harness.real.credentials import Found
from harness.real.unsafe import Unsafe
from harness.transport import measure
from tests.real import answers, sample, wires
from tests.real.sample import Bench, Internet, Unreached
from tests.real.wires import chat, intent, stripe

Raw = tuple[bytes, bytes]


def _with(*more: Raw, made: Callable[[], httpx.Request] = intent) -> httpx.Request:
    """As somebody would make it who goes round httpx."""
    request = made()
    headers = LeanHeaders([*request.headers.raw, *more], "latin-1")
    return LeanRequest(request.method, request.url, headers, request.content)


SMUGGLED: list[tuple[Raw, ...]] = [
    ((b"X-HTTP-Method", b"DELETE"),),
    ((b"X-Original-URL", b"/v1/payouts"),),
    ((b"X-Rewrite-URL", b"/v1/payouts"),),
    ((b"Content-Encoding", b"gzip"),),
    ((b"Stripe-Account", b"acct_1"),),
    ((b"stripe-context", b"acct_1"),),
    ((b"Transfer-Encoding ", b"chunked"),),
    ((b"Transfer-Encoding: chunked\r\nX", b"y"),),
    ((b"transfer_encoding", b"chunked"),),
    ((b"Content-Length", b"5"),),
    ((b"Content-Length", b"+50"),),
    ((b"Host", b"api.stripe.com"),),
    ((b"Host ", b"evil.test"),),
    ((b"Authorization", f"Bearer {sample.STRIPE_KEY}".encode()),),
    ((b"Idempotency-Key", b"another"),),
    ((b"Content-Type", b"application/json"),),
    ((b"User-Agent", b"a\r\nStripe-Account: acct_1"),),
    ((b"User-Agent", b"a\nb"),),
    ((b"User-Agent", b"a\0b"),),
    ((b"User-Agent", b"\xff"),),
    ((b"User-Agent", b""),),
    ((b"", b"x"),),
    ((b"X-Portkey-Custom-Host", b"https://evil.test"),),
]


@pytest.mark.parametrize("more", SMUGGLED)
@pytest.mark.parametrize("made", [intent, chat])
def test_no_header_makes_another_request_of_it(
    more: tuple[Raw, ...], made: Callable[[], httpx.Request], tmp_path: Path
) -> None:
    if made is chat and more[0][0] == b"Idempotency-Key":
        return  # There it is the only one, and nothing is done twice.
    bench = Bench(tmp_path, Unreached(), sample.stripe(), sample.openai())
    with pytest.raises(Unsafe):
        bench.send(_with(*more, made=made))
    assert bench.journal.entries == {}
    assert bench.meter.requests == {}


def test_what_clients_tell_of_their_machine_stays_here(tmp_path: Path) -> None:
    internet = Internet(lambda _: httpx.Response(500))
    more = [(b"X-Stainless-OS", b"Linux"), (b"X-Stripe-Client-User-Agent", b"{}")]
    request = _with(*more)
    Bench(tmp_path, internet, sample.stripe()).send(request)
    assert not [name for name in internet.sent[0].headers if name.startswith("x-")]
    assert "x-stainless-os" in request.headers  # Whoever made it still has it as it was.


TYPES = [
    "",
    "application/json",
    "text/plain",
    "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded; charset=utf-7",
    "application/x-www-form-urlencoded; charset=utf-16",
    "application/x-www-form-urlencoded; charset=ibm037",
    "application/x-www-form-urlencoded, application/json",
]


@pytest.mark.parametrize("kind", TYPES)
def test_a_body_is_taken_for_nothing_else_than_it_was_judged_as(kind: str, tmp_path: Path) -> None:
    bench = Bench(tmp_path, Unreached(), sample.stripe(), *_signed(tmp_path))
    for request in (
        intent(),
        wires.alipay_v2("precreate", wires.order()),
        wires.alipay_v3("precreate", wires.order()),
        wires.native(),
        wires.unionpay(),
    ):
        if kind == "application/json" and "json" in request.headers["content-type"]:
            continue
        if kind:
            request.headers["content-type"] = kind
        else:
            del request.headers["content-type"]
        with pytest.raises(Unsafe):
            bench.send(request)
    assert bench.journal.entries == {}


def test_a_request_that_becomes_another_while_it_waits_is_sent_as_it_was(tmp_path: Path) -> None:
    internet = Internet(lambda _: httpx.Response(500))
    bench = Bench(tmp_path, internet, sample.stripe())
    requests = [intent(f"o{n}") for n in range(6)]

    async def change() -> None:
        await asyncio.sleep(0.5)  # The last waits for the rate.
        last = requests[-1]
        last.method, last.url = "POST", httpx.URL("https://evil.test/v1/payouts")
        last.headers["stripe-account"] = "acct_1"
        last.stream, last._content = httpx.ByteStream(b"amount=5000"), b"amount=5000"

    async def main() -> None:
        calls = [measure(bench.safe, VirtualClock(), each, 9.0) for each in requests]
        await asyncio.gather(change(), *calls)

    run("virtual", main())
    assert {str(each.url) for each in internet.sent} == {f"{wires.STRIPE}/v1/payment_intents"}
    assert all(b"amount=50&" in each.content for each in internet.sent)
    assert not any("stripe-account" in each.headers for each in internet.sent)


def test_what_is_sent_is_what_was_read_and_not_what_streams(tmp_path: Path) -> None:
    class Other(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"amount=5000&currency=usd"

    internet = Internet(lambda _: httpx.Response(500))
    request = intent()
    request.stream = Other()
    Bench(tmp_path, internet, sample.stripe()).send(request)
    assert b"".join(internet.sent[0].stream) == intent().content  # type: ignore[arg-type]  # bytes


def test_a_body_that_streams_is_judged_whole(tmp_path: Path) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"amount=50"
        yield b"00&currency=usd&metadata[order_no]=o1"

    told = {"authorization": f"Bearer {sample.STRIPE_KEY}", "idempotency-key": "k"}
    headers = {**told, "content-type": "application/x-www-form-urlencoded"}
    url = f"{wires.STRIPE}/v1/payment_intents"
    request = httpx.Request("POST", url, headers=headers, content=body())
    with pytest.raises(Unsafe, match="5000"):
        Bench(tmp_path, Unreached(), sample.stripe()).send(request)


# Keys, and what is ours


def test_a_provider_is_sent_nothing_of_ours(tmp_path: Path) -> None:
    internet = Internet(lambda _: answers.intent())
    request = intent()
    name_draw(request, DrawKey(1, 2, 3, "pay", 1))
    ours = {
        "traceparent": "00-0000000000000001-1-00",
        "x-tollbench-draw": "1.2.3.pay.1",
        "cookie": "a=b",
        "x-http-method-override": "DELETE",
        "accept-encoding": "gzip",
    }
    request.headers.update(ours)
    request.headers = httpx.Headers([*request.headers.raw, (b"Cookie", b"c=d")])
    Bench(tmp_path, internet, sample.stripe()).send(request)
    headers = internet.sent[0].headers
    assert not {*ours} - {"accept-encoding"} & {*headers}
    assert headers["accept-encoding"] == "identity"
    assert "tollbench" not in str(internet.sent[0].extensions)


def test_nothing_is_smuggled_behind_a_body(tmp_path: Path) -> None:
    internet = Internet(lambda _: answers.intent())
    bench = Bench(tmp_path, internet, sample.stripe())
    request = intent()
    request.headers["content-length"] = "4"
    with pytest.raises(Unsafe, match="Content-Length"):
        bench.send(request)
    request = intent()
    del request.headers["content-length"]
    request.headers["transfer-encoding"] = "gzip, chunked"
    bench.send(request)
    headers = internet.sent[0].headers
    assert "transfer-encoding" not in headers
    assert headers["content-length"] == str(len(request.content))


def test_no_prompt_holds_a_key_and_no_provider_gets_anothers(tmp_path: Path) -> None:
    wechat = sample.found("wechatpay", sample.wechatpay())
    bench = Bench(tmp_path, Unreached(), sample.openai(), sample.stripe(), wechat)
    own, other = chat(prompt=f"my key is {sample.OPENAI_KEY}"), chat(prompt=sample.STRIPE_KEY)
    pem, header = chat(prompt=sample.private_pem()), chat()
    header.headers["user-agent"] = sample.STRIPE_KEY
    in_query = wires.stripe("GET", f"/v1/payment_intents/search?query={sample.OPENAI_KEY}")
    as_form = intent(description=sample.private_pem())
    # Which would be in the journal too.
    in_key = stripe("POST", "/v1/payment_intents", "amount=50&currency=usd", sample.STRIPE_KEY)
    prompt = chat(prompt="KEY").content.replace(
        b"KEY", rb"\u0073k" + sample.OPENAI_KEY[2:].encode()
    )
    escaped = wires.openai(prompt)
    for request in (own, other, pem, header, in_query, as_form, in_key, escaped):
        with pytest.raises(Unsafe, match="key where none belongs"):
            bench.send(request)


def test_two_providers_at_one_host_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    internet = Internet(lambda _: httpx.Response(500))
    found = [sample.found(name, sample.alipay()) for name in ("alipay-ai", "alipay-v3")]
    bench = Bench(tmp_path, internet, *found)
    bench.send(wires.alipay_v3("query", {"out_trade_no": "o1"}))
    bench.send(wires.alipay_v2("query", {"out_trade_no": "o1"}))
    assert bench.meter.requests == {"alipay-ai": 1, "alipay-v3": 1}


def test_two_keys_at_one_gateway_are_told_apart(tmp_path: Path) -> None:
    internet = Internet(lambda _: answers.usage())
    environ = {**sample.MODELS, "OPENAI_BASE_URL": "http://127.0.0.1:4000/v1"}
    found = [sample.found(name, environ) for name in ("openai", "litellm")]
    bench = Bench(tmp_path, internet, *found)
    base = "http://127.0.0.1:4000"
    bench.send(chat(base=base), chat(base=base, key=sample.MODELS["LITELLM_PROXY_API_KEY"]))
    assert bench.meter.requests == {"openai": 1, "litellm": 1}


def _signed(folder: Path) -> list[Found]:
    several = {
        "alipay-ai": sample.alipay(),
        "alipay-v3": sample.alipay(),
        "wechatpay": sample.wechatpay(),
        "unionpay": sample.unionpay(folder),
    }
    return [sample.found(name, environ) for name, environ in several.items()]
