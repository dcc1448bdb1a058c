"""The user of an app under test: who says the conversation's wishes, one call a turn, and what the
app answers is how the turn ended."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import httpx
import msgspec
import pytest

from harness.clock import VirtualClock, run
from harness.flow.flow import Chat, World
from harness.load.engine import Arm, Due, Tally, run_round
from harness.providers import app_chat
from harness.providers.call import Endpoint
from harness.providers.trace import TRACEPARENT, Trace, trace_id_of, trace_of
from harness.record import FlowRow
from scenarios.app_chat import App, AppChat
from scenarios.conversation import Conversation
from tests.scenarios.test_conversation import Heard, _hear

RUN, SEED = 0xFEED, 3

Reply = Callable[[httpx.Request], httpx.Response]


def _paid(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"text": "Done.", "outcome": "paid"})


@dataclass
class Played:
    tally: Tally = field(default_factory=Tally)
    requests: list[httpx.Request] = field(default_factory=list)

    @property
    def flows(self) -> list[FlowRow]:
        return self.tally.rows.flows


def _play(
    scenario: AppChat, reply: Reply = _paid, *, conversations: int = 1, token: str = ""
) -> Played:
    played = Played()

    async def main() -> None:
        clock = VirtualClock()

        async def answer(request: httpx.Request) -> httpx.Response:
            played.requests.append(request)
            await clock.sleep_until(clock.now() + 1.0)
            return reply(request)

        world = World(clock, httpx.MockTransport(answer), SEED, 0, mocked=False)
        app = App(Endpoint("http://app/base", token), RUN)

        async def converse(chat: Chat) -> None:
            await scenario.converse(chat, app)

        arm = Arm("app", world, _nothing, converse)
        schedule = [Due(n, n, arm, f"u{n}", scenario.turns) for n in range(conversations)]
        await run_round(clock, [arm], schedule, played.tally)

    run("virtual", main())
    return played


async def _nothing(_: object) -> None: ...


def _heard(conversation: Conversation) -> Heard:
    (heard,) = _hear(conversation, seed=SEED)
    return heard


def test_it_says_what_the_conversations_buyer_wishes_after_the_same_pauses() -> None:
    heard = _heard(Conversation(turns=12, switch_share=0.5))
    played = _play(AppChat(turns=12, switch_share=0.5))
    said = [msgspec.json.decode(request.content) for request in played.requests]
    assert said == [{"user": "u0", "message": wish.said()} for wish in heard.wishes]
    assert [flow.method for flow in played.flows] == [wish.method for wish in heard.wishes]
    assert [flow.amount_minor for flow in played.flows] == [w.amount_minor for w in heard.wishes]
    pauses = [later.due_s - earlier.end_s for earlier, later in pairwise(played.flows)]
    assert pauses == pytest.approx(heard.pauses_s)


def test_each_turn_is_a_trace_of_its_own_that_names_it() -> None:
    played = _play(AppChat(turns=3), conversations=2)
    traces = [trace_of(trace_id_of(of.headers[TRACEPARENT])) for of in played.requests]
    assert sorted(traces, key=str) == [Trace(RUN, n, turn) for n in range(2) for turn in range(3)]


def test_a_turn_is_one_call_of_one_span_and_waits_for_all_of_it() -> None:
    (span,) = _play(AppChat()).tally.rows.spans
    assert (span.stage, span.provider, span.status, span.critical) == ("chat", "app", 200, True)


def test_a_user_says_one_thing_unless_told_otherwise() -> None:
    assert AppChat().turns == 1


@pytest.mark.parametrize(
    ("told", "outcome"),
    [
        ({"outcome": "declined"}, "declined"),
        ({"outcome": "unknown"}, "unknown"),
        ({"reply": "Sure."}, "ok"),
        ({"error": {"code": "busy"}}, "error"),
    ],
)
def test_a_turn_ends_as_the_app_says(told: object, outcome: str) -> None:
    (flow,) = _play(AppChat(), lambda _: httpx.Response(200, json=told)).flows
    assert flow.outcome == outcome


def test_an_error_is_a_failed_turn_that_names_the_apps_code_and_the_user_goes_on() -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        return httpx.Response(502, content=app_chat.encode_error("provider_down", "no, ada!"))

    played = _play(AppChat(turns=2), reply)
    assert [flow.outcome for flow in played.flows] == ["error", "error"]
    assert played.tally.failed == 2
    assert played.tally.causes == {("chat", "Overloaded 502 provider_down"): 2}


def test_the_app_is_spoken_to_in_its_own_words_at_its_own_path() -> None:
    body = (
        '{"model": "x", "user": "{user}", "messages": [{"role": "user", "content": "{message}"}]}'
    )
    (request,) = _play(AppChat(path="/v1/chat/completions?v=2", body=body), token="hush").requests
    assert request.url == "http://app/base/v1/chat/completions?v=2"
    assert request.headers["authorization"] == "Bearer hush"
    said = _heard(Conversation(turns=1)).wishes[0].said()
    assert msgspec.json.decode(request.content) == {
        "model": "x",
        "user": "u0",
        "messages": [{"role": "user", "content": said}],
    }


@pytest.mark.parametrize("text", ['"', "\\", "\n", "{message}", "{user}", "é 付", "\x00"])
def test_what_is_filled_in_stays_within_its_string(text: str) -> None:
    filled = msgspec.json.decode(AppChat().body_of(text, text))
    assert filled == {"user": text, "message": text}


@pytest.mark.parametrize(
    ("parameters", "rules"),
    [
        ({"path": "chat"}, ["path must begin with /"]),
        ({"path": "/a b"}, ["path must begin with /"]),
        ({"body": "{}"}, ["body must be JSON"]),
        ({"body": '{"m": {message}}'}, ["body must be JSON"]),
        ({"patience_s": 0.0}, ["patience_s must be above 0"]),
        ({"turns": 0, "path": "x", "body": ""}, ["turns must be", "path must", "body must"]),
    ],
)
def test_parameters_that_make_no_sense_are_told_all_at_once(
    parameters: dict[str, object], rules: list[str]
) -> None:
    with pytest.raises(ValueError, match="must") as raised:
        AppChat(**parameters)  # type: ignore[arg-type]  # what a command line gives
    assert all(rule in str(raised.value) for rule in rules)
