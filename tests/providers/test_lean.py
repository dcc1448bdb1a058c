"""Lean requests and headers are those that httpx itself would have made."""

import weakref

import httpx
import pytest

from harness.providers.call import Endpoint, request_of
from harness.providers.lean import LeanHeaders, LeanRequest, LeanURL, NamedHeaders

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
    assert set(vars(ours)) == set(vars(theirs)) - {"stream"}
    for _ in range(2):
        assert isinstance(ours.stream, httpx.ByteStream)
        assert b"".join(ours.stream) == theirs.content


def test_another_stream_may_be_put_in_a_request_s_place() -> None:
    request, other = request_of("POST", URL, HEADERS, b"a"), httpx.ByteStream(b"b")
    request.stream = other
    assert request.stream is other


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


NAMED = {"content-type": "text/plain", "x-umlaut": "\xe4"}


@pytest.mark.parametrize("name", ["content-type", "Content-Type", "X-UMLAUT", "none", "cont\xe4nt"])
@pytest.mark.parametrize("changed", ["", "x-umlaut", "Content-Type", "X-New"])
def test_named_headers_are_looked_up_as_httpx_does_also_once_they_have_changed(
    name: str, changed: str
) -> None:
    ours, theirs = NamedHeaders(NAMED, "iso-8859-1"), httpx.Headers(NAMED, "iso-8859-1")
    for headers in (ours, theirs):
        if changed:
            headers[changed] = "changed"
    assert (name in ours) == (name in theirs)
    assert ours.get(name) == theirs.get(name)
    assert ours.get(name, "default") == theirs.get(name, "default")
    if name in theirs:
        assert ours[name] == theirs[name]
    else:
        with pytest.raises(KeyError):
            ours[name]


def test_named_headers_are_httpx_s_in_all_else() -> None:
    ours, theirs = NamedHeaders(NAMED, "iso-8859-1"), httpx.Headers(NAMED, "iso-8859-1")
    assert ours.raw == theirs.raw
    assert ours.get_list("x-umlaut") == theirs.get_list("x-umlaut")
    assert (len(ours), list(ours), dict(ours)) == (len(theirs), list(theirs), dict(theirs))
    assert ours == theirs == httpx.Headers(ours)
    del ours["x-umlaut"]
    assert ours.raw == [(b"content-type", b"text/plain")]
    assert NAMED == {"content-type": "text/plain", "x-umlaut": "\xe4"}


def test_named_headers_are_written_as_they_are_told_to_be() -> None:
    raw = ((b"Content-Type", b"text/plain"),)
    assert NamedHeaders({"content-type": "text/plain"}, "ascii", raw).raw == [*raw]


def test_the_parts_of_a_url_are_httpx_s() -> None:
    for text in ("http://mocks:8701/a%20b/c?d=e%2Ff#g", "https://xn--bcher-kva.example", "/x"):
        ours, theirs = LeanURL(text), httpx.URL(text)
        for _ in range(2):
            assert (ours.path, ours.raw_path, ours.netloc, str(ours), hash(ours)) == (
                theirs.path, theirs.raw_path, theirs.netloc, text, hash(theirs),
            )  # fmt: skip
        assert ours == theirs
        assert ours.join("z?y=1") == theirs.join("z?y=1")


def test_the_urls_of_many_orders_are_not_kept_for_ever() -> None:
    at = Endpoint("http://mocks", "key")
    kept = [weakref.ref(at.url(f"/orders/{n}")) for n in range(10_000)]
    assert sum(url() is not None for url in kept) <= 4096
    assert at.url("/orders/9999") is at.url("/orders/9999")
