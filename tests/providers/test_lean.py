"""Lean requests and headers are those that httpx itself would have made."""

import httpx
import pytest

from harness.providers.call import request_of
from harness.providers.lean import LeanHeaders, LeanRequest

URL = httpx.URL("http://mocks:8701/pay/x?y=1")
HEADERS = {"authorization": "Bearer key", "content-type": "application/json"}


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("content", [None, b"", b'{"amount": 1}'])
def test_a_request_is_the_one_that_httpx_makes(method: str, content: bytes | None) -> None:
    ours = request_of(method, URL, HEADERS, content)
    theirs = httpx.Request(method, URL, headers=HEADERS, content=content)
    assert (ours.method, ours.url) == (theirs.method, theirs.url)
    assert sorted(ours.headers.raw) == sorted(theirs.headers.raw)
    assert ours.content == ours.read() == theirs.content
    assert set(vars(ours)) == set(vars(theirs))
    assert isinstance(ours.stream, httpx.ByteStream)
    assert b"".join(ours.stream) == theirs.content


def test_headers_are_looked_up_and_changed_as_httpx_does() -> None:
    raw = [(b"Host", b"a"), (b"x-two", b"1"), (b"X-Two", b"2")]
    ours, theirs = LeanHeaders(raw, "ascii"), httpx.Headers(raw, "ascii")
    for headers in (ours, theirs):
        headers["host"] = "b"
    assert ours == theirs
    assert ours.raw == theirs.raw
    assert ours["X-TWO"] == theirs["X-TWO"] == "1, 2"
    assert vars(ours) == vars(theirs)
    assert httpx.Headers(ours).raw == theirs.raw


def test_what_the_client_sends_through_httpx_is_taken_as_it_is() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=request.content + request.headers["host"].encode())

    request = LeanRequest("POST", URL, LeanHeaders([(b"Host", b"h")], "ascii"), b"body ")
    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        assert client.send(request).content == b"body h"
