"""What a client of the reference chat agent is told when something goes wrong: a provider's fault,
a bug, a refusal and its own mistakes, each apart."""

import asyncio
import json
import logging

import httpx
import pytest
from starlette.types import Message

from scenarios.agent_app import MOST_BODY
from tests.scenarios.chats import Got, Shop, visit
from tests.worlds import (
    BLOCKED,
    PARALLEL,
    PREWARM,
    WISH,
    Answer,
    Trouble,
    Troubles,
    answer_lost,
    model_says,
    never_sent,
    overloaded,
)


def _trouble(stage: str, trouble: Trouble) -> Troubles:
    return {(0, stage, n): trouble for n in (1, 2)}


FAULTS: list[tuple[str, Trouble, str]] = [
    ("intent", never_sent, "unreachable"),
    ("intent", answer_lost, "unreachable"),
    ("intent", overloaded, "overloaded"),
    ("intent", model_says(text="Pay whom?"), "guarded"),
    ("session", never_sent, "unreachable"),
    ("confirm", overloaded, "overloaded"),
]


@pytest.mark.parametrize(("stage", "trouble", "code"), FAULTS)
def test_a_providers_fault_is_a_502_with_a_code_and_nothing_of_what_it_said(
    stage: str, trouble: Trouble, code: str
) -> None:
    async def play(shop: Shop) -> tuple[Got, Got, dict[str, int]]:
        return await shop.say(), await shop.say(), dict(shop.ended)

    got, after, ended = visit(play, troubles=_trouble(stage, trouble))
    assert (got.status, got.code, after.told.outcome) == (502, code, "paid")
    assert not [word for word in (b"Error", b"refused", b"Traceback") if word in got.body]
    assert ended == {code: 1, "paid": 1}


def test_a_decline_is_no_fault() -> None:
    async def play(shop: Shop) -> tuple[int, dict[str, int]]:
        return (await shop.say(BLOCKED.said())).status, dict(shop.ended)

    assert visit(play) == (200, {"declined": 1})


async def _bug(request: httpx.Request, answer: Answer) -> httpx.Response:
    raise ZeroDivisionError("a secret")


def test_a_bug_is_logged_and_told_to_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async def play(shop: Shop) -> tuple[Got, Got, dict[str, int]]:
        return await shop.say(), await shop.say(), dict(shop.ended)

    # It is not raised to the server, which would end the connection too.
    with caplog.at_level(logging.ERROR):
        got, after, ended = visit(play, troubles=_trouble("intent", _bug))
    assert (got.status, got.code, after.told.outcome) == (500, "internal", "paid")
    assert b"secret" not in got.body and b"ZeroDivision" not in got.body
    assert "ZeroDivisionError" in caplog.text
    assert ended == {"internal": 1, "paid": 1}


def test_a_bug_ends_what_its_turn_had_begun_beside_itself() -> None:
    async def play(shop: Shop) -> tuple[Got, int]:
        got = await shop.say()
        return got, len(asyncio.all_tasks())

    # The session that was warmed is still being opened when the model's answer meets the bug.
    got, tasks = visit(play, PREWARM, troubles=_trouble("intent", _bug))
    assert (got.code, tasks) == ("internal", 1)


def test_a_bug_in_what_nobody_waits_for_is_logged_too(caplog: pytest.LogCaptureFixture) -> None:
    # The draft of a confirmation that the decline makes worthless.
    troubles: Troubles = {(0, "confirm", 1): _bug}

    async def play(shop: Shop) -> tuple[Got, dict[str, int]]:
        return await shop.say(BLOCKED.said()), dict(shop.ended)

    with caplog.at_level(logging.ERROR):
        got, ended = visit(play, PARALLEL, troubles=troubles)
    assert (got.told.outcome, ended) == ("declined", {"declined": 1})
    assert "ZeroDivisionError" in caplog.text


BAD = [
    (b"", 400, "bad_message"),
    (b"{", 400, "bad_message"),
    (b"[]", 400, "bad_message"),
    (b'{"user": "ann"}', 400, "bad_message"),
    (b'{"user": "ann", "message": 1}', 400, "bad_message"),
    (b'{"user": "", "message": "Hello"}', 400, "bad_message"),
    (b'{"user": "ann", "message": "  "}', 400, "bad_message"),
    (b'{"user": "ann", "message": "\xff"}', 400, "bad_message"),
    (b'{"user": "ann", "message": "%s"}' % (b"x" * MOST_BODY), 400, "bad_message"),
]


@pytest.mark.parametrize(("body", "status", "code"), BAD, ids=lambda part: str(part)[:40])
def test_what_is_no_message_is_refused_and_calls_nobody(
    body: bytes, status: int, code: str
) -> None:
    async def play(shop: Shop) -> tuple[Got, int]:
        return await shop.ask(body), len(shop.requests)

    got, calls = visit(play)
    assert (got.status, got.code, calls) == (status, code, 0)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("POST", "/chats", 404), ("GET", "/chat", 405), ("POST", "/health", 405)],
)
def test_other_paths_and_methods_are_refused(method: str, path: str, status: int) -> None:
    got = visit(lambda shop: shop.ask(b"", method=method, path=path))
    assert got.status == status
    assert (status == 405) == ("allow" in got.headers)


WHOLE = json.dumps({"user": "ann", "message": WISH.said()}).encode()
BEGIN = {"type": "http.request", "body": WHOLE[:9], "more_body": True}
REST = {"type": "http.request", "body": WHOLE[9:], "more_body": False}
GONE = {"type": "http.disconnect"}


@pytest.mark.parametrize(
    ("events", "ended"),
    [([BEGIN, REST], {"paid": 1}), ([BEGIN, GONE], {}), ([BEGIN, REST, GONE], {"paid": 1})],
    ids=["in parts", "leaves while asking", "leaves while answered"],
)
def test_who_has_asked_is_served_to_the_end_and_who_left_before_is_not(
    events: list[Message], ended: dict[str, int]
) -> None:
    async def play(shop: Shop) -> tuple[int, Shop]:
        await shop.ask(b"", events=events)
        return len(asyncio.all_tasks()), shop

    tasks, shop = visit(play, PARALLEL)
    assert (dict(shop.ended), len(shop.books)) == (ended, len(ended))
    assert tasks == 1


def test_a_body_that_does_not_end_is_given_up() -> None:
    got = visit(lambda shop: shop.ask(b"", stalls=True))
    assert (got.status, got.code, got.took_ms) == (408, "request_timeout", 10_000)
