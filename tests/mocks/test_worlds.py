"""Worlds of one door: each as if it were alone, none made by mistake; and what is told of them."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx
import msgspec
import pytest

from harness.answer import play
from harness.clock import VirtualClock, run
from harness.providers import wechat_ai
from harness.providers.call import Call, Endpoint
from harness.providers.openai import OPENAI
from harness.providers.told import DrawKey, name_draw
from mocks import worlds
from mocks.admin import Admin
from mocks.desk import Served
from mocks.host import IN_PROCESS_URL, endpoints
from mocks.worlds import Worlds
from tests.mocks.fast import chat, fast_mocks

T = TypeVar("T")
MOCKS = fast_mocks()


class House:
    """The door, and a client of it."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.worlds = Worlds(self.clock, MOCKS)
        self.door = Admin(self.clock, self.worlds, MOCKS.seed, self.clock.now())

    async def get(self, path: str, method: str = "GET") -> httpx.Response:
        return await self._answer(httpx.Request(method, IN_PROCESS_URL + path))

    async def told(self, path: str) -> Any:
        answer = await self.get(path)
        assert answer.status_code == 200, answer.text
        return msgspec.json.decode(answer.content)

    async def ask(self, call: Call[T]) -> T:
        answer = await self._answer(call.request)
        return call.decode(answer.status_code, answer.headers, await answer.aread())

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        return await play(self.clock, self.door.decide(request))

    async def pay(self, world: str, order_no: str) -> None:
        at = _at(world, "wechat-ai")
        opened = await self.ask(wechat_ai.open_session(at, "ada", "balance"))
        key = await self.ask(wechat_ai.fetch_key(at))
        assert isinstance(opened, wechat_ai.Session)
        order = wechat_ai.Order(order_no, "ada", "balance", 4580, "CNY", "noodles")
        paid = await self.ask(
            wechat_ai.transact(at, "pay.authorize", opened.session_token, key, order)
        )
        assert isinstance(paid, wechat_ai.Receipt)


def _at(world: str, provider: str) -> Endpoint:
    return endpoints(IN_PROCESS_URL + (f"/~{world}" if world else ""), MOCKS)[provider]


def _in_house(story: Callable[[House], Awaitable[None]]) -> None:
    async def main() -> None:
        await story(House())

    run("virtual", main())


def test_worlds_share_no_books_no_tokens_and_no_calls() -> None:
    async def story(house: House) -> None:
        for world in ("", "baseline", "prewarm+token_cache"):
            await house.pay(world, f"order of {world}")
        assert list(house.worlds) == ["", "baseline", "prewarm+token_cache"]
        for world in house.worlds:
            path = f"?world={world.replace('+', '%2B')}"
            books = (await house.told("/_ledger" + path))["wechat-ai"]
            assert [entry["order_no"] for entry in books] == [f"order of {world}"]
            assert len((await house.told("/_spans" + path))["spans"]) == 3

    _in_house(story)


def test_a_token_of_one_world_is_unknown_in_another() -> None:
    async def story(house: House) -> None:
        opened = await house.ask(wechat_ai.open_session(_at("a", "wechat-ai"), "ada", "balance"))
        assert isinstance(opened, wechat_ai.Session)
        key = await house.ask(wechat_ai.fetch_key(_at("b", "wechat-ai")))
        order = wechat_ai.Order("o", "ada", "balance", 4580, "CNY", "noodles")
        told = await house.ask(
            wechat_ai.transact(
                _at("b", "wechat-ai"), "pay.authorize", opened.session_token, key, order
            )
        )
        assert isinstance(told, wechat_ai.Refusal) and told.code == "TOKEN_UNKNOWN"

    _in_house(story)


def test_the_same_call_meets_the_same_weather_in_every_world() -> None:
    async def story(house: House) -> None:
        for world in ("a", "b"):
            await house.ask(OPENAI.chat(_at(world, "openai"), chat()))
        a, b = [(await house.told(f"/_spans?world={world}"))["spans"][0] for world in "ab"]
        assert a["injected_ms"] == b["injected_ms"] > 0

    _in_house(story)


