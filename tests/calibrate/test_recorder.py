"""A recording takes exchanges down as they end, and its own transport times them exactly."""

import asyncio
import errno
import io
import os
import resource
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

import httpx
import msgspec
import pytest

from harness.calibrate import BadRecording, Recorder, RecordingTransport
from harness.calibrate.exchange import (
    STAGE_HEADER,
    VERSION,
    Exchange,
    decode_exchange,
    is_head,
    shown_path,
    stage_told,
)
from harness.calibrate.recorder import written_time
from harness.calibrate.taking import MOST_BEHIND, SENT, Taking
from harness.clock import VirtualClock, run
from harness.providers.told import DrawKey, name_draw
from harness.transport import NO_HEADERS, Measured
from tests.test_transport import Broken, Handler, Slow

CALLED = Exchange(
    started_at="2026-11-27T12:00:00.000Z", provider="openai", host="h", method="POST", path="/v1",
    stage="intent",
)  # fmt: skip
Read = Callable[[httpx.Response], Awaitable[None]]
SSE = {"content-type": "text/event-stream"}


def _lines(path: Path) -> list[Exchange]:
    told = [decode_exchange(line) for line in path.read_bytes().splitlines() if not is_head(line)]
    return [exchange for exchange in told if exchange]


def test_each_exchange_is_in_the_file_as_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    with Recorder(path, upstreams={"openai": "api.openai.com"}) as recorder:
        recorder.take(CALLED)
        head, line = path.read_bytes().splitlines()
        assert decode_exchange(line) == CALLED
    told = msgspec.json.decode(head)
    assert told["tollbench_recording"] == VERSION
    assert told["upstreams"] == {"openai": "api.openai.com"}


def test_a_recording_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    for _ in range(2):
        with Recorder(path) as recorder:
            recorder.take(CALLED)
    assert _lines(path) == [CALLED, CALLED]
    assert [is_head(line) for line in path.read_bytes().splitlines()] == [True, False] * 2


def test_a_line_that_was_cut_off_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    with Recorder(path) as recorder:
        recorder.take(CALLED)
    path.write_bytes(path.read_bytes()[:-20])
    with Recorder(path) as recorder:
        recorder.take(CALLED)
    assert _lines(path) == [CALLED]


NO_RECORDING = [
    b"stage,total_ms\n",
    b'{"log":{}}\n',
    b"\n",
    b'{"tollbench_recording":999,"more":1}\n',
    b'{"tollbench_recording":"x"}\n',
    b'{"tollbench_recording":1',
    b"\xff\xfe",
]


@pytest.mark.parametrize("content", NO_RECORDING)
def test_a_file_that_is_no_recording_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.csv"
    path.write_bytes(content)
    with pytest.raises(BadRecording) as error:
        Recorder(path)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)
    assert path.read_bytes() == content


def test_a_file_that_takes_no_more_stops_no_call(tmp_path: Path) -> None:
    with Recorder(tmp_path / "calls.jsonl") as recorder, open("/dev/full", "ab", 0) as full:
        assert recorder._file is not None
        recorder._file.close()
        recorder._file = full
        recorder.take(CALLED)
        assert recorder.counts == {"openai": 1} and recorder.lost == "No space left on device"


class Full(io.RawIOBase):
    """A disk that takes so many bytes more, and then none until it is made room on."""

    def __init__(self, room: int) -> None:
        self.room, self.written = room, b""

    def write(self, line: Any) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        part = bytes(line[: self.room])
        self.room -= len(part)
        self.written += part
        return len(part)


def test_a_line_that_had_no_room_does_not_spoil_the_next(tmp_path: Path) -> None:
    with Recorder(tmp_path / "calls.jsonl") as recorder:
        assert recorder._file is not None
        recorder._file.close()
        full = Full(20)
        recorder._file = cast(BinaryIO, full)
        recorder.take(CALLED)
        assert recorder.lost == "No space left on device"
        full.room = 10_000
        recorder.take(CALLED)
        recorder.take(CALLED)
    cut, *whole = full.written.splitlines()
    assert decode_exchange(cut) is None
    assert [decode_exchange(line) for line in whole] == [CALLED, CALLED]


