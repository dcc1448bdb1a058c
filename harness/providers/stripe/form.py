"""The form bodies of the Stripe API: nested names, values as text; it knows no single parameter.

    amount=2000&metadata[order]=o-1&expand[]=latest_charge&items[0]=a

What a parameter may hold is said by the type of a struct's field, and what is wrong with a value
is told in the words of the API. Grammar and words: Stripe API reference, "Errors", and the bodies
that stripe-python 16.1.0 sends.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode

import msgspec
from msgspec import inspect

S = TypeVar("S", bound=msgspec.Struct)
Tree = str | list["Tree"] | dict[str, "Tree"]

MOST_PAIRS, MOST_NESTED = 1000, 8
MOST_KEYS, MOST_KEY, MOST_VALUE = 50, 40, 500
"""Of metadata; a longer value elsewhere is refused at MOST_TEXT."""
MOST_TEXT = 5000


class Unfit(ValueError):
    """A parameter that the API would not take."""

    def __init__(self, message: str, param: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message, self.param, self.code = message, param, code


# To the wire


def write(params: msgspec.Struct, leave_out: Sequence[str] = ()) -> str:
    """What differs from the struct's defaults, without the fields that go elsewhere."""
    told = msgspec.to_builtins(params)
    assert isinstance(told, dict)
    kept = {name: value for name, value in told.items() if name not in leave_out}
    return urlencode([pair for name, value in kept.items() for pair in _pairs(name, value)])


