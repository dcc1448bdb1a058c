"""What `--vary` means of a function of the user's own: its arms, each with the values of the
keywords that are varied; it plays none.
"""

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any, cast

import msgspec

from harness.cli.casting import Variant
from harness.cli.problems import Problems
from harness.flow.own_function import OwnFlow, called_by, name_of, wants_turn, what_is_wrong
from harness.flow.strategy import MITIGATIONS, Strategy, strategy_of

MOST_FLAGS = 4
"""Each doubles the arms."""
BASELINE = "baseline"
"""The arm that has all of its flags off."""
LONGEST_VALUE = 50
"""Characters: it names an arm in every table and chart."""


@dataclass(frozen=True, slots=True)
class Varied:
    """The arms of a comparison, the first of them what the others are compared with."""

    variants: tuple[Variant, ...] = ()
    functions: tuple[OwnFlow, ...] = ()
    """Of each arm, with its keywords filled in."""
    factors: tuple[str, ...] = ()
    """What is on or off in each: the arms are all combinations of it."""


@dataclass(frozen=True, slots=True)
class Keyword:
    """A parameter that a function can be called with by its name."""

    name: str
    kind: Any  # an annotation, whatever the user has written there

    @property
    def is_flag(self) -> bool:
        return self.kind is bool


def varied_of(function: object, vary: str | None, problems: Problems) -> Varied:
    """Without `vary` all of its flags are varied. What is wrong goes to the problems, and the
    answer is then not to be used.

    `a,b` names flags of the function, and mitigations where it has none by that name: each is off
    and on, in all combinations. `model=x,y` names values of one keyword: an arm a value.
    """
    if not callable(function) or inspect.isclass(function):
        problems.add(what_is_wrong(function))
        return Varied()
    keywords = _keywords(function)
    if vary is not None and "=" in vary:
        return _by_value(function, keywords, vary, problems)
    return _by_flags(function, keywords, vary, problems)


def _by_flags(
    function: Callable[..., object],
    keywords: Mapping[str, Keyword],
    vary: str | None,
    problems: Problems,
) -> Varied:
    if vary is None:
        taken = (*MITIGATIONS, BASELINE)
        names = [name for name, of in keywords.items() if of.is_flag and name not in taken]
    else:
        names = [part.strip().replace("-", "_") for part in vary.split(",") if part.strip()]
        _check_flags(function, keywords, names, problems)
    if len(names) > MOST_FLAGS:
        problems.add(
            f"{name_of(function)} would have {len(names)} flags varied: name up to {MOST_FLAGS} "
            "with --vary"
        )
        return Varied()
    own = [name for name in names if name in keywords]
    mitigations = [name for name in MITIGATIONS if name in names and name not in keywords]
    factors = (*mitigations, *own)
    levels = [
        dict(zip(factors, on, strict=True)) for on in product((False, True), repeat=len(factors))
    ]
    arms = [_filled(function, {name: at[name] for name in own}, problems) for at in levels]
    variants = [_flagged(at, own, mitigations) for at in levels]
    return Varied(tuple(variants), tuple(arms), factors)


def _check_flags(
    function: Callable[..., object],
    keywords: Mapping[str, Keyword],
    names: Sequence[str],
    problems: Problems,
) -> None:
    called = name_of(function)
    takes_turn = wants_turn(partial(function, **dict.fromkeys(keywords)))
    if not names:
        problems.add("--vary names nothing: leave it out, or name flags of the function")
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            problems.add(f"--vary names {name} twice: name it once")
        if name in keywords and name in MITIGATIONS:
            problems.add(_taken(name, function))
        elif name in keywords and name == BASELINE:
            problems.add(f"--vary {name}: the arm with all off is called so: rename the keyword")
        elif name in keywords and not keywords[name].is_flag:
            problems.add(
                f"--vary {name}: it is no flag of {called}: name its values, as in "
                f"--vary {name}=A,B"
            )
        elif name in MITIGATIONS and name not in keywords and not takes_turn:
            problems.add(
                f"--vary {name}: {called} does not take the turn, of which turn.strategy says that "
                "it is on: begin it with `async def f(turn)`"
            )
        elif name not in keywords and name not in MITIGATIONS:
            flags = ", ".join(of for of, kind in keywords.items() if kind.is_flag) or "none"
            problems.add(f"--vary {name}: {called} has no such keyword; its flags are: {flags}")