def test_a_file_that_takes_nothing_is_told_at_once_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            Recorder(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == b""


PATHS = [
    ("/v1/chat/completions", "/v1/chat/completions"),
    ("/v1beta/models/gemini-1.5-pro:streamGenerateContent?key=x",
     "/v1beta/models/{id}:streamGenerateContent"),
    ("/v1/payment_intents/pi_3Abc/confirm", "/v1/payment_intents/{id}/confirm"),
    ("/v3/pay/transactions/out-trade-no/20261127", "/v3/pay/transactions/out-trade-no/{id}"),
    ("/gateway.do", "/gateway.do"),
    ("/u/ann%40example.com/sk-live-1/ABCDEF", "/u/{id}/{id}/{id}"),
    ("/" + "q" * 40, "/{id}"),
    ("/a?b=/c", "/a"),
    ("/", "/"),
    ("", ""),
]  # fmt: skip


@pytest.mark.parametrize(("path", "shown"), PATHS)
def test_of_a_path_words_and_versions_stay(path: str, shown: str) -> None:
    assert shown_path(path) == shown


def test_a_stage_is_plain_text_of_some_length() -> None:
    assert [stage_told(text) for text in (" a b ", "x" * 81, "é", "a\nb", "")] == ["a b"] + [""] * 4


def test_times_are_written_as_utc() -> None:
    assert written_time(1_795_814_766.5) == "2026-11-27T21:26:06.500000Z"


def test_a_call_is_timed_exactly_below_its_client(tmp_path: Path) -> None:
    usage = b'data: {"usage":{"completion_tokens":5}}\n\n'
    body = Slow((1.0, b": wait\n\n"), (0.5, usage), (2.0, b"data: [DONE]\n\n"))

    async def handler(request: httpx.Request) -> httpx.Response:
        assert STAGE_HEADER not in request.headers
        await asyncio.sleep(0.25)
        return httpx.Response(200, headers=SSE, stream=body)

    (told,) = _recorded(tmp_path, handler, slow_reader_s=10.0)
    assert (told.first_byte_s, told.first_token_s, told.total_s) == (1.25, 1.75, 3.75)
    assert told.pieces == [(1.25, 8), (1.75, 41), (3.75, 14)]
    assert (told.provider, told.host, told.stage) == ("openai", "api.openai.com", "confirm")
    assert (told.model, told.completion_tokens, told.streamed) == ("gpt-4o", 5, True)
    assert told.path == "/v1/chat/completions" and told.fresh is None and told.whole


def test_times_count_from_when_a_transport_says_that_it_has_sent(tmp_path: Path) -> None:
    async def handler(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(1.0)
        body = Slow((1.0, b"data: 1\n\n"), (1.0, b"data: 2\n\n"))
        return httpx.Response(200, headers=SSE, stream=body, extensions={SENT: 0.25})

    (told,) = _recorded(tmp_path, handler)
    assert (told.first_byte_s, told.first_token_s, told.total_s) == (1.75, 1.75, 2.75)
    assert told.pieces == [(1.75, 9), (2.75, 9)]


def test_an_answer_that_is_there_at_once_is_timed_and_read(tmp_path: Path) -> None:
    async def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"usage": {"prompt_tokens": 2, "completion_tokens": 3}})

    (told,) = _recorded(tmp_path, handler)
    assert (told.first_byte_s, told.total_s, told.completion_tokens) == (0.0, 0.0, 3)
    assert told.response_shape == msgspec.Raw(
        b'{"usage":{"prompt_tokens":"integer","completion_tokens":"integer"}}'
    )


def test_a_call_that_fails_says_why_and_how_far_it_came(tmp_path: Path) -> None:
    async def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers=SSE, stream=Broken((1.0, b"data: 1\n\n")))

    with pytest.raises(httpx.ReadError):
        _recorded(tmp_path, handler)
    (told,) = _lines(tmp_path / "calls.jsonl")
    assert (told.fault, told.first_byte_s, told.first_token_s) == ("connection reset", 1.0, None)


