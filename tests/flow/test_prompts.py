"""What a model gets to read: the user's words and an anonymous reference, never a secret."""

import json
import re

import pytest

from harness.flow.strategy import Strategy, all_strategies
from mocks.host import KEY
from tests.worlds import BLOCKED, BY_CARD, WISH, Played, Troubles, Turn, answer_lost, play, refuses

MODEL_STAGES = ("intent", "confirm")


def _eventful(strategy: Strategy) -> Played:
    """A switch, a decline, a stale token, a lost answer, an idle gap: every path a token takes."""
    troubles: Troubles = {(2, "pay", 1): refuses("TOKEN_EXPIRED"), (3, "pay", 1): answer_lost}
    turns: list[Turn] = [WISH, 20.0, BLOCKED, 20.0, BY_CARD, 20.0, BY_CARD, 2000.0, WISH]
    return play(strategy, turns, troubles=troubles)


def _prompts(played: Played) -> list[str]:
    bodies = [body for stage in MODEL_STAGES for body in played.door.bodies(stage)]
    return [body.decode() for body in bodies]


def _secrets(played: Played) -> set[str]:
    """All that the other calls carried and no model may see."""
    others = [seen for seen in played.door.seen if seen.key.stage not in MODEL_STAGES]
    wire = b"\n".join(part for seen in others for part in (seen.request, seen.answer)).decode()
    tokens = set(re.findall(r'"session_token":"([^"]+)"', wire))
    orders = set(re.findall(r'"seq":"([^"]+)"', wire))
    keys = set(re.findall(r'"key_id":"([^"]+)"', wire))
    sealed = set(re.findall(r'"data":"([^"]+)"', wire))
    transactions = set(re.findall(r'"transaction_id":"([^"]+)"', wire))
    assert tokens and orders and keys and sealed and transactions  # or this would prove nothing
    return tokens | orders | keys | sealed | transactions | {KEY, "alice", "BEGIN"}


@pytest.mark.parametrize("strategy", all_strategies(), ids=lambda strategy: strategy.name)
def test_no_prompt_holds_a_token_an_order_number_a_key_or_the_users_name(
    strategy: Strategy,
) -> None:
    played = _eventful(strategy)
    assert played.outcomes == ["paid", "declined", "paid", "paid", "paid"]
    prompts = _prompts(played)
    assert len(prompts) >= 10
    found = {secret for secret in _secrets(played) for prompt in prompts if secret in prompt}
    assert found == set()
    assert played.flows[0].world.leaks == 0


def test_a_token_in_a_prompt_would_be_found() -> None:
    played = _eventful(Strategy())
    tokens = {secret for secret in _secrets(played) if secret.startswith("wxs_")}
    assert len(tokens) == 6
    assert any(token in body.decode() for body in played.door.bodies("pay") for token in tokens)


def test_the_model_reads_the_users_very_words() -> None:
    played = play(Strategy(), [BY_CARD])
    asked = json.loads(_prompts(played)[0])
    assert asked["messages"][-1]["content"] == "Please pay 45.80 CNY to noodles with my card."
    assert asked["tool_choice"] == "required"
    assert [tool["function"]["name"] for tool in asked["tools"]] == [
        "authorize_payment",
        "refund_payment",
        "split_bill",
        "query_payment",
    ]


def test_a_reference_is_anonymous_and_each_payment_has_its_own() -> None:
    played = play(Strategy(), [WISH, 20.0, WISH])
    said = [re.findall(r"txn_[0-9a-f]{8}\b", told) for told in played.told]
    assert [len(references) for references in said] == [1, 1]
    assert said[0] != said[1]
