"""The search finds every app that is wrong, by the rule that it breaks, and shrinks it to what
matters; so it could find one of ours."""

import pytest

from harness.cli.torture_told import breaks
from harness.cli.torturing import play
from harness.torture.draw import Field, case_of_number
from harness.torture.reach import PROVIDERS, SCENARIOS
from harness.torture.shrink import shrink
from tests.torture.broken import BROKEN

MOST = 2_000
EVERYTHING = Field(SCENARIOS, tuple((name, name) for name in PROVIDERS))

BELIEVES_ANSWERS = {
    f"an unknown key accepted at {wire}": ((wire, wire),)
    for wire in ("alipay-ai", "alipay-v3", "wechatpay", "unionpay")
}
"""Of one wire each. Mostly it is believed how a payment stands, which is asked only where another
fault has left that open."""

NEAR: dict[str, Field] = {
    "no invalidation on a switch": Field(
        ("method_switch",), (("wechat-ai", "wechat-ai"),), ("token_cache",)
    ),
    "a refresh without single flight": Field(
        ("tipping",), (("unionpay-ai", "unionpay-ai"),), ("token_cache",)
    ),
    "a blind retry of a refund": Field(("refund",), (("flat", "flat"), ("stripe", "stripe"))),
    "an unknown key accepted": Field(("tipping",), (("alipay-ai", "alipay-ai"),)),
    **{what: Field(("tipping",), lanes) for what, lanes in BELIEVES_ANSWERS.items()},
}
"""Where to look for those that are rare, so that the default run is short."""

TWICE_BROKEN = ("a refresh token spent by each",)
"""Like another one, but for a second guard that it has given up too."""


@pytest.mark.parametrize("what", [what for what in BROKEN if what not in TWICE_BROKEN])
def test_torture_catches_a_broken_app_and_shrinks_what_breaks_it(what: str) -> None:
    usual = Field(SCENARIOS, (("flat", "flat"), ("wechat-ai", "wechat-ai")))
    _catch(what, NEAR.get(what, usual))


@pytest.mark.thorough
@pytest.mark.parametrize("what", BROKEN)
def test_torture_catches_a_broken_app_among_everything_else(what: str) -> None:
    of_one_wire = BELIEVES_ANSWERS.get(what)
    _catch(what, Field(SCENARIOS, of_one_wire) if of_one_wire else EVERYTHING)


def _catch(what: str, among: Field) -> None:
    client, rule = BROKEN[what]
    kind = (rule, "")
    cases = (case_of_number(1, number, among) for number in range(MOST))
    caught = next(case for case in cases if breaks(case, kind, client) and not breaks(case, kind))
    least = shrink(caught, lambda less: breaks(less, kind, client)).case
    assert len(least.faults) <= 1 + (what in BELIEVES_ANSWERS)
    assert len(least.lanes) == 1
    assert least.turns <= 2
    assert breaks(least, kind, client)
    assert play(least).findings == []