def _pairs(name: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _pairs(f"{name}[{key}]", inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _pairs(f"{name}[]", inner)
    elif isinstance(value, bool):
        yield name, str(value).lower()
    elif value is not None:
        yield name, str(value)


# From the wire


def parse(text: str) -> dict[str, Tree]:
    """The nested parameters, or Unfit."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_PAIRS)
    except ValueError:
        raise Unfit("Invalid request: its parameters are not readable as a form.") from None
    tree: dict[str, Tree] = {}
    for name, value in pairs:
        whole = _NAME.fullmatch(name)
        first, steps = (whole[1], _STEP.findall(whole[2])) if whole else (name, [])
        if len(steps) > MOST_NESTED:
            raise Unfit("Invalid request: its parameters are nested too deeply.")
        tree[first] = _graft(tree.get(first), steps, value, first)
    return tree


def read(tree: Mapping[str, Tree], shape: type[S], given: Mapping[str, str] | None = None) -> S:
    """The parameters as that struct, or Unfit. What is `given` comes from elsewhere, the path, and
    is no parameter."""
    return msgspec.convert({**_read(tree, shape, "", given or {}), **(given or {})}, shape)


def _graft(at: Tree | None, steps: Sequence[str], value: str, param: str) -> Tree:
    """What stands at a place, with the value put in at the end of the steps from there."""
    if not steps:
        return value  # Of several the last counts.
    step, *rest = steps
    if step == "":
        at = [] if at is None else at
        if not isinstance(at, list):
            raise Unfit("Invalid array", param)
        at.append(_graft(None, rest, value, param))
        return at
    at = {} if at is None else at
    if not isinstance(at, dict):
        raise Unfit("Invalid object", param)
    at[step] = _graft(at.get(step), rest, value, param)
    return at


def _read(
    tree: Mapping[str, Tree], shape: type[msgspec.Struct], within: str, given: Mapping[str, str]
) -> dict[str, object]:
    fields = {name: field for name, field in _fields(shape).items() if name not in given}
    _no_others([_inside(within, name) for name in tree if name not in fields])
    values = {}
    for name, field in fields.items():
        where, raw = _inside(within, name), tree.get(name, "")
        if raw != "":
            values[name] = _value(raw, field.type, where)
        elif field.required:
            raise _empty(where) if name in tree else _missing(where)
    return values


def _value(raw: Tree, kind: inspect.Type, where: str) -> object:
    match kind:
        case inspect.UnionType():
            return _value(raw, _not_none(kind), where)
        case inspect.StructType():
            return _read(_object(raw, where), kind.cls, where, {})
        case inspect.DictType():
            return _mapping(_object(raw, where), where)
        case inspect.ListType():
            return [_value(item, kind.item_type, where) for item in _array(raw, where)]
        case inspect.CustomType():
            return raw  # Of type object: anything.
    if not isinstance(raw, str):
        raise Unfit("Invalid string", where)
    match kind:
        case inspect.IntType():
            return _whole(raw, kind, where)
        case inspect.BoolType():
            return _flag(raw, where)
        case inspect.LiteralType():
            return _choice(raw, kind, where)
    if len(raw) > MOST_TEXT:
        raise Unfit(f"Invalid string: must be at most {MOST_TEXT} characters", where)
    return raw


def _whole(raw: str, kind: inspect.IntType, where: str) -> int:
    if not _WHOLE.fullmatch(raw):
        raise Unfit(f"Invalid integer: {raw[:40]}", where, "parameter_invalid_integer")
    number = int(raw)
    if kind.ge is not None and number < kind.ge:
        told = f"This value must be greater than or equal to {kind.ge}."
        raise Unfit(told, where, "parameter_invalid_integer")
    if kind.le is not None and number > kind.le:
        told = f"This value must be less than or equal to {kind.le}."
        raise Unfit(told, where, "parameter_invalid_integer")
    return number


def _flag(raw: str, where: str) -> bool:
    if raw not in ("true", "false"):
        raise Unfit(f"Invalid boolean: {raw[:40]}", where)
    return raw == "true"


def _choice(raw: str, kind: inspect.LiteralType, where: str) -> str:
    if raw not in kind.values:
        *others, last = map(str, kind.values)
        told = f"{', '.join(others)}, or {last}" if others else last
        raise Unfit(f"Invalid {where}: must be one of {told}", where)
    return raw


def _mapping(raw: Mapping[str, Tree], where: str) -> dict[str, str]:
    """Metadata: an empty value takes its key away."""
    for name, value in raw.items():
        if not isinstance(value, str):
            raise Unfit("Metadata values must be strings.", _inside(where, name))
        if len(name) > MOST_KEY:
            raise Unfit(f"Metadata keys can have up to {MOST_KEY} characters.", where)
        if len(value) > MOST_VALUE:
            raise Unfit(f"Metadata values can have up to {MOST_VALUE} characters.", where)
    if len(raw) > MOST_KEYS:
        raise Unfit(f"Metadata can have up to {MOST_KEYS} keys.", where)
    return {name: str(value) for name, value in raw.items() if value != ""}


def _object(raw: Tree, where: str) -> Mapping[str, Tree]:
    if not isinstance(raw, dict):
        raise Unfit("Invalid object", where)
    return raw


def _array(raw: Tree, where: str) -> list[Tree]:
    """Written as name[]=a&name[]=b, or with a number for each place."""
    if isinstance(raw, dict) and all(name.isdecimal() and len(name) < 5 for name in raw):
        return [raw[name] for name in sorted(raw, key=int)]
    if not isinstance(raw, list):
        raise Unfit("Invalid array", where)
    return raw


def _no_others(unknown: Sequence[str]) -> None:
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        told = f"Received unknown parameter{plural}: {', '.join(unknown)[:200]}"
        raise Unfit(told, unknown[0], "parameter_unknown")


def _missing(where: str) -> Unfit:
    return Unfit(f"Missing required param: {where}.", where, "parameter_missing")


def _empty(where: str) -> Unfit:
    told = (
        f"You passed an empty string for '{where}'. We assume empty values are an attempt to unset "
        f"a field; however '{where}' cannot be unset. You should remove '{where}' from your "
        "request or supply a non-empty value."
    )
    return Unfit(told, where, "parameter_invalid_empty")


def _inside(within: str, name: str) -> str:
    return f"{within}[{name[:80]}]" if within else name[:80]


def _not_none(kind: inspect.UnionType) -> inspect.Type:
    return next(one for one in kind.types if not isinstance(one, inspect.NoneType))


@cache
def _fields(shape: type[msgspec.Struct]) -> dict[str, inspect.Field]:
    told = inspect.type_info(shape)
    assert isinstance(told, inspect.StructType)
    return {field.encode_name: field for field in told.fields}


_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_STEP = re.compile(r"\[([^\[\]]*)\]")
_WHOLE = re.compile(r"-?[0-9]{1,15}")
