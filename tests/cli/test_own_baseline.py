"""A function that was not changed is no regression, also where somebody named its stages anew: what
cannot be compared says so."""

import httpx
import pytest

from harness.cli.own_flow import OwnFlow, OwnTurn
from harness.cli.played import Asked, play
from harness.record import Check, Tolerance, TurnTimes
from harness.report.checks import checked_change

CHAT = "https://api.openai.com/v1/chat/completions"
PAY = "https://api.stripe.com/v1/payment_intents"


def buying(*, pay: str = "pay", pack: str = "", also: str = "", slower_s: float = 0.0) -> OwnFlow:
    """A model reads a wish, goods are packed, and a payment is made, in stages of these names."""

    async def buy(turn: OwnTurn) -> None:
        async with httpx.AsyncClient(headers={"authorization": "Bearer any"}) as http:
            with turn.stage("intent"):
                words = [{"role": "user", "content": "A bowl of noodles, please."}]
                (await http.post(CHAT, json={"model": "gpt-4o", "messages": words}))
            if pack:
                with turn.stage(pack):
                    await turn.sleep(0.05)
            else:
                await turn.sleep(0.05)
            for name in filter(None, (pay, also)):
                with turn.stage(name):
                    await turn.sleep(slower_s)
                    await http.post(PAY, data={"amount": "1200", "currency": "eur"})

    return buy


def times(flow: OwnFlow) -> TurnTimes:
    return play(Asked(flow=flow, turns=40, rounds=5)).times


BEFORE = times(buying())


def change(flow: OwnFlow) -> Check:
    return checked_change("buy/baseline", times(flow), BEFORE, Tolerance(), seed=1)


def test_a_call_by_another_name_is_not_compared_and_the_reader_is_told_what_to_do() -> None:
    found = change(buying(pay="payment"))
    assert (found.state, found.ms, found.blame) == ("failed", None, [])
    assert found.sentence == (
        "buy/baseline: stage pay is no longer called and payment is new: draws hang on a stage's "
        "name, so these turns did not meet the same luck; name it as it was, or make the baseline "
        "anew with pytest --tollbench-update"
    )


def test_a_call_that_is_new_or_gone_is_judged_as_any_stage() -> None:
    more = change(buying(also="tip"))
    assert more.state == "failed"
    assert "40 of 40 turns slower, none faster; to blame: tip, +" in more.sentence
    assert more.sentence.endswith(
        "if that is meant, the baseline can be made anew: pytest --tollbench-update"
    )
    less = change(buying(pay=""))
    assert less.state == "passed"
    assert "; no longer there: pay, -" in less.sentence


@pytest.mark.parametrize("name", ["pack", "zip"])
def test_a_local_step_that_is_named_has_not_changed(name: str) -> None:
    found = change(buying(pack=name))
    assert found.state == "passed"
    assert found.sentence == (
        "buy/baseline is as fast as its baseline; no turn is slower or faster; stages are cut "
        f"otherwise: {name} +50 ms, own time -50 ms a turn; the baseline can be made anew: "
        "pytest --tollbench-update"
    )


def test_a_millisecond_in_a_stage_is_still_caught_beside_a_step_that_is_named() -> None:
    found = change(buying(pack="pack", slower_s=0.001))
    assert found.state == "failed"
    assert "to blame: pay, +1.0 ms a turn" in found.sentence
    assert "stages are cut otherwise: pack +50 ms, own time -50 ms a turn" in found.sentence
