"""What passes the recording proxy arrives as it was sent, at once, and leaves no secret behind."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from harness.calibrate.carrier import Carrier
from harness.calibrate.exchange import STAGE_HEADER
from harness.calibrate.proxy import Proxy
from harness.calibrate.recorder import Recorder
from harness.clock import run
from harness.providers.told import DRAW_HEADER
from mocks.asgi import Application, Message, Receive, Send
from tests.calibrate.passing import Asked, Passing, answering, passing, read, say

pytestmark = pytest.mark.socket

CHAT = b'{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}'
REPLY = b'{"model":"gpt-4o-2024","usage":{"prompt_tokens":9,"completion_tokens":4}}'
JSON = ("content-type", "application/json")
SSE = ("content-type", "text/event-stream")


def _replying(asked: list[Asked], status: int = 200, body: bytes = REPLY) -> Application:
    async def answer(request: Asked, send: Send) -> None:
        await say(send, status, b"" if request.method == "HEAD" else body, JSON)

    return answering(asked, answer)


def test_a_request_arrives_as_it_was_sent(tmp_path: Path) -> None:
    asked: list[Asked] = []
    packed = gzip.compress(CHAT)

    async def play(here: Passing) -> None:
        await here.client.post(
            f"{here.url}/v1/chat%2Fx?a=%20b&a=c",
            content=packed,
            headers={"content-encoding": "gzip", "authorization": "Bearer k", "x-own": "1, 2"},
        )

    here = passing(tmp_path, _replying(asked), play)
    (request,) = asked
    assert (request.method, request.target) == ("POST", "/v1/chat%2Fx?a=%20b&a=c")
    assert request.body == packed
    assert request.header("authorization") == "Bearer k" and request.header("x-own") == "1, 2"
    assert request.header("host") == here.upstream.removeprefix("http://")
    assert request.header("user-agent").startswith("python-httpx")
    names = [name for name, _ in request.headers]
    assert len(names) == len(set(names))  # nothing is there twice, nor added
    assert set(names) <= {
        "host", "accept", "accept-encoding", "user-agent", "content-encoding", "content-length",
        "authorization", "x-own",
    }  # fmt: skip


def test_a_path_is_asked_for_as_it_was_written(tmp_path: Path) -> None:
    odd = ["/./a/../b//c", "/a|{b}%7e%2F\"<>^`?x=[1]&y=%zz|{}'?z", "?q", "/a;b=c,d@e:f!$&'()*+"]
    asked: list[Asked] = []

    async def play(here: Passing) -> None:
        async with Carrier() as carrier:
            proxy = Proxy({"there": f"{here.upstream}/base"}, carrier, here.recorder)
            for target in odd:
                status, _ = await _asked(proxy, f"/there{target}", (b"x-own", "é".encode()))
                assert status == 200

    passing(tmp_path, _replying(asked), play)
    assert [request.target for request in asked] == [f"/base{target}" for target in odd]
    assert {request.header("x-own") for request in asked} == {"é"}


def test_an_answer_arrives_as_it_was_given(tmp_path: Path) -> None:
    packed = gzip.compress(REPLY)

    async def answer(request: Asked, send: Send) -> None:
        cookies = [("set-cookie", "a=1"), ("set-cookie", "b=2")]
        hop = [("connection", "x-hop, close"), ("x-hop", "1"), ("keep-alive", "timeout=5")]
        await say(send, 201, packed, JSON, ("content-encoding", "gzip"), *cookies, *hop)

    async def play(here: Passing) -> None:
        got = await here.client.get(here.url)
        assert got.status_code == 201 and got.content == REPLY
        assert got.headers.get_list("set-cookie") == ["a=1", "b=2"]
        assert set(got.headers) == {
            "content-type", "content-encoding", "set-cookie", "content-length",
        }  # fmt: skip
        (line,) = await here.recorded()
        assert (line.response_bytes, line.completion_tokens) == (len(packed), 4)

    passing(tmp_path, answering([], answer), play)


def test_every_status_passes_to_the_client(tmp_path: Path) -> None:
    statuses = [302, 204, 304, 401, 429, 500]

    async def answer(request: Asked, send: Send) -> None:
        status = int(request.target[1:])
        body = b"" if status in (204, 304) else b"no"
        await say(send, status, body, ("location", "/elsewhere"), length=status not in (204, 304))

    async def play(here: Passing) -> None:
        for status in statuses:
            got = await here.client.post(f"{here.url}/{status}", content=b"x")
            assert (got.status_code, got.headers["location"]) == (status, "/elsewhere")
        lines = await here.recorded(len(statuses))
        assert [line.status for line in lines] == statuses
        assert all(line.whole and not line.fault for line in lines)

    passing(tmp_path, answering([], answer), play)


def test_every_method_passes_and_keeps_the_connection(tmp_path: Path) -> None:
    asked: list[Asked] = []
    methods = ["HEAD", "OPTIONS", "GET", "DELETE", "PUT", "PATCH", "POST"]

    async def play(here: Passing) -> None:
        for method in methods:
            got = await here.client.request(method, f"{here.url}/v1/models")
            assert got.status_code == 200
            assert got.headers["content-length"] == ("0" if method == "HEAD" else str(len(REPLY)))
        first, *later = lines = await here.recorded(len(methods))
        assert [line.method for line in lines] == methods
        assert {(line.path, line.stage) for line in lines} == {("/v1/models", "models")}
        assert first.fresh and not any(line.fresh for line in later)
        assert first.tcp_s is not None and {line.tcp_s for line in later} == {None}

    passing(tmp_path, _replying(asked), play)
    assert [request.method for request in asked] == methods


def test_each_piece_of_an_answer_is_there_before_the_next_is_sent(tmp_path: Path) -> None:
    taken = [asyncio.Event() for _ in range(3)]

    async def upstream(scope: Message, receive: Receive, send: Send) -> None:
        await read(scope, receive)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type",
                   b"text/event-stream")]})  # fmt: skip
        await send({"type": "http.response.body", "body": b": wait\n\n", "more_body": True})
        for n, event in enumerate(taken):
            await event.wait()
            more = n < len(taken) - 1
            body = b'data: {"n":%d}\n\n' % n
            await send({"type": "http.response.body", "body": body, "more_body": more})

    async def play(here: Passing) -> None:
        got = []
        async with here.client.stream("POST", here.url, content=CHAT) as answer:
            events = iter(taken)
            async for piece in answer.aiter_raw():
                got.append(piece)
                next(events, asyncio.Event()).set()
        assert got == [b": wait\n\n", *(b'data: {"n":%d}\n\n' % n for n in range(3))]
        (line,) = await here.recorded()
        assert line.streamed and [size for _, size in line.pieces] == [8, 15, 15, 15]
        times = [at for at, _ in line.pieces]
        assert times == sorted(times)
        assert line.first_byte_s == times[0] and times[0] < (line.first_token_s or 0.0)
        assert times[1] <= (line.first_token_s or 0.0) <= line.total_s

    passing(tmp_path, upstream, play)


def test_each_piece_of_an_upload_is_there_before_the_next_is_sent(tmp_path: Path) -> None:
    there = asyncio.Event()
    pieces: list[bytes] = []

    async def upstream(scope: Message, receive: Receive, send: Send) -> None:
        more = True
        while more:
            message = await receive()
            pieces.append(message.get("body", b""))
            more = message.get("more_body", False)
            there.set()
        await say(send, 200, b"".join(pieces))

    async def play(here: Passing) -> None:
        async def body() -> AsyncIterator[bytes]:
            yield b"one"
            await there.wait()
            yield b"two"

        got = await here.client.post(here.url, content=body())
        assert got.content == b"onetwo"
        (line,) = await here.recorded()
        assert line.request_bytes == 6

    passing(tmp_path, upstream, play)


def test_large_bodies_pass_both_ways(tmp_path: Path) -> None:
    up, down = b"u" * 3_000_000, b"d" * 12_000_000

    async def answer(request: Asked, send: Send) -> None:
        assert request.body == up and request.header("content-length") == str(len(up))
        await say(send, 200, down)

    async def play(here: Passing) -> None:
        got = await here.client.post(here.url, content=up)
        assert got.content == down
        (line,) = await here.recorded()
        assert (line.request_bytes, line.response_bytes) == (len(up), len(down))

    passing(tmp_path, answering([], answer), play)


def test_a_client_that_expects_100_continue_gets_it(tmp_path: Path) -> None:
    asked: list[Asked] = []

    async def play(here: Passing) -> None:
        url = httpx.URL(here.url)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        head = b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n"
        writer.write(head % url.raw_path)
        assert (await reader.readline()).startswith(b"HTTP/1.1 100")
        assert await reader.readline() == b"\r\n"
        writer.write(b"body")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()
        await here.recorded()

    passing(tmp_path, _replying(asked), play)
    assert (asked[0].body, asked[0].header("expect")) == (b"body", "")


def test_a_client_that_leaves_takes_the_upstream_call_with_it(tmp_path: Path) -> None:
    left = asyncio.Event()

    async def upstream(scope: Message, receive: Receive, send: Send) -> None:
        await read(scope, receive)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        assert (await receive())["type"] == "http.disconnect"
        left.set()

    async def play(here: Passing) -> None:
        async with here.client.stream("GET", here.url) as answer:
            await anext(answer.aiter_raw())
        await asyncio.wait_for(left.wait(), 10.0)
        (line,) = await here.recorded()
        assert (line.whole, line.fault, line.status, line.response_bytes) == (False, "", 200, 9)
        assert here.recorder.unfinished == 1

    passing(tmp_path, upstream, play)


def test_a_client_that_leaves_before_the_head_takes_the_call_with_it_too(tmp_path: Path) -> None:
    came, left = asyncio.Event(), asyncio.Event()

    async def upstream(scope: Message, receive: Receive, send: Send) -> None:
        await read(scope, receive)
        came.set()
        assert (await receive())["type"] == "http.disconnect"
        left.set()

    async def play(here: Passing) -> None:
        call = asyncio.create_task(here.client.get(here.url))
        await came.wait()
        call.cancel()
        await asyncio.wait_for(left.wait(), 10.0)
        (line,) = await here.recorded()
        assert (line.whole, line.fault, line.status) == (False, "", 0)
        await asyncio.wait([call])

    passing(tmp_path, upstream, play)


def test_a_call_that_is_under_way_when_recording_ends_is_written_too(tmp_path: Path) -> None:
    async def upstream(scope: Message, receive: Receive, send: Send) -> None:
        await read(scope, receive)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        await receive()

    async def play(here: Passing) -> None:
        sent = asyncio.Event()
        async with Carrier() as carrier:
            proxy = Proxy({"there": here.upstream}, carrier, here.recorder)
            call = asyncio.create_task(_asked(proxy, "/there", first=sent))
            await sent.wait()
            call.cancel()
            await asyncio.wait([call])
        (line,) = here.exchanges
        assert (line.whole, line.status, line.response_bytes) == (False, 200, 9)

    passing(tmp_path, upstream, play)


def test_an_upstream_that_is_not_there_is_a_502_of_one_line(tmp_path: Path) -> None:
    async def play(here: Passing) -> None:
        async with Carrier() as carrier:
            proxy = Proxy({"gone": "http://127.0.0.1:1"}, carrier, here.recorder)
            got = await _asked(proxy, "/gone/v1/models")
        assert got[0] == 502 and got[1].count(b"\n") == 1
        (line,) = await here.recorded()
        assert (line.fault, line.status, line.whole) == ("connection refused", 0, True)
        assert (line.first_byte_s, line.first_token_s) == (None, None)

    passing(tmp_path, _replying([]), play)


def test_an_upstream_that_never_answers_is_a_504(tmp_path: Path) -> None:
    async def upstream(scope: Message, receive: Receive, send: Send) -> None:
        await read(scope, receive)
        assert (await receive())["type"] == "http.disconnect"

    async def play(here: Passing) -> None:
        got = await here.client.get(here.url)
        assert got.status_code == 504 and got.text.count("\n") == 1
        (line,) = await here.recorded()
        assert line.fault and line.status == 0

    passing(tmp_path, upstream, play, read_s=0.05)


def test_an_answer_that_breaks_off_breaks_off_for_the_client(tmp_path: Path) -> None:
    async def upstream(scope: Message, receive: Receive, send: Send) -> None:
        await read(scope, receive)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        # It returns without an end, upon which the server cuts the connection.

    async def play(here: Passing) -> None:
        with pytest.raises(httpx.RemoteProtocolError):
            await here.client.get(here.url)
        (line,) = await here.recorded()
        assert line.fault and line.status == 200 and line.response_bytes == 4
        assert line.first_byte_s is not None and line.first_token_s is None
        assert here.recorder.failed == 1

    passing(tmp_path, upstream, play)


SECRETS = (
    "sk-abc123def456ghi",
    "cookie-value-77",
    "query-key-abcdef",
    "body-key-xyz-1",
    "hunter22",
)


@pytest.mark.parametrize("bodies", [False, True])
def test_no_key_is_ever_written(tmp_path: Path, bodies: bool) -> None:
    key, cookie, query, api, password = SECRETS

    async def answer(request: Asked, send: Send) -> None:
        assert request.header("authorization") == f"Bearer {key}"  # They do pass.
        told = b'{"echo":"%b","api_key":"%b","card":"4242 4242 4242 4242"}'
        body = told % (key.encode(), api.encode())
        await say(send, 200, body, JSON, ("set-cookie", f"session={cookie}; Path=/"))

    async def play(here: Passing) -> None:
        sent = {"password": password, "said": f"{cookie} and 5555555555554444", "q": query}
        headers = {"authorization": f"Bearer {key}", "x-api-key": api, "cookie": f"s={cookie}"}
        await here.client.post(f"{here.url}/v1/u/{key}?key={query}", json=sent, headers=headers)
        await here.recorded()

    text = passing(tmp_path, answering([], answer), play, bodies=bodies).file.read_text()
    assert not [secret for secret in SECRETS if secret in text]
    assert "4242" not in text and "5555" not in text
    assert '"path":"/v1/u/{id}"' in text
    assert ("request_body" in text) == bodies


def test_our_own_headers_stay_here_or_go_to_mocks_only(tmp_path: Path) -> None:
    asked: list[Asked] = []

    async def play(here: Passing) -> None:
        own = {STAGE_HEADER: "intent", DRAW_HEADER: "0.0.0.pay.1"}
        await here.client.get(here.url, headers=own)
        await here.client.get(here.url, headers={DRAW_HEADER: "0.0.0.pay.1"})
        first, second = await here.recorded(2)
        assert (first.stage, second.stage) == ("intent", "pay")

    passing(tmp_path, _replying(asked), play)
    assert [request.header(STAGE_HEADER) for request in asked] == ["", ""]
    assert asked[1].header(DRAW_HEADER) == "0.0.0.pay.1"  # A mock on this machine may have it.


def test_nothing_of_ours_is_sent_to_a_provider(tmp_path: Path) -> None:
    sent: list[httpx.Request] = []

    def provider(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={})

    async def main() -> None:
        with Recorder(tmp_path / "calls.jsonl") as recorder:
            upstreams = {"openai": "https://api.openai.com"}
            proxy = Proxy(upstreams, httpx.MockTransport(provider), recorder)
            own = [(b"x-tollbench-draw", b"0.0.0.pay.1"), (b"x-tollbench-stage", b"pay")]
            got = await _asked(proxy, "/openai/v1/models", *own, (b"authorization", b"Bearer k"))
            assert got[0] == 200

    run("real", main())
    assert str(sent[0].url) == "https://api.openai.com/v1/models"
    assert dict(sent[0].headers) == {"host": "api.openai.com", "authorization": "Bearer k"}


@pytest.mark.parametrize("target", ["/", "/nobody/v1", "*", "//there", "/THERE/v1"])
def test_a_path_of_no_upstream_is_told_so_and_not_recorded(tmp_path: Path, target: str) -> None:
    async def play(here: Passing) -> None:
        proxy = Proxy({"there": here.upstream}, Carrier(), here.recorder)
        status, body = await _asked(proxy, target)
        assert status == 404 and b"begin a path with one of there" in body

    assert passing(tmp_path, _replying([]), play).exchanges == []


def test_of_calls_that_come_at_once_none_waits_for_what_the_others_begin_with(
    tmp_path: Path,
) -> None:
    seen: list[str] = []

    def provider(request: httpx.Request) -> httpx.Response:
        seen.append(f"{request.url.path} sent")
        return httpx.Response(200)

    async def main() -> None:
        with Recorder(tmp_path / "calls.jsonl") as recorder:
            proxy = Proxy({"there": "http://127.0.0.1:1"}, httpx.MockTransport(provider), recorder)

            async def call(path: str) -> None:
                seen.append(f"{path} came")
                await _asked(proxy, f"/there{path}")

            await asyncio.gather(*(call(path) for path in ("/a", "/b")))

    run("real", main())
    assert seen == ["/a came", "/a sent", "/b came", "/b sent"]


def test_the_time_added_here_is_told_apart(tmp_path: Path) -> None:
    async def play(here: Passing) -> None:
        for _ in range(3):
            await here.client.post(here.url, content=CHAT)
        lines = await here.recorded(3)
        assert [line.proxy_ms for line in lines] == list(here.recorder.added_ms)
        assert all((line.proxy_ms or 0.0) > 0 for line in lines)

    passing(tmp_path, _replying([]), play)


async def _asked(
    proxy: Proxy, target: str, *headers: tuple[bytes, bytes], first: asyncio.Event | None = None
) -> tuple[int, bytes]:
    """Of the application itself, by a client that stays; `first` is set when it has a piece."""
    messages: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]
    sent: list[Message] = []

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)
        if first is not None and message.get("body"):
            first.set()

    path, _, query = target.partition("?")
    scope = {
        "type": "http", "method": "GET", "raw_path": path.encode(), "query_string": query.encode(),
        "headers": list(headers),
    }  # fmt: skip
    await proxy(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], body
