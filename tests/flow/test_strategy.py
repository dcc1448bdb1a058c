"""The 2^3 strategies and their names."""

import pytest

from harness.flow.strategy import MITIGATIONS, Strategy, all_strategies, strategy_of


def test_there_are_eight_strategies_and_the_baseline_comes_first() -> None:
    strategies = all_strategies()
    assert len(set(strategies)) == len({strategy.name for strategy in strategies}) == 8
    assert strategies[0] == Strategy()
    assert strategies[-1] == Strategy(True, True, True)


@pytest.mark.parametrize("vary", [(), ("prewarm",), ("token_cache", "parallel_confirm")])
def test_what_is_not_varied_stays_off(vary: tuple[str, ...]) -> None:
    strategies = all_strategies(vary)
    assert len(strategies) == 2 ** len(vary)
    off = [name for name in MITIGATIONS if name not in vary]
    assert not any(getattr(strategy, name) for strategy in strategies for name in off)


@pytest.mark.parametrize("strategy", all_strategies(), ids=lambda strategy: strategy.name)
def test_a_name_says_what_is_on_and_leads_back(strategy: Strategy) -> None:
    on = [] if strategy.name == "baseline" else strategy.name.split("+")
    assert strategy_of(on) == strategy


def test_an_unknown_mitigation_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="prewarn"):
        strategy_of(["prewarn"])
