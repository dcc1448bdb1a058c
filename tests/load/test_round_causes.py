"""Over a round each failed call is counted once, at its stage and for its cause."""

import dataclasses
import gc
import itertools
from collections import Counter
from typing import TypeVar

import httpx
import pytest
from msgspec import structs

from harness.cli.problems import Problems
from harness.cli.rounds import one_virtual_round
from harness.cli.setup import Options, checked
from harness.clock import VirtualClock, run
from harness.flow.flow import Chat, Flow, World
from harness.flow.strategy import Strategy
from harness.load import engine
from harness.load.causes import MOST_CAUSES, OTHER
from harness.load.engine import Arm, Tally
from harness.providers.call import Endpoint
from harness.providers.flat import query
from mocks.figures import Limits, Outage
from mocks.host import MockConfig
from mocks.profile import ModelProfile, PaymentProfile
from tests.worlds import begin_round

ProfileT = TypeVar("ProfileT", PaymentProfile, ModelProfile)

NO_LIMITS = Limits.none()
BURSTS = structs.replace(NO_LIMITS, overload_every_s=4.0, overload_lasts_s=1.0)
FEW = structs.replace(NO_LIMITS, requests=4, window_s=1.0)


@pytest.mark.parametrize(
    ("pay", "model", "limited", "says"),
    [
        ("stripe", "gpt-4o", {"stripe": FEW}, "RateLimited 429 invalid_request_error rate_limit"),
        ("wechat-ai", "gpt-4o", {"wechat-ai": FEW}, "RateLimited 429"),
        ("unionpay-ai", "gpt-4o", {"unionpay-ai": BURSTS}, "Overloaded 503 overloaded"),
        ("flat", "gpt-4o", {"openai": FEW}, "RateLimited 429 requests rate_limit_exceeded"),
        ("flat", "claude-haiku-4-5", {"anthropic": BURSTS}, "Overloaded 529 overloaded_error"),
    ],
)
def test_a_provider_in_trouble_is_named_by_its_own_code_and_every_call_counted(
    pay: str, model: str, limited: dict[str, Limits], says: str
) -> None:
    tally = _round(pay, model, limited)
    assert {cause for _, cause in tally.causes} == {says}
    assert _by_stage(tally) == _refused(tally, int(says.split()[1]))


def test_an_outage_is_counted_at_the_stages_that_it_hits() -> None:
    tally = _round("flat", "gpt-4o", {}, Outage("openai", 0.5, 1.5))
    assert set(tally.causes) == {
        ("intent", "Overloaded 503 server_error"),
        ("confirm", "Overloaded 503 server_error"),
    }
    assert _by_stage(tally) == _refused(tally, 503)
    assert tally.failed == tally.causes.total()


def test_a_quiet_round_has_no_causes() -> None:
    assert not _round("flat", "gpt-4o", {}).causes


def test_a_server_that_words_each_refusal_anew_fills_no_table() -> None:
    turns = 3 * MOST_CAUSES
    tally = _hostile_round(turns, "{}")
    assert len(tally.causes) == MOST_CAUSES + 1
    assert tally.causes["pay", OTHER] == turns - MOST_CAUSES
    tally.add(_hostile_round(turns, "again_{}"))
    assert len(tally.causes) == MOST_CAUSES + 1
    assert tally.causes.total() == 2 * turns


def _hostile_round(turns: int, code: str) -> Tally:
    words = map("".join, itertools.product("abcdefg", repeat=3))
    tally = Tally()

    async def refuse(request: httpx.Request) -> httpx.Response:
        problem = {"type": f"https://x.test/p/{code.format(next(words))}"}
        return httpx.Response(503, json=problem)

    async def converse(chat: Chat) -> None:
        for _ in range(chat.turns):
            async with chat.turn() as flow:
                await flow.call("pay", query(Endpoint("http://pay.test", "a-key"), "n-1"))

    async def boot(flow: Flow) -> None: ...

    async def main() -> None:
        world = World(VirtualClock(), httpx.MockTransport(refuse), 1, 0, mocked=False)
        arm = Arm("only", world, boot, converse)
        await begin_round(VirtualClock(), [arm], tally, turns=turns)

    run("virtual", main())
    assert tally.failed == turns
    return tally


def _round(pay: str, model: str, limited: dict[str, Limits], *outages: Outage) -> Tally:
    """Of the shipped conversation; `limited` are providers."""
    options = Options(pay=pay, models={"intent": model, "confirm": model}, rate="20")
    setup = checked(options, Problems(), [Strategy()], turns=40)
    mocks = structs.replace(_with_limits(setup.mocks, limited), outages=list(outages))
    return one_virtual_round(dataclasses.replace(setup, mocks=mocks), 0)


def _with_limits(mocks: MockConfig, limited: dict[str, Limits]) -> MockConfig:
    def put(profiles: dict[str, ProfileT]) -> dict[str, ProfileT]:
        return {
            name: structs.replace(of, limits=limited.get(of.provider, NO_LIMITS))
            for name, of in profiles.items()
        }

    return structs.replace(mocks, pay=put(mocks.pay), models=put(mocks.models))


def _by_stage(tally: Tally) -> Counter[str]:
    calls: Counter[str] = Counter()
    for (stage, _), count in tally.causes.items():
        calls[stage] += count
    return calls


def _refused(tally: Tally, status: int) -> Counter[str]:
    """As the rows have it."""
    return Counter(span.stage for span in tally.rows.spans if span.status == status)


def test_what_failed_turns_leave_behind_is_swept_while_the_collector_is_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "SWEPT_EVERY", 10)
    young: list[int] = []

    def noted(phase: str, told: dict[str, int]) -> None:
        if phase == "stop" and told["generation"] == 0 and not gc.isenabled():
            young.append(told["collected"])

    gc.callbacks.append(noted)
    try:
        _hostile_round(100, "{}")
    finally:
        gc.callbacks.remove(noted)
    assert len(young) == 10
