"""Why a call of a turn failed: its span says so in words that all such calls share."""

import asyncio
import errno
import ssl
from collections.abc import Callable, Coroutine

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.clock import VirtualClock, run
from harness.flow.flow import Flow, World
from harness.providers.call import Endpoint, ProviderFault
from harness.providers.flat import query
from tests.worlds import (
    BASELINE,
    BLOCKED,
    WISH,
    Trouble,
    Troubles,
    answer_lost,
    never_sent,
    overloaded,
    play,
    refuses,
)

Handler = Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]

AT = Endpoint("http://pay.test", "a-key")


def _world(handler: Handler) -> World:
    return World(VirtualClock(), httpx.MockTransport(handler), 1, 0, mocked=False)


def _why(handler: Handler) -> str:
    """Of the one call that is made."""

    async def main() -> Flow:
        flow = Flow(_world(handler), 7, 0, 0.0, 0.0)
        with pytest.raises(ProviderFault):
            await flow.call("pay", query(AT, "n-1"))
        return flow

    return run("virtual", main()).spans[0].fault


# On the spans of a turn


def _failed(troubles: Troubles) -> list[tuple[str, int, str]]:
    spans = play(BASELINE, [WISH], troubles=troubles).flows[0].spans
    return [(span.stage, span.attempt, span.fault) for span in spans if span.fault]


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        (never_sent, "Unreachable: connection refused"),
        (answer_lost, "Unreachable: no whole answer within 30 s"),
        (overloaded, "Overloaded 503"),
    ],
)
def test_a_call_that_failed_says_why_also_where_the_turn_made_up_for_it(
    trouble: Trouble, says: str
) -> None:
    assert _failed({(0, "pay", 1): trouble}) == [("pay", 1, says)]


def test_what_the_providers_rules_forbid_is_no_failed_call() -> None:
    assert _failed({(0, "pay", 1): refuses("TOKEN_EXPIRED")}) == []
    assert _failed({(0, "pay", 1): refuses("DUPLICATE_ORDER")}) == []
    declined = play(BASELINE, [BLOCKED]).flows[0]
    assert (declined.outcome, declined.cause) == ("declined", "")
    assert not any(span.fault for span in declined.spans)


def test_a_turn_has_the_cause_of_what_ended_it_and_its_own_words_beside() -> None:
    flow = play(BASELINE, [WISH], troubles={(0, "intent", 1): never_sent}).flows[0]
    assert flow.cause == "Unreachable: connection refused"
    assert flow.fault == "Unreachable: ConnectError: connection refused"


def test_a_call_that_was_cut_off_is_no_failed_one() -> None:
    async def forever(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(1e6)
        raise AssertionError("unreachable")

    async def main() -> Flow:
        flow = Flow(_world(forever), 7, 0, 0.0, 0.0)
        flow.fork(flow.call("pay", query(AT, "n-1")))
        await flow.sleep(1.0)
        await flow.cut()
        return flow

    assert [(span.status, span.fault) for span in run("virtual", main()).spans] == [(0, "")]


# Where no whole answer came


def _handshake(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] it is for 'alice.test'")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 4021)"),
         "connection refused"),
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
         "connection reset by peer"),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed ('::1', 40213, 0, 0), "
                 "[Errno 111] Connect call failed ('127.0.0.1', 40213)"), "connection refused"),
        (OSError(errno.EMFILE, "Too many open files"), "too many open files"),
        (ConnectionResetError("Connection lost"), "Connection lost"),
        (httpx.RemoteProtocolError("the server closed the connection before it answered"),
         "the server closed the connection before it answered"),
        (httpx.RemoteProtocolError("illegal status line: bytearray(b'sk_live')"),
         "illegal status line"),
        (httpx.RemoteProtocolError("no HTTP/1.1: Expected HTTP/"), "no HTTP/1.1"),
        (httpx.ConnectError("Cannot connect to host 10.1.22.33:8080 ssl:default [x]"),
         "Cannot connect to host #:# ssl:default"),
        (httpx.ReadError(""), "ReadError"),
        (ssl.SSLCertVerificationError(1, "certificate is not valid for '10.1.2.3'"),
         "TLS: it failed"),
        (_handshake("CERTIFICATE_VERIFY_FAILED"), "TLS: CERTIFICATE_VERIFY_FAILED"),
    ],
    ids=lambda of: of if isinstance(of, str) else type(of).__name__,
)  # fmt: skip
def test_a_lost_connection_is_told_without_address_and_port(error: Exception, says: str) -> None:
    async def lose(request: httpx.Request) -> httpx.Response:
        raise error

    assert _why(lose) == f"Unreachable: {says}"


@given(st.integers(10, 65_535), st.integers(0, 255), st.text())
def test_losses_that_differ_in_place_only_have_one_cause(port: int, part: int, quote: str) -> None:
    async def lose(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(f"no way to 10.0.{part}.1:{port}: {quote}")

    assert _why(lose) == "Unreachable: no way to #:#"
