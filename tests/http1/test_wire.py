"""HTTP/1.1 as a client writes and reads it, without a socket: foreign bytes, cut anywhere."""

import asyncio
import gc
import itertools
import weakref
from collections.abc import AsyncIterator, Iterable, Sequence

import h11
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.http1.wire import MOST_BODY, MOST_HEAD, TOO_LARGE, Incoming, encode_request

OK = b"HTTP/1.1 200 OK\r\n"
HI = OK + b"Content-Length: 2\r\n\r\nhi"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def _heard(pieces: Iterable[bytes], *, then_ends: bool = False) -> Incoming:
    """Pieces come at 1, 2, 3...; the connection may end in an orderly way after the last."""
    ticks = itertools.count(1.0)
    answer = Incoming(lambda: next(ticks))
    for piece in pieces:
        if not answer.over:
            answer.feed(piece)
    if then_ends and not answer.over:
        answer.cut_off(None)
    return answer


def _bytes(raw: bytes) -> list[bytes]:
    return [raw[n : n + 1] for n in range(len(raw))]


def _said(answer: Incoming) -> tuple[int, list[tuple[bytes, bytes]], bytes, str]:
    """All but the times."""
    body = b"".join(answer.chunks)
    return answer.status, answer.headers, body, repr(answer.error) if answer.error else ""


WHOLE: dict[str, tuple[bytes, int, bytes]] = {
    "a length": (HI, 200, b"hi"),
    "no body": (OK + b"Content-Length: 0\r\n\r\n", 200, b""),
    "a status of the server's own": (b"HTTP/1.1 799 \r\nContent-Length: 2\r\n\r\nhi", 799, b"hi"),
    "no reason": (b"HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", 404, b""),
    "chunks": (CHUNKED + b"2\r\nhi\r\nA\r\n0123456789\r\n0\r\n\r\n", 200, b"hi0123456789"),
    "chunks with extensions": (CHUNKED + b'2;a=1;b="c"\r\nhi\r\n0\r\n\r\n', 200, b"hi"),
    "trailers": (CHUNKED + b"2\r\nhi\r\n0\r\nT: 1\r\nU: 2\r\n\r\n", 200, b"hi"),
    "204 with a length": (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, b""),
    "304 with a length": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, b""),
    "204 in chunks": (b"HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n", 204, b""),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, b"hi"),
    "continue": (b"HTTP/1.1 100 Continue\r\n\r\n" + HI, 200, b"hi"),
    "early hints": (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 3 + HI, 200, b"hi"),
    "an interim status nobody knows": (b"HTTP/1.1 142 Soon\r\n\r\n" + HI, 200, b"hi"),
    "blank lines before": (b"\r\n\r\n" + HI, 200, b"hi"),
    "bytes after it": (HI + b"HTTP/1.1 500 No\r\n", 200, b"hi"),
    "rubbish after the last": (
        OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi!!",
        200,
        b"hi",
    ),
}


@pytest.mark.parametrize(("raw", "status", "body"), WHOLE.values(), ids=WHOLE)
def test_an_answer_is_whole_in_one_piece_and_byte_by_byte(
    raw: bytes, status: int, body: bytes
) -> None:
    for pieces in ([raw], _bytes(raw)):
        answer = _heard(pieces)
        assert answer.over
        assert (answer.status, b"".join(answer.chunks), answer.error) == (status, body, None)


ENDED: dict[str, tuple[bytes, bytes]] = {
    "neither length nor chunks": (OK + b"\r\nall of it", b"all of it"),
    "nothing at all": (OK + b"\r\n", b""),
    "another coding": (OK + b"Transfer-Encoding: gzip\r\n\r\nzipped", b"zipped"),
    "chunks not the last coding": (OK + b"Transfer-Encoding: chunked, gzip\r\n\r\nz", b"z"),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\nall", b"all"),
}


@pytest.mark.parametrize(("raw", "body"), ENDED.values(), ids=ENDED)
def test_some_bodies_end_with_the_connection_and_only_in_order(raw: bytes, body: bytes) -> None:
    for pieces in ([raw], _bytes(raw)):
        assert not _heard(pieces).over
        ended = _heard(pieces, then_ends=True)
        assert (ended.status, b"".join(ended.chunks), ended.error) == (200, body, None)
        assert not ended.keeps
    broken = _heard([raw])
    broken.cut_off(ConnectionResetError("by peer"))
    assert repr(broken.error) == "ConnectionResetError('by peer')"