@pytest.mark.parametrize("path", ["/~", "/~a", "/~/openai/", "/~a%20b/openai/", "/~%7E/x", "/~é/x"])
def test_what_is_no_name_makes_no_world(path: str) -> None:
    async def story(house: House) -> None:
        assert (await house.get(path)).status_code == 404
        assert list(house.worlds) == [""]

    _in_house(story)


def test_worlds_are_not_made_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worlds, "MOST_WORLDS", 2)

    async def story(house: House) -> None:
        answers = [await house.get(f"/~{name}/openai/v1/models") for name in "abcab"]
        assert [answer.status_code for answer in answers] == [401, 401, 404, 401, 401]
        assert "2 at most" in answers[2].text

    _in_house(story)


# What is told of them


def test_health_is_told() -> None:
    async def story(house: House) -> None:
        told = await house.told("/_health")
        assert (told["status"], told["seed"], told["worlds"]) == ("ok", 1, [""])

    _in_house(story)


def test_an_order_is_told_with_its_money() -> None:
    async def story(house: House) -> None:
        await house.pay("", "o-1")
        assert await house.told("/_ledger?provider=wechat-ai") == {
            "wechat-ai": [
                {
                    "order_no": "o-1",
                    "state": "paid",
                    "amount_minor": 4580,
                    "currency": "CNY",
                    "payee": "noodles",
                    "method": "balance",
                    "bill": None,
                    "fee_minor": 27,
                    "refunded_minor": 0,
                    "refunds": {},
                }
            ]
        }

    _in_house(story)


def test_only_calls_since_a_time_are_told_newest_last() -> None:
    async def story(house: House) -> None:
        await house.pay("", "o-1")
        seen = await house.told("/_spans")
        assert [span["arrived_s"] for span in seen["spans"]] == sorted(
            span["arrived_s"] for span in seen["spans"]
        )
        await house.ask(OPENAI.chat(_at("", "openai"), chat()))
        (fresh,) = (await house.told(f"/_spans?since={seen['clock_s'] - 1e-6!r}"))["spans"]
        assert (fresh["provider"], fresh["status"]) == ("openai", 200)

    _in_house(story)


def test_no_page_tells_a_key_a_body_or_a_query() -> None:
    async def story(house: House) -> None:
        await house.pay("", "o-1")
        await house.get("/openai/v1/models?key=hush-hush")
        pages = [(await house.get(page)).text for page in ("/_health", "/_ledger", "/_spans")]
        told = "".join(pages)
        assert "mock-api-key" not in told and "wxs_" not in told and "hush" not in told

    _in_house(story)


@pytest.mark.parametrize(
    ("path", "status", "held"),
    [
        ("/_nothing", 404, "/_health, /_ledger, /_books, /_spans, /_faults"),
        ("/_ledger?provider=openai", 404, "wechat-ai"),
        ("/_ledger?world=nowhere", 404, "nowhere"),
        ("/_spans?since=yesterday", 400, "yesterday"),
        ("/_spans?since=nan", 400, "nan"),
    ],
)
def test_a_question_that_cannot_be_answered_is_told_why(path: str, status: int, held: str) -> None:
    async def story(house: House) -> None:
        answer = await house.get(path)
        assert answer.status_code == status
        assert held in msgspec.json.decode(answer.content)["error"]

    _in_house(story)


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS"])
def test_pages_are_only_told(method: str) -> None:
    async def story(house: House) -> None:
        assert (await house.get("/_ledger", method)).status_code == 405

    _in_house(story)


def test_a_draw_that_is_named_in_this_process_reaches_the_mocks_of_any_world() -> None:
    async def story(house: House) -> None:
        key = DrawKey(3, 7, 1, "intent", 1)
        for world in ("", "other"):
            request = OPENAI.chat(_at(world, "openai"), chat()).request
            name_draw(request, key)
            note = house.door.decide(request).note
            assert isinstance(note, Served) and note.key == key

    _in_house(story)