def _taken(name: str, function: object) -> str:
    return (
        f"--vary {name}: {name_of(function)} has a keyword by that name, and turn.strategy has the "
        "mitigation: rename the keyword"
    )


def _by_value(
    function: Callable[..., object],
    keywords: Mapping[str, Keyword],
    vary: str,
    problems: Problems,
) -> Varied:
    name, _, told = vary.partition("=")
    name, values = name.strip(), [value.strip() for value in told.split(",")]
    keyword = keywords.get(name)
    if "," in name or any("=" in value for value in values):
        problems.add(
            f"--vary {vary}: vary flags, or the values of one keyword: what is in one run is "
            "either on and off, or one of several"
        )
    elif keyword is None:
        there = ", ".join(keywords) or "none"
        problems.add(
            f"--vary {name}=...: {name_of(function)} has no such keyword; its keywords are: {there}"
        )
    elif name in MITIGATIONS:
        problems.add(_taken(name, function))
    elif len(set(values)) < max(2, len(values)) or not all(values):
        problems.add(f"--vary {name}=...: name two values or more, each once, as in {name}=A,B")
    elif unfit := [of for of in values if len(of) > LONGEST_VALUE or not of.isprintable()]:
        problems.add(
            f"--vary {name}=...: {unfit[0]!r} names an arm: take one of up to {LONGEST_VALUE} "
            "characters that can be printed, and have the function know it by that"
        )
    else:
        arms = [
            _filled(function, {name: _read(keyword, text, problems)}, problems) for text in values
        ]
        variants = [Variant(text, Strategy(), (), {name: text}) for text in values]
        return Varied(tuple(variants), tuple(arms))
    return Varied()


def _flagged(at: Mapping[str, bool], own: Sequence[str], mitigations: Sequence[str]) -> Variant:
    name = "+".join(factor for factor, on in at.items() if on) or BASELINE
    strategy = strategy_of(factor for factor in mitigations if at[factor])
    return Variant(name, strategy, (), {factor: at[factor] for factor in own})


def _filled(
    function: Callable[..., object], keywords: Mapping[str, object], problems: Problems
) -> OwnFlow:
    filled = partial(function, **keywords) if keywords else function
    if (wrong := what_is_wrong(filled)) and problems.none:
        problems.add(wrong)
    return cast(OwnFlow, filled)


def _read(keyword: Keyword, text: str, problems: Problems) -> object:
    """The value that this text is of the keyword's kind."""
    try:
        value: object = msgspec.convert(text, keyword.kind, strict=False)
    except (TypeError, ValueError):
        kind = getattr(keyword.kind, "__name__", keyword.kind)
        problems.add(f"--vary {keyword.name}: {text!r} is no {kind}")
        return None
    return value


def _keywords(function: Callable[..., object]) -> dict[str, Keyword]:
    """Those with a value already, or by name only; what else there is would be the turn."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {
        name: Keyword(name, _kind(of, _annotations(function)))
        for name, of in inspect.signature(function).parameters.items()
        if of.kind in kinds and (of.kind is of.KEYWORD_ONLY or of.default is not of.empty)
    }


def _annotations(function: Callable[..., object]) -> dict[str, Any]:
    """Read where they are kept as text; none where that names what is not there when it runs."""
    called = called_by(function)
    is_plain = inspect.isfunction(called) or inspect.ismethod(called)
    hinted = called if is_plain else type(called).__call__
    try:
        return typing.get_type_hints(hinted)
    except Exception:  # An annotation kept as text is code, and may raise anything.
        return {}


def _kind(of: inspect.Parameter, hints: Mapping[str, Any]) -> Any:
    """As it is annotated, or else as its default is; text where neither tells."""
    told = hints.get(of.name)
    if told is not None:
        return told
    return type(of.default) if type(of.default) in (bool, int, float) else str