NOT_HTTP: dict[str, tuple[bytes, str]] = {
    "another protocol": (b"SSH-2.0-OpenSSH\r\n", "Expected HTTP/"),
    "another version": (b"HTTP/2 200 OK\r\n\r\n", "Expected dot"),
    "no status": (b"HTTP/1.1 OK\r\n\r\n", "Invalid status code"),
    "bare line feeds": (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "Missing expected CR"),
    "a folded header": (OK + b"A: b\r\n c\r\n\r\n", "Unexpected whitespace"),
    "a zero byte": (OK + b"A: b\0\r\n\r\n", "Invalid header value"),
    "a space before the colon": (OK + b"Content-Length : 2\r\n\r\nhi", "Invalid header field"),
    "two lengths": (OK + b"Content-Length: 2\r\n" * 2 + b"\r\nhi", "Content-Length"),
    "a length and chunks": (
        OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "can't be present with Content-Length",
    ),
    "a negative length": (OK + b"Content-Length: -1\r\n\r\n", "Invalid character"),
    "a length beyond all": (OK + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n", "overflow"),
    "a chunk of no size": (CHUNKED + b"hi\r\n", "chunk size"),
    "a chunk longer than it says": (CHUNKED + b"1\r\nhi\r\n", "chunk"),
    "another protocol from here on": (
        b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nrubbish",
        "switches protocols",
    ),
    "101 without a protocol": (b"HTTP/1.1 101 X\r\n\r\n" + HI, "switches protocols"),
}


@pytest.mark.parametrize(("raw", "why"), NOT_HTTP.values(), ids=NOT_HTTP)
def test_what_is_no_answer_is_told_why_and_its_connection_not_used(raw: bytes, why: str) -> None:
    for pieces in ([raw], _bytes(raw)):
        answer = _heard(pieces)
        assert answer.over and not answer.keeps
        assert isinstance(answer.error, httpx.RemoteProtocolError)
        assert why in str(answer.error)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "the server closed the connection before it answered"),
        (OK, "the server closed the connection before it answered"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "the server closed the connection before it answered"),
        (HI[:-1], "the server closed the connection in the middle of its answer"),
        (CHUNKED + b"2\r\nhi\r\n", "the server closed the connection in the middle of its answer"),
        (CHUNKED + b"2\r\nhi\r\n0\r\n", "the server closed the connection in the middle of its"),
    ],
)
def test_an_end_before_its_time_is_an_error(raw: bytes, why: str) -> None:
    answer = _heard([raw] if raw else [], then_ends=True)
    assert isinstance(answer.error, httpx.RemoteProtocolError)
    assert why in str(answer.error)


@pytest.mark.parametrize(
    ("raw", "keeps"),
    [
        (HI, True),
        (b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 204 X\r\n\r\n", True),
        (CHUNKED + b"0\r\n\r\n", True),
        (HI.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), False),
        (HI.replace(b"\r\n\r\n", b"\r\nconnection: X, Close\r\n\r\n"), False),
        (HI.replace(b"1.1", b"1.0"), False),
        (HI + HI, False),
        (HI + b"x", False),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + HI, True),
    ],
)
def test_a_connection_is_kept_only_where_the_server_keeps_it_and_its_word(
    raw: bytes, keeps: bool
) -> None:
    assert _heard([raw]).keeps is keeps


def test_headers_stand_as_they_came_without_the_blanks_around_them() -> None:
    fields = b"X-One:  a b \t\r\nx-ONE: c\r\nEmpty:\r\nBlank:  \r\nL: \xfc\r\nContent-Length:0 "
    raw = OK + fields + b"\r\n\r\n"
    for pieces in ([raw], _bytes(raw)):
        assert _heard(pieces).headers == [
            (b"X-One", b"a b"),
            (b"x-ONE", b"c"),
            (b"Empty", b""),
            (b"Blank", b""),
            (b"L", b"\xfc"),
            (b"Content-Length", b"0"),
        ]


def test_neither_interim_headers_nor_trailers_are_the_answers() -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    assert _heard([hint + CHUNKED + b"0\r\nT: 1\r\n\r\n"]).headers == [
        (b"Transfer-Encoding", b"chunked")
    ]


@pytest.mark.parametrize(
    "endless",
    [OK + b"A: b\r\n" * 20_000, OK + b"A: " + b"b" * 100_000, b"HTTP/1.1 103 X\r\n\r\n" * 10_000],
    ids=["fields", "one field", "interim answers"],
)
def test_a_head_that_does_not_end_is_given_up(endless: bytes) -> None:
    answer = _heard(endless[n : n + 1000] for n in range(0, len(endless), 1000))
    assert str(answer.error) == f"no whole head in {MOST_HEAD} bytes"
    assert answer.end == MOST_HEAD // 1000 + 1


