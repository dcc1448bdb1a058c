"""A provider's clock that is wrong: nothing is done, and the client says that it is the clocks."""

import httpx
import pytest

from harness.clock import RealClock
from harness.faults import Placed, Script
from harness.flow.payers import Settlement
from harness.providers.call import Malformed, ProviderFault, Unauthorized, cause
from harness.providers.told import DrawKey
from mocks.faults.skew import OFF_S, off_s
from mocks.setting import Setting
from tests.mocks.struck import LUNCH, PAYERS, Till, at_till

STAMPED: dict[str, tuple[type[ProviderFault], str]] = {
    "wechatpay": (
        Unauthorized,
        "Unauthorized 401 SIGN_ERROR: our clock and the provider's are five minutes apart or more",
    ),
    "alipay-v3": (
        Malformed,
        "Malformed 400 invalid-timestamp: "
        "our clock and the provider's are ten minutes apart or more",
    ),
}
"""The wires whose servers look at the time, and what their clients say."""


def struck(stage: str, lasts: int = 1) -> list[Placed]:
    return [Placed(0, stage, "skew", lasts=lasts)]


@pytest.mark.parametrize("lane", STAMPED)
@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5, 6])
def test_nothing_is_ordered_and_the_client_says_that_it_is_the_clocks(lane: str, seed: int) -> None:
    async def story(till: Till) -> None:
        flow = till.turn()
        with pytest.raises(STAMPED[lane][0]) as raised:
            await till.pay(flow)
        assert cause(raised.value) == STAMPED[lane][1]
        assert "our clock" in str(raised.value)
        assert (till.states, till.struck) == ([], [("skew", "pay", 1)])
        assert await till.pay(flow) == Settlement("ordered")

    at_till(lane, struck("pay"), story, seed=seed)


def test_the_clock_is_off_either_way_and_only_for_who_states_a_time() -> None:
    stamped = httpx.Request("POST", "http://mocks", headers={"authorization": "at some time"})
    plain = httpx.Request("POST", "http://mocks")
    for lane, far_s in OFF_S.items():
        keys = [DrawKey(0, n, 0, "pay", 1) for n in range(20)]
        setting = Setting(clock=RealClock(), seed=1, faults=Script(struck("pay")))
        assert {off_s(setting, lane, stamped, key) for key in keys} == {far_s, -far_s}
        assert {off_s(setting, lane, plain, key) for key in keys} == {0.0}


@pytest.mark.parametrize("stage", ["query", "reverse"])
@pytest.mark.parametrize("lane", STAMPED)
def test_no_other_call_is_carried_out_either(lane: str, stage: str) -> None:
    async def story(till: Till) -> None:
        flow = till.turn()
        await till.pay(flow)
        ask = till.payer.query if stage == "query" else till.payer.void
        with pytest.raises(STAMPED[lane][0], match="our clock"):
            await ask(flow, await till.session(flow), LUNCH)
        assert till.struck == [("skew", stage, 1)]

    at_till(lane, struck(stage), story)


@pytest.mark.parametrize("lane", sorted(PAYERS.keys() - STAMPED.keys()))
def test_whose_server_looks_at_no_time_is_not_struck(lane: str) -> None:
    async def story(till: Till) -> None:
        assert (await till.pay(till.turn())).outcome == till.payer.good_end
        assert till.struck == []

    at_till(lane, struck("pay"), story)


@pytest.mark.parametrize("lane", STAMPED)
def test_a_clock_that_stays_wrong_is_not_asked_for_ever(lane: str) -> None:
    """An order's closing is what nobody waits for: it ends too."""

    async def story(till: Till) -> None:
        flow = till.turn()
        await till.pay(flow)
        await flow.join()
        await till.wait(86_400.0)
        calls = len(till.host.setting.journal)
        await till.wait(86_400.0)
        assert len(till.host.setting.journal) == calls < 20

    at_till(lane, struck("close", 1000), story)