def test_a_call_that_its_client_closes_is_told_as_unfinished(tmp_path: Path) -> None:
    async def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers=SSE, stream=Slow((1.0, b"data: 1\n\n"), (9.0, b"x")))

    async def read_one(answer: httpx.Response) -> None:
        await anext(answer.aiter_raw())

    (told,) = _recorded(tmp_path, handler, read=read_one)
    assert (told.whole, told.fault, told.total_s) == (False, "", 1.0)


def test_what_is_no_word_of_a_path_is_no_stage_either(tmp_path: Path) -> None:
    key = "q" * 30

    async def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200)

    _recorded(tmp_path, handler, path=f"/v1/u/{key}", stage="")
    assert key not in (tmp_path / "calls.jsonl").read_text()


def test_a_call_that_is_sent_on_keeps_its_stage(tmp_path: Path) -> None:
    async def handler(request: httpx.Request) -> httpx.Response:
        assert STAGE_HEADER not in request.headers
        if request.url.path == "/there":
            return httpx.Response(200)
        return httpx.Response(307, headers={"location": "/there"})

    here, there = _recorded(tmp_path, handler)
    assert (here.stage, there.stage) == ("confirm", "confirm")
    assert (here.path, there.path) == ("/v1/chat/completions", "/there")


def test_a_call_of_ours_has_the_stage_of_its_draw(tmp_path: Path) -> None:
    async def main() -> None:
        with Recorder(tmp_path / "calls.jsonl", clock=VirtualClock()) as recorder:
            inner = httpx.MockTransport(lambda request: httpx.Response(200))
            request = httpx.Request("POST", "http://127.0.0.1:1/stripe/v1/refunds")
            name_draw(request, DrawKey(0, 0, 0, "reverse", 1))
            answer = await RecordingTransport(inner, recorder).handle_async_request(request)
            assert isinstance(answer.stream, httpx.AsyncByteStream)
            assert [piece async for piece in answer.stream] == []

    run("virtual", main())
    (told,) = _lines(tmp_path / "calls.jsonl")
    assert (told.stage, told.provider, told.first_byte_s) == ("reverse", "stripe", None)


def test_a_client_that_falls_too_far_behind_holds_the_reading_up_and_is_told(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        clock = VirtualClock()
        with Recorder(tmp_path / "calls.jsonl", clock=clock) as recorder:
            request = httpx.Request("GET", "http://127.0.0.1:1/x")
            taking = Taking(recorder, request, "there", "", proxied=True)
            await taking.room_for(MOST_BEHIND + 1)
            waiting = asyncio.create_task(taking.room_for(1))
            await asyncio.sleep(2.0)
            assert not waiting.done()
            taking.handed_on(1)
            await waiting
            taking.tell(Measured(0.0, 0.0, 0.0, 2.5, 200, NO_HEADERS, b""), True)
            assert recorder.counts.total() == 0  # It is not over before the client has it all.
            taking.finish()

    run("virtual", main())
    (told,) = _lines(tmp_path / "calls.jsonl")
    assert told.held_s == 2.0


async def _read_all(answer: httpx.Response) -> None:
    await answer.aread()


def _recorded(
    tmp_path: Path,
    handler: Handler,
    read: Read = _read_all,
    slow_reader_s: float = 0.0,
    path: str = "/v1/chat/completions",
    stage: str = "confirm",
) -> list[Exchange]:
    """One chat by httpx's own client on the virtual clock, whose reader sleeps first."""
    file = tmp_path / "calls.jsonl"

    async def main() -> None:
        with Recorder(file, clock=VirtualClock()) as recorder:
            transport = RecordingTransport(httpx.MockTransport(handler), recorder)
            url, own = f"https://api.openai.com{path}", {STAGE_HEADER: stage}
            async with (
                httpx.AsyncClient(
                    transport=transport, timeout=60.0, follow_redirects=True
                ) as client,
                client.stream("POST", url, json={"model": "gpt-4o"}, headers=own) as answer,
            ):
                await asyncio.sleep(slow_reader_s)
                await read(answer)

    run("virtual", main())
    return _lines(file)
