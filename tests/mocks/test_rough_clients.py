"""Clients that keep no rule, on a real socket: each gets an answer below 500 or is hung up on, none
waits for ever, and whoever serves is told nothing."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import msgspec
import pytest

from mocks.asgi import MOST_BODY
from tests.mocks.fast import fast_mocks

pytestmark = pytest.mark.socket

CHAT = b"/openai/v1/chat/completions"
PATIENCE_S = 20.0

ROUGH: list[tuple[str, bytes, tuple[int, ...]]] = [
    ("HEAD of a page", b"HEAD /_health HTTP/1.1\r\nhost: x\r\n\r\n", (200,)),
    ("HEAD of a wire", b"HEAD " + CHAT + b" HTTP/1.1\r\nhost: x\r\n\r\n", (401, 404, 405)),
    ("OPTIONS", b"OPTIONS " + CHAT + b" HTTP/1.1\r\nhost: x\r\n\r\n", (401, 404, 405)),
    ("OPTIONS of all", b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n", (400, 404)),
    ("TRACE", b"TRACE " + CHAT + b" HTTP/1.1\r\nhost: x\r\n\r\n", (401, 404, 405)),
    ("an unknown method", b"BREW /pot HTTP/1.1\r\nhost: x\r\n\r\n", (400,)),
    ("a method to a proxy", b"CONNECT x:443 HTTP/1.1\r\nhost: x\r\n\r\n", (400,)),
    ("a whole URL", b"GET http://elsewhere/_health HTTP/1.1\r\nhost: x\r\n\r\n", (200,)),
    ("no host", b"GET /_health HTTP/1.1\r\n\r\n", (200,)),
    ("the old version", b"GET /_health HTTP/1.0\r\n\r\n", (200,)),
    ("a path that is no UTF-8", b"GET /openai/\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n", (400,)),
    ("an escape that is no UTF-8", b"GET /openai/%ff%fe HTTP/1.1\r\nhost: x\r\n\r\n", (401, 404)),
    ("an escaped question mark", b"GET /_health%3Fa HTTP/1.1\r\nhost: x\r\n\r\n", (404,)),
    ("a query that is no UTF-8", b"GET /_health?\xff HTTP/1.1\r\nhost: x\r\n\r\n", (200, 400)),
    ("a null in the path", b"GET /openai/%00 HTTP/1.1\r\nhost: x\r\n\r\n", (401, 404)),
    ("a long path", b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n", (400, 404, 414)),
    ("no path", b"GET  HTTP/1.1\r\nhost: x\r\n\r\n", (400,)),
    ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", (400,)),
    ("no body", b"POST " + CHAT + b" HTTP/1.1\r\nhost: x\r\n\r\n", (400, 401)),
    (
        "a negative length",
        b"POST " + CHAT + b" HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        (400,),
    ),
    (
        "two lengths",
        b"POST " + CHAT + b" HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        (400,),
    ),
    (
        "a chunk that is none",
        b"POST " + CHAT + b" HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
        (400,),
    ),
    (
        "an upgrade",
        b"GET /_health HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 13\r\n\r\n",
        (200,),
    ),
    (
        "a body of a strange type",
        b"POST " + CHAT + b" HTTP/1.1\r\nhost: x\r\nauthorization: Bearer mock-api-key\r\n"
        b"content-type: image/png\r\ncontent-length: 4\r\n\r\n\x89PNG",
        (400,),
    ),
    (
        "headers that are no ASCII",
        b"POST " + CHAT + b" HTTP/1.1\r\nhost: x\r\nauthorization: Bearer \xff\xfe\r\n"
        b"x-tollbench-draw: 1.2.3.\xff.4\r\ncontent-length: 0\r\n\r\n",
        (400, 401),
    ),
    (
        "a body too large",
        b"POST " + CHAT + b" HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (MOST_BODY + 1)
        + b"x" * (MOST_BODY + 1),
        (413,),
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    """Of mocks that must not have said a word when they end."""
    command = [sys.executable, "-P", "-m", "mocks.server"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write(msgspec.json.encode(fast_mocks()) + b"\n")
        process.stdin.flush()
        try:
            yield "127.0.0.1", int(process.stdout.readline())
            process.stdin.close()
            assert (process.wait(30), process.stderr.read()) == (0, b"")
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("said", "statuses"), [case[1:] for case in ROUGH], ids=[case[0] for case in ROUGH]
)
def test_every_request_is_answered_below_500(
    said: bytes, statuses: tuple[int, ...], address: tuple[str, int]
) -> None:
    with closing(socket.create_connection(address, PATIENCE_S)) as client:
        client.sendall(said)
        answer = client.makefile("rb").readline()
    version, status = answer.split()[:2]
    assert version == b"HTTP/1.1"
    assert int(status) in statuses


def test_a_connection_serves_on_after_a_body_too_large(address: tuple[str, int]) -> None:
    large = b"x" * (3 * MOST_BODY)
    with closing(socket.create_connection(address, PATIENCE_S)) as client:
        answers = client.makefile("rb")
        client.sendall(b"POST /openai HTTP/1.1\r\nhost: x\r\n")
        client.sendall(b"content-length: %d\r\n\r\n" % len(large) + large)
        client.sendall(b"GET /_health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        told = answers.read()
    assert told.startswith(b"HTTP/1.1 413 ")
    assert b"HTTP/1.1 200 OK" in told


HALF = [
    ("the head", b"POST " + CHAT + b" HTTP/1.1\r\nhost: x\r\n"),
    ("the body", b"POST " + CHAT + b" HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{}"),
    (
        "the chunks",
        b"POST " + CHAT + b" HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n",
    ),
]


@pytest.mark.parametrize("said", [case[1] for case in HALF], ids=[case[0] for case in HALF])
@pytest.mark.parametrize("rudely", [False, True], ids=["closes", "resets"])
def test_who_hangs_up_half_way_through_is_answered_nothing(
    said: bytes, rudely: bool, address: tuple[str, int]
) -> None:
    client = socket.create_connection(address, PATIENCE_S)
    client.sendall(said)
    if rudely:
        # To linger for no time sends a reset.
        linger = (1).to_bytes(4, sys.byteorder) + bytes(4)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        client.close()
        return
    client.shutdown(socket.SHUT_WR)
    with closing(client):
        assert client.recv(1) == b""


def test_who_hangs_up_before_the_answer_disturbs_nobody(address: tuple[str, int]) -> None:
    body = b'{"model":"teller","messages":[{"role":"user","content":"hi"}],"stream":true}'
    head = b"POST %s HTTP/1.1\r\nhost: x\r\nauthorization: Bearer mock-api-key\r\n" % CHAT
    for _ in range(5):
        with closing(socket.create_connection(address, PATIENCE_S)) as client:
            client.sendall(head + b"content-length: %d\r\n\r\n" % len(body) + body)
    with closing(socket.create_connection(address, PATIENCE_S)) as client:
        client.sendall(b"GET /_health HTTP/1.1\r\nhost: x\r\n\r\n")
        assert client.recv(15) == b"HTTP/1.1 200 OK"
