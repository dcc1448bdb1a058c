"""What kept mocks tell and show of themselves, in the times of the real clock: their own lies ahead
of that, and nobody else knows it. It changes nothing that they hold.
"""

import httpx
import msgspec
from msgspec import structs

from harness.answer import Answer
from harness.books import Account
from harness.providers.lean import LeanRequest
from mocks.host import Mock


def page_of(mock: Mock, request: httpx.Request, ahead_s: float, up_s: float) -> Answer:
    """One of the mocks' pages, as they would tell it if their clock were the real one; `up_s` is
    how long this process has served them."""
    answer = shifted(mock.decide(_asked(request, ahead_s)), ahead_s)
    if answer.status != httpx.codes.OK or request.url.path not in (HEALTH, *_SEEN):
        return answer
    told = b"".join(answer.chunks)
    if request.url.path == HEALTH:
        body = _health(told, up_s)
    else:
        body = _SEEN[request.url.path](told, ahead_s)
    headers = {**answer.headers, "content-length": str(len(body))}
    return structs.replace(answer, headers=headers, chunks=[body])


def shifted(answer: Answer, ahead_s: float) -> Answer:
    """Its parts leave at the same moments."""
    return structs.replace(answer, times=[time - ahead_s for time in answer.times])


def _asked(request: httpx.Request, ahead_s: float) -> httpx.Request:
    """Journals are asked for since a time that they have told."""
    try:
        since = float(request.url.params["since"]) + ahead_s
    except (KeyError, ValueError):
        return request
    url = request.url.copy_set_param("since", repr(since))
    return LeanRequest(request.method, url, request.headers, request.content)


def _health(body: bytes, up_s: float) -> bytes:
    """The mocks themselves are as old as their file."""
    told = msgspec.json.decode(body, type=dict[str, object])
    return msgspec.json.encode({**told, "uptime_s": round(up_s, 3)})


def _books(body: bytes, ahead_s: float) -> bytes:
    """They are held against what apps have seen, who know the real clock alone."""
    accounts = msgspec.json.decode(body, type=list[Account])
    return msgspec.json.encode([_as_seen(account, ahead_s) for account in accounts])


def _as_seen(account: Account, ahead_s: float) -> Account:
    moved = [structs.replace(of, at_s=of.at_s - ahead_s) for of in account.movements]
    return structs.replace(account, movements=moved)


def _spans(body: bytes, ahead_s: float) -> bytes:
    told = msgspec.json.decode(body, type=_Journal)
    told.clock_s -= ahead_s
    for span in told.spans:
        span |= {name: float(span[name]) - ahead_s for name in ("arrived_s", "ended_s")}
    return msgspec.json.encode(told)


class _Journal(msgspec.Struct):
    clock_s: float
    spans: list[dict[str, int | float | str]]


HEALTH = "/_health"
_SEEN = {"/_books": _books, "/_spans": _spans}
