"""The mocks' side of the door: takes what was asked on a socket to a mock, and notes its answer.

It waits for nothing, and decides only what no mock is asked: what a path is told that is none.
"""

from functools import lru_cache

import httpx

from harness.answer import Answer, plain
from harness.clock import Clock
from harness.providers.lean import LeanHeaders, LeanRequest
from mocks.asgi import Application, Asked, asking
from mocks.host import IN_PROCESS_URL, Mock
from mocks.log import RequestLog


def asgi(mock: Mock, clock: Clock, log: RequestLog | None = None) -> Application:
    """The mock as an ASGI application, in this process."""
    log = log or RequestLog()

    async def ask(asked: Asked) -> Answer:
        return decided(mock, clock, asked, log)

    return asking(ask, clock, log.note)


def decided(mock: Mock, clock: Clock, asked: Asked, log: RequestLog) -> Answer:
    """A mock that breaks is noted too."""
    answer = None
    try:
        answer = _decided(mock, clock, asked)
    finally:
        log.note(asked.method, asked.path, answer)
    return answer


def _decided(mock: Mock, clock: Clock, asked: Asked) -> Answer:
    try:
        url = _url(asked.target)
    except (httpx.InvalidURL, UnicodeDecodeError) as error:
        return plain(clock, 400, f"no such path can be: {error}")
    headers = LeanHeaders(asked.headers, "iso-8859-1")
    return mock.decide(LeanRequest(asked.method, url, headers, asked.body))


@lru_cache(1024)
def _url(target: bytes) -> httpx.URL:
    return httpx.URL(IN_PROCESS_URL + target.decode("ascii"))
