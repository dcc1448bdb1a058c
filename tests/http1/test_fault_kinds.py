"""What kind of fault a lost connection is: the same words wherever the other side was."""

import httpx
import pytest

from harness.clock import RealClock
from harness.http1 import Sockets
from harness.http1.wire import MOST_BODY, TOO_LARGE
from harness.transport import Measured, measure
from tests.http1.far import LOOPS, Says, asked, far

pytestmark = pytest.mark.socket

HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"


async def _call(sockets: Sockets, url: str, patience_s: float = 10.0) -> Measured:
    return await measure(sockets, RealClock(), httpx.Request("GET", f"{url}/x"), patience_s)


async def _impatient(sockets: Sockets, url: str) -> Measured:
    return await _call(sockets, url, 0.05)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    ("says", "kind"),
    [
        (Says((), "closes"), "the server closed the connection before it answered"),
        (Says((HALF,), "closes"), "the server closed the connection in the middle of its answer"),
        (Says((HALF,), "resets"), "connection reset by peer"),
        (Says((b"SSH-2.0-OpenSSH_9.6\r\n",)), "no HTTP/1.1"),
        (Says((b"HTTP/1.1 200 OK\r\n\r\n", b"x" * (MOST_BODY + 1))), TOO_LARGE),
    ],
)
def test_a_connection_that_ends_too_early_says_how(loop: str, says: Says, kind: str) -> None:
    assert asked(far(says), _call, loop=loop).fault_kind == kind


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http://127.0.0.1:1", "connection refused"),  # Nothing listens on port 1.
        ("http://localhost:1", "connection refused"),
        ("http://a..b", ".. is no name of a host"),
    ],
)
def test_where_nobody_listens_no_address_is_told(loop: str, url: str, kind: str) -> None:
    async def ask(sockets: Sockets, unused: str) -> Measured:
        return await _call(sockets, url)

    assert asked(far(), ask, loop=loop).fault_kind == kind


def test_out_of_patience_is_told_with_the_patience() -> None:
    took = asked(far(Says((HALF,))), _impatient)
    assert took.fault_kind == took.fault == "no whole answer within 0.05 s"


def test_a_whole_answer_has_no_kind_of_fault() -> None:
    took = asked(far(HALF + b" and."), _call)
    assert (took.body, took.fault_kind) == (b"half and.", "")
