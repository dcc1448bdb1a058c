"""HTTP/1.1 as a client writes and reads it; it knows of no socket and of no loop.

The grammar is httptools' (llhttp, strict). What that leaves to its caller is here: bodies that the
end of the connection ends, interim answers, the size of a head, and bytes that nobody asked for.
"""

from collections.abc import Callable

import httptools
import httpx

from harness.providers.sse import is_keep_alive

MOST_HEAD = 65_536
"""Bytes in which the head of an answer must end, interim answers included. The packet it ends in
may go beyond, by as much as a loop reads at once."""

MOST_BODY = 8 * 1024 * 1024
"""Bytes of an answer's body: one that does not end must not fill the memory."""

TOO_LARGE = f"an answer of more than {MOST_BODY // 1024**2} MiB"

RawHeaders = list[tuple[bytes, bytes]]


def encode_request(request: httpx.Request) -> bytes:
    """A request that has its body, as it stands: no header is added to what httpx has put there."""
    headers = request.headers.raw
    lines = b"".join([b"%b: %b\r\n" % header for header in headers])
    first = request.method.encode("ascii"), request.url.raw_path
    head = b"%b %b HTTP/1.1\r\n%b\r\n" % (*first, lines)
    line_ends = len(headers) + 2
    if head.count(b"\n") != line_ends or head.count(b"\r") != line_ends:
        raise httpx.LocalProtocolError("a line end inside the method or a header of a request")
    body = request.content
    if b"\r\ntransfer-encoding:" in head.lower():  # As httpx says of a body of unknown length.
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    return head + body


class Incoming:
    """One answer as its bytes come, and when.

    The clock is asked once for each piece of bytes, before anything is done with them. The methods
    named on_ are the parser's calls.
    """

    def __init__(self, now: Callable[[], float], in_pieces: bool = False) -> None:
        self.now = now
        self.in_pieces = in_pieces
        """Whether somebody waits for each piece of it, and not for its end alone."""
        self.status = 0
        """0 until the head is whole, interim answers aside."""
        self.headers: RawHeaders = []
        self.chunks: list[bytes] = []
        self.first_byte: float | None = None
        self.first_token: float | None = None
        self.end = 0.0
        self.over = False
        """Nothing more will come: the answer is whole, or there is an `error`."""
        self.error: Exception | None = None
        self.keeps = False
        """Whether its connection may carry another call."""
        self._at = 0.0
        self._head_bytes = self._body_bytes = 0
        self._unfinished_line = b""
        self._fields: RawHeaders = []
        # A parser each: one that is used again would add one answer's trailers to the next head.
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """The next bytes; not to be called once it is over."""
        assert self._parser is not None
        self._at = self.now()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.keeps = False
            if not self.over:
                self._stop(httpx.RemoteProtocolError(f"no HTTP/1.1: {error}"))
        if not self.status and not self.over:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD:
                self._stop(httpx.RemoteProtocolError(f"no whole head in {MOST_HEAD} bytes"))

    def cut_off(self, cause: Exception | None) -> None:
        """The connection has ended; without a cause that was the server's orderly doing, and some
        bodies are whole by nothing else."""
        if cause is None and self.status and _ends_with_connection(self.headers):
            self._at = self.now()
            self._stop(None)
            return
        where = "in the middle of its answer" if self.status else "before it answered"
        self.fail(cause or httpx.RemoteProtocolError(f"the server closed the connection {where}"))

    def fail(self, error: Exception) -> None:
        self._at = self.now()
        self._stop(error)

    def on_message_begin(self) -> None:
        if self.over:
            raise ValueError("bytes after the answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        status = self._parser.get_status_code()
        if status == 101:
            self._stop(httpx.RemoteProtocolError("the server switches protocols unasked"))
            raise ValueError("no HTTP/1.1 after this")
        if status >= 200:
            self.status, self.headers = status, self._fields
        self._fields = []  # An interim answer's fields are of no use, and neither are trailers.

    def on_body(self, body: bytes) -> None:
        if self.first_token is None:
            self._note_first(body)
        self._body_bytes += len(body)
        if self._body_bytes > MOST_BODY:
            self._stop(httpx.RemoteProtocolError(TOO_LARGE))
            raise ValueError("nobody wants the rest")
        self.chunks.append(body)

    def on_message_complete(self) -> None:
        assert self._parser is not None
        if self.status:
            self.keeps = self._parser.should_keep_alive()
            self._stop(None)

    def _note_first(self, body: bytes) -> None:
        """Keep-alive lines are judged as whole lines, wherever the network has cut them."""
        if self.first_byte is None:
            self.first_byte = self._at
        lines = self._unfinished_line + body
        if is_keep_alive(lines):
            self._unfinished_line = lines[lines.rfind(b"\n") + 1 :]
        else:
            self.first_token = self._at

    def _stop(self, error: Exception | None) -> None:
        self.over = True
        self.error = error
        self.end = self._at
        # The parser holds this object's methods: a circle that only the collector would free, and
        # none runs during a measurement.
        self._parser = None


def _ends_with_connection(headers: RawHeaders) -> bool:
    """Whether nothing but the end of the connection ends a body (RFC 9112, section 6.3)."""
    fields = [(name.lower(), value) for name, value in headers]
    codings = b",".join(value for name, value in fields if name == b"transfer-encoding")
    if codings:
        return codings.split(b",")[-1].strip().lower() != b"chunked"
    return all(name != b"content-length" for name, _ in fields)
