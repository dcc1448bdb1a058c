"""Bursts of a service, what a setting notes of what struck, and the page that tells it."""

from collections.abc import Callable, Sequence

import httpx
import msgspec
import pytest
from msgspec import structs

from harness.answer import Answer
from harness.books import Account
from harness.clock import RealClock, VirtualClock, run
from harness.faults import Fault, Placed, Script
from harness.providers.told import DRAW_HEADER, DrawKey, encode_draw
from mocks.admin import Admin
from mocks.faults.service import NOBODYS_PAGE, RETRY_AFTER_S, spoilt
from mocks.host import IN_PROCESS_URL, Host
from mocks.setting import OTHER, Setting
from mocks.worlds import Worlds
from tests.mocks.fast import fast_mocks
from tests.mocks.faults.wires import Story, chat, payment, placed, told


class Counting:
    """Counts how often it is asked."""

    def __init__(self, *struck: Fault) -> None:
        self.asked = 0
        self._struck = struck

    def at(self, provider: str, key: DrawKey) -> Sequence[Fault]:
        self.asked += 1
        return self._struck


PAY = DrawKey(0, 0, 0, "pay", 1)


def test_what_struck_is_noted_and_counted_by_stage() -> None:
    setting = Setting(clock=RealClock(), seed=1, faults=Counting("revoked", "cut"))
    foreign = DrawKey(-1, 3, 0, "foreign", 1)
    assert setting.strikes("revoked", "stripe", PAY)
    assert setting.strikes("cut", "stripe", foreign)
    assert not setting.strikes("lost", "stripe", PAY)
    assert list(setting.struck) == [("revoked", PAY), ("cut", foreign)]
    assert setting.strikes_by == {("revoked", "pay"): 1, ("cut", OTHER): 1}


def test_however_many_parts_of_a_mock_ask_of_a_call_it_is_drawn_once() -> None:
    counting = Counting()
    setting = Setting(clock=RealClock(), seed=1, faults=counting)
    for fault in ("lost", "revoked", "skew"):
        setting.strikes(fault, "stripe", PAY)
    setting.strikes("lost", "flat", PAY)
    assert counting.asked == 2


def test_where_nothing_goes_wrong_nothing_strikes() -> None:
    setting = Setting(clock=RealClock(), seed=1)
    assert not setting.strikes("lost", "stripe", PAY)
    assert setting.at("stripe", PAY) == ()


@pytest.mark.parametrize("story", [lambda: payment("flat"), lambda: chat("openai", False)])
def test_who_is_turned_away_is_told_when_to_come_again_where_the_wire_tells_it(
    story: Callable[[], Story],
) -> None:
    seen = told(story(), placed(story(), "rate-limits"))
    assert seen.took.headers["retry-after"] == f"{RETRY_AFTER_S:g}"


def test_a_proxys_page_stands_in_place_of_the_whole_answer_when_its_last_byte_is_due() -> None:
    stream = Answer(200, {"x-own": "1"}, [1.0, 2.0], [b"a", b"b"], note="kept")
    page = spoilt(stream)
    assert (page.status, list(page.times), page.chunks) == (500, [2.0], [NOBODYS_PAGE])
    assert page.headers["content-length"] == str(len(NOBODYS_PAGE))
    assert "x-own" not in page.headers
    assert (page.note, page.ending) == ("kept", "whole")


# The admin's pages


def _house(clock: VirtualClock) -> Admin:
    shares: dict[Fault, float] = {"rate-limits": 1.0}
    config = msgspec.structs.replace(fast_mocks(), faults=shares)
    return Admin(clock, Worlds(clock, config), 1, 0.0)


def _get(house: Admin, path: str) -> tuple[int, bytes]:
    answer = house.decide(httpx.Request("GET", IN_PROCESS_URL + path))
    return answer.status, b"".join(answer.chunks)


def test_a_page_tells_how_often_which_fault_struck_which_stage_of_which_world() -> None:
    async def main() -> None:
        house = _house(VirtualClock())
        assert _get(house, "/_faults") == (200, b"{}")
        for world, stage in (("", "key"), ("", "pay"), ("", "key"), ("/~a", "foreign")):
            named = {DRAW_HEADER: encode_draw(DrawKey(0, 0, 0, stage, 1))}
            url = f"{IN_PROCESS_URL}{world}/wechat-ai/rpc"
            house.decide(httpx.Request("POST", url, headers=named, content=b"{}"))
        told = msgspec.json.decode(_get(house, "/_faults")[1])
        assert told == {"rate-limits": {"key": 2, "pay": 1}}
        other = msgspec.json.decode(_get(house, "/_faults?world=a")[1])
        assert other == {"rate-limits": {OTHER: 1}}
        assert _get(house, "/_faults?world=b")[0] == 404

    run("virtual", main())


def test_a_page_tells_all_accounts_as_they_are_judged() -> None:
    async def main() -> None:
        story = payment("flat")
        house = Admin(clock := VirtualClock(), Worlds(clock, story.config), 1, 0.0)
        for sent in story.sent:
            house.decide(sent.request)
        status, body = _get(house, "/_books")
        (account,) = msgspec.json.decode(body, type=list[Account])
        assert (status, account.lane) == (200, "flat")
        (order,) = account.orders
        assert (order.order_no, order.state, order.amount_minor) == ("o-1", "paid", 4580)
        assert [moved.moved for moved in account.movements] == ["captured", "fee"]

    run("virtual", main())


def test_a_burst_is_over_after_the_tries_that_it_lasts() -> None:
    async def main() -> list[int]:
        script = Script([Placed(0, "key", "overloads", lasts=2)])
        host = Host(VirtualClock(), fast_mocks(), faults=script)
        statuses = []
        for attempt in range(1, 5):
            named = {DRAW_HEADER: encode_draw(DrawKey(0, 0, 0, "key", attempt))}
            url = f"{IN_PROCESS_URL}/wechat-ai/rpc"
            body = b'{"op":"key.get"}'
            answer = host.decide(httpx.Request("POST", url, headers=named, content=body))
            statuses.append(answer.status)
        return statuses

    first, second, *after = run("virtual", main())
    assert first == second == 503
    assert 503 not in after


def test_a_profiles_own_shares_hold_for_its_provider_beside_those_of_others() -> None:
    config = fast_mocks()
    (teller,) = config.models.values()
    (pay,) = config.pay.values()
    faulty = structs.replace(teller, faults={"lost": 1.0})
    models = {"faulty": faulty, "teller": teller}
    own = structs.replace(config, models=models, pay={"cheap": pay}, faults={"reset": 1.0})
    faults = own.struck_by()
    assert faults is not None
    assert faults.at("openai", PAY) == ["lost", "reset"]
    assert faults.at("wechat-ai", PAY) == ["reset"]
    calm = structs.replace(own, models={"teller": teller}, faults={})
    assert calm.struck_by() is None


def test_a_lane_of_another_name_is_struck_as_its_provider_is() -> None:
    async def main() -> None:
        config = fast_mocks()
        (pay,) = config.pay.values()
        lanes = {"cheap": structs.replace(pay, faults={"lost": 1.0})}
        host = Host(VirtualClock(), structs.replace(config, pay=lanes))
        answer = host.decide(httpx.Request("POST", f"{IN_PROCESS_URL}/cheap/rpc", content=b"{}"))
        assert (answer.status, answer.ending) == (0, "silence")
        answer = host.decide(httpx.Request("POST", f"{IN_PROCESS_URL}/openai/x", content=b"{}"))
        assert answer.ending == "whole"

    run("virtual", main())
