"""`--vary` over the keywords of a function of the user's own: its arms, and what is wrong."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import pytest

from harness.cli.exits import BadInput
from harness.cli.own_vary import varied_of
from harness.cli.problems import Problems
from harness.flow.own import OwnTurn


async def shop(
    turn: OwnTurn, model: str = "gpt-4o", fast: bool = False, tries: int = 1, early: bool = False
) -> None: ...


async def bare(early=False): ...  # type: ignore[no-untyped-def]  # as many are written


async def by_name(*, model: str) -> None: ...


async def plain(turn: OwnTurn) -> None: ...


async def alone(*, fast: bool = False) -> None: ...


async def needing(turn: OwnTurn, *, fast: bool) -> None: ...


async def warming(turn: OwnTurn, prewarm: bool = False) -> None: ...


async def hinted(turn: OwnTurn, effort: "Literal['low', 'high']" = "low") -> None: ...


async def based(turn: OwnTurn, baseline: bool = False, fast: bool = False) -> None: ...


class Shop:
    """An object that is called as a function is one, and so is a method of it."""

    async def __call__(self, turn: OwnTurn, early: bool = False) -> None: ...

    async def buy(self, turn: OwnTurn, early: bool = False) -> None: ...


async def flagged(
    a: bool = False, b: bool = False, c: bool = False, d: bool = False, e: bool = False
) -> None: ...


def arms(function: object, vary: str | None) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Of each: its name, the keywords that its function has, and those told of it."""
    problems = Problems()
    found = varied_of(function, vary, problems)
    problems.settle()
    return [
        (of.name, called.keywords if isinstance(called, partial) else {}, dict(of.factors))
        for of, called in zip(found.variants, found.functions, strict=True)
    ]


def wrong(function: object, vary: str | None) -> str:
    problems = Problems()
    varied_of(function, vary, problems)
    with pytest.raises(BadInput) as raised:
        problems.settle()
    (told,) = raised.value.problems
    return told


def test_flags_are_off_and_on_in_all_combinations_the_baseline_first() -> None:
    both = arms(shop, "early, fast")
    assert [name for name, _, _ in both] == ["baseline", "fast", "early", "early+fast"]
    assert both[1] == ("fast", {"early": False, "fast": True}, {"early": False, "fast": True})


def test_without_a_word_all_of_its_flags_are_varied() -> None:
    assert [name for name, _, _ in arms(shop, None)] == ["baseline", "early", "fast", "fast+early"]
    assert arms(plain, None) == [("baseline", {}, {})]
    assert [name for name, _, _ in arms(based, None)] == ["baseline", "fast"]
    assert [name for name, _, _ in arms(bare, None)] == ["baseline", "early"]


def test_values_of_a_keyword_are_an_arm_each_in_their_order() -> None:
    assert arms(shop, "model=gpt-4o-mini,gpt-4o") == [
        ("gpt-4o-mini", {"model": "gpt-4o-mini"}, {"model": "gpt-4o-mini"}),
        ("gpt-4o", {"model": "gpt-4o"}, {"model": "gpt-4o"}),
    ]


def test_a_value_is_of_the_keyword_s_kind() -> None:
    assert [keywords for _, keywords, _ in arms(shop, "tries=1,3")] == [{"tries": 1}, {"tries": 3}]
    assert [keywords for _, keywords, _ in arms(hinted, "effort=low,high")] == [
        {"effort": "low"},
        {"effort": "high"},
    ]


@pytest.mark.parametrize("function", [Shop(), Shop().buy, partial(Shop()), partial(Shop().buy)])
def test_an_object_that_is_called_and_a_method_have_flags_too(function: object) -> None:
    assert arms(function, None) == [
        ("baseline", {"early": False}, {"early": False}),
        ("early", {"early": True}, {"early": True}),
    ]


@pytest.mark.parametrize("annotation", ["no.such", "asyncio.Nope", "1 +"])
def test_an_annotation_that_cannot_be_read_is_as_if_it_were_not_there(annotation: str) -> None:
    async def ask(turn: OwnTurn, model: str = "x", fast: bool = False) -> None: ...

    ask.__annotations__["model"] = annotation
    assert [name for name, _, _ in arms(ask, None)] == ["baseline", "fast"]
    assert [name for name, _, _ in arms(ask, "model=a,b")] == ["a", "b"]


def test_a_keyword_that_it_cannot_be_called_without_may_be_what_is_varied() -> None:
    assert [name for name, _, _ in arms(needing, "fast")] == ["baseline", "fast"]


def test_a_mitigation_is_the_turn_s_strategy_beside_flags_of_its_own() -> None:
    problems = Problems()
    found = varied_of(shop, "fast,prewarm", problems)
    problems.settle()
    assert found.factors == ("prewarm", "fast")
    assert [(of.name, of.prewarm, dict(of.factors)) for of in found.variants] == [
        ("baseline", False, {"fast": False}),
        ("fast", False, {"fast": True}),
        ("prewarm", True, {"fast": False}),
        ("prewarm+fast", True, {"fast": True}),
    ]


@pytest.mark.parametrize(
    ("function", "vary", "told"),
    [
        (shop, "slow", "shop has no such keyword; its flags are: fast, early"),
        (shop, "model", "it is no flag of shop: name its values, as in --vary model=A,B"),
        (shop, "fast,fast", "names fast twice"),
        (shop, ",", "--vary names nothing"),
        (shop, "slow=1,2", "its keywords are: model, fast, tries, early"),
        (shop, "model=gpt-4o", "name two values or more, each once, as in model=A,B"),
        (shop, "model=a,a", "name two values or more, each once"),
        (shop, "model=a,", "name two values or more, each once"),
        (shop, "fast,model=a,b", "vary flags, or the values of one keyword"),
        (shop, "model=a,tries=2", "vary flags, or the values of one keyword"),
        (shop, "tries=1,many", "--vary tries: 'many' is no int"),
        (hinted, "effort=low,none", "'none' is no "),
        (warming, "prewarm", "rename the keyword"),
        (warming, "prewarm=yes,no", "rename the keyword"),
        (based, "baseline", "the arm with all off is called so: rename the keyword"),
        (shop, "model=a,b\nc", "'b\\nc' names an arm: take one of up to 50 characters"),
        (shop, "model=a,\x1b[31mb", "that can be printed"),
        (shop, "model=a,\udcff", "that can be printed"),
        (shop, f"model=a,{'b' * 51}", "take one of up to 50 characters"),
        (alone, "prewarm", "alone does not take the turn"),
        (flagged, None, "would have 5 flags varied: name up to 4 with --vary"),
        (by_name, None, "by_name takes 'model' by name only"),
        (len, None, "begin it with `async def`"),
        (OwnTurn, None, "is no function"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_mend(
    function: Callable[..., object], vary: str | None, told: str
) -> None:
    assert told in wrong(function, vary)