BIG = b"x" * 2**20


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (OK + b"Connection: close\r\n\r\n", BIG),
        (OK + b"Content-Length: %d\r\n\r\n" % (2 * MOST_BODY), BIG),
        (CHUNKED, b"%x\r\n%b\r\n" % (len(BIG), BIG)),
    ],
    ids=["until the end", "a length", "chunks"],
)
def test_a_body_that_does_not_end_is_given_up(head: bytes, piece: bytes) -> None:
    just = _heard([head, *[piece] * (MOST_BODY // len(BIG))])
    assert (just.over, sum(map(len, just.chunks))) == (False, MOST_BODY)
    beyond = _heard([head, *[piece] * (2 * MOST_BODY // len(BIG))])
    assert (beyond.over, beyond.keeps, str(beyond.error)) == (True, False, TOO_LARGE)
    assert isinstance(beyond.error, httpx.RemoteProtocolError)
    assert sum(map(len, beyond.chunks)) == MOST_BODY
    assert beyond.end == 1 + MOST_BODY // len(BIG) + 1


def _times(*pieces: bytes) -> tuple[float | None, float | None, float]:
    answer = _heard(pieces)
    return answer.first_byte, answer.first_token, answer.end


def test_every_time_is_that_of_the_piece_that_brought_it() -> None:
    head = OK + b"Content-Length: 6\r\n\r\n"
    assert _times(head + b"123456") == (1.0, 1.0, 1.0)
    assert _times(head, b"123456") == (2.0, 2.0, 2.0)
    assert _times(head[:9], head[9:] + b"1", b"23", b"456") == (2.0, 2.0, 4.0)
    assert _times(b"HTTP/1.1 100 X\r\n\r\n", OK + b"Content-Length: 0\r\n\r\n") == (None, None, 2.0)
    assert _times(CHUNKED, b"1\r\n", b"a\r\n", b"0\r\n", b"\r\n") == (3.0, 3.0, 5.0)


@pytest.mark.parametrize(
    ("body", "first_token"),
    [
        ([b": alive\n\n", b"data: 1\n\n"], 3.0),
        ([b": al", b"ive\n", b"\ndata: 1\n\n"], 4.0),  # "ive" begins no line.
        ([b": alive\r", b"\n\r\n", b": d", b"ata\n\n", b"{}"], 6.0),
        ([b"\n", b" ", b" ", b"x"], 5.0),
        ([b": alive\n\ndata: 1\n\n"], 2.0),
        ([b"{", b"}"], 2.0),
    ],
)
def test_keep_alive_lines_are_no_token_wherever_they_are_cut(
    body: Sequence[bytes], first_token: float
) -> None:
    head = OK + b"Content-Length: %d\r\n\r\n" % len(b"".join(body))
    assert _times(head, *body)[:2] == (2.0, first_token)


ANSWERS: list[bytes] = [
    *(raw for raw, _, _ in WHOLE.values()),
    *(raw for raw, _ in ENDED.values()),
    *(raw for raw, _ in NOT_HTTP.values()),
]


@given(st.sampled_from(ANSWERS), st.data())
def test_no_cut_changes_what_was_said(raw: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(raw) - 1))))
    pieces = [raw[a:b] for a, b in itertools.pairwise([0, *cuts, len(raw)])]
    cut, uncut = _heard(pieces, then_ends=True), _heard([raw], then_ends=True)
    assert _said(cut) == _said(uncut)


NAMES = st.from_regex(r"x-[a-z]{1,8}", fullmatch=True)
VALUES = st.from_regex(r"([!-~]([ -~]{0,8}[!-~])?)?", fullmatch=True)


@settings(max_examples=50)
@given(
    st.integers(200, 599).filter(lambda status: status not in (204, 304)),
    st.lists(st.tuples(NAMES, VALUES), max_size=4),
    st.lists(st.binary(min_size=1, max_size=40), max_size=4),
    st.booleans(),
    st.integers(1, 50),
)
def test_what_another_library_writes_is_read_as_it_was_meant(
    status: int, headers: list[tuple[str, str]], parts: list[bytes], chunked: bool, every: int
) -> None:
    length = str(sum(map(len, parts)))
    framing = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", length)
    wire = _by_h11(h11.Response(status_code=status, headers=[*headers, framing]), parts)
    answer = _heard(wire[n : n + every] for n in range(0, len(wire), every))
    assert _said(answer)[::2] == (status, b"".join(parts))
    assert answer.error is None and answer.over and answer.keeps
    expected = [(name.encode(), value.encode()) for name, value in [*headers, framing]]
    assert [(name.lower(), value) for name, value in answer.headers] == [
        (name.lower(), value) for name, value in expected
    ]


def _by_h11(head: h11.Response, parts: list[bytes]) -> bytes:
    server = h11.Connection(h11.SERVER)
    server.receive_data(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    while server.next_event() not in (h11.NEED_DATA, h11.PAUSED):
        pass
    events = [head, *(h11.Data(data=part) for part in parts), h11.EndOfMessage()]
    return b"".join(server.send(event) or b"" for event in events)


def test_an_answer_that_is_over_needs_no_collector_to_be_freed() -> None:
    gc.disable()
    try:
        for raw in ANSWERS:
            gone = weakref.ref(_heard([raw], then_ends=True))
            assert gone() is None
        waiting = _heard([OK])
        waiting.fail(TimeoutError())
        gone = weakref.ref(waiting)
        del waiting
        assert gone() is None
    finally:
        gc.enable()


async def _stream(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


REQUESTS: dict[str, tuple[httpx.Request, bytes]] = {
    "a GET": (
        httpx.Request("GET", "http://a.test/b?c=d e#f"),
        b"GET /b?c=d%20e HTTP/1.1\r\nHost: a.test\r\n\r\n",
    ),
    "no path": (httpx.Request("GET", "http://a"), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    "a port": (httpx.Request("GET", "http://a:81"), b"GET / HTTP/1.1\r\nHost: a:81\r\n\r\n"),
    "a body": (
        httpx.Request("POST", "http://a/", headers={"X": "1"}, content=b"{}"),
        b"POST / HTTP/1.1\r\nHost: a\r\nX: 1\r\nContent-Length: 2\r\n\r\n{}",
    ),
    "a POST of nothing": (
        httpx.Request("POST", "http://a/"),
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    ),
    "a stream": (
        httpx.Request("PUT", "http://a/", content=_stream(b"one ", b"and two")),
        b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"b\r\none and two\r\n0\r\n\r\n",
    ),
    "a stream of nothing": (
        httpx.Request("PUT", "http://a/", content=_stream()),
        b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    "a stream of known length": (
        httpx.Request("PUT", "http://a/", content=_stream(b"2"), headers={"content-length": "1"}),
        b"PUT / HTTP/1.1\r\nHost: a\r\ncontent-length: 1\r\n\r\n2",
    ),
}


@pytest.mark.parametrize(("request_", "raw"), REQUESTS.values(), ids=REQUESTS)
def test_a_request_goes_out_as_it_stands(request_: httpx.Request, raw: bytes) -> None:
    asyncio.run(request_.aread())
    assert encode_request(request_) == raw


@settings(max_examples=50)
@given(st.lists(st.tuples(NAMES, VALUES), max_size=4), st.binary(max_size=60), st.booleans())
def test_another_library_reads_a_request_as_it_was_meant(
    headers: list[tuple[str, str]], body: bytes, chunked: bool
) -> None:
    if chunked:
        headers = [*headers, ("transfer-encoding", "chunked")]
    request = httpx.Request("POST", "http://a/b?c", headers=headers, content=body)
    request.headers.pop("content-length" if chunked else "transfer-encoding", None)
    server = h11.Connection(h11.SERVER)
    server.receive_data(encode_request(request))
    head = server.next_event()
    assert isinstance(head, h11.Request)
    assert (head.method, head.target) == (b"POST", b"/b?c")
    expected = [(name.lower(), value) for name, value in request.headers.raw]
    assert list(head.headers) == expected
    read = b""
    while isinstance(event := server.next_event(), h11.Data):
        read += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert read == body
    assert server.trailing_data == (b"", False)


@pytest.mark.parametrize(
    "bad",
    [
        httpx.Request("GET", "http://a/", headers={"X": "1\r\nY: 2"}),
        httpx.Request("GET", "http://a/", headers={"X": "1\nY: 2"}),
        httpx.Request("GET", "http://a/", headers={"X\r\nY": "1"}),
        httpx.Request("GET / HTTP/1.1\r\nX: 1\r\n\r\nGET", "http://a/"),
    ],
    ids=["value", "bare line feed", "name", "method"],
)
def test_a_line_end_where_none_may_be_is_refused(bad: httpx.Request) -> None:
    with pytest.raises(httpx.LocalProtocolError, match="a line end inside"):
        encode_request(bad)
