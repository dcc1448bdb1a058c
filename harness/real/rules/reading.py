"""Bodies of requests, read as strictly as the least strict server could: no name twice, none that
is not expected. What is wrong is said without what a field holds."""

import json
import re
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import NoReturn
from urllib.parse import parse_qsl

import httpx

from harness.real.unsafe import Unsafe

FORM, JSON = "application/x-www-form-urlencoded", "application/json"
MOST_BODY = 65_536
"""Bytes of a payment's request."""


def form(encoded: bytes, what: str) -> dict[str, str]:
    """The fields of a form or a query. A list's, whose names end with [], are joined by commas."""
    if len(encoded) > MOST_BODY:
        raise Unsafe(f"{what} is larger than any of ours is")
    try:
        text = encoded.decode("ascii")
        if ";" in text:
            raise ValueError("what some servers take for another &")
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), errors="strict")
    except ValueError:
        raise Unsafe(f"{what} cannot be read: its amount is not known") from None
    fields: dict[str, str] = {}
    for name, value in pairs:
        if name in fields and not name.endswith("[]"):
            raise Unsafe(f"{what} has {_shown(name)} twice: nobody knows which one counts")
        fields[name] = f"{fields[name]},{value}" if name in fields else value
    return fields


def media(request: httpx.Request, kind: str, what: str) -> None:
    """A body is judged as UTF-8 of that kind, so whoever gets it must not take it for another."""
    told = request.headers.get("content-type", "").lower()
    if request.content and told.replace(" ", "") not in (kind, f"{kind};charset=utf-8"):
        raise Unsafe(f"{what} is sent as something else than {kind}")


def json_object(
    body: bytes, what: str, most: int = MOST_BODY, *, everywhere: bool = True
) -> dict[str, object]:
    """Numbers with a point are Decimals, so that they are still what was written. No name may be
    there twice, either `everywhere` or in the outermost object."""
    if len(body) > most:
        raise Unsafe(f"{what} is larger than any of ours is")
    twice = False

    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal twice  # The outermost object is the last.
        found = dict(pairs)
        twice = len(found) != len(pairs) or (everywhere and twice)
        return found

    try:
        told: object = json.loads(
            body.decode(), object_pairs_hook=members, parse_float=Decimal, parse_constant=_none
        )
    except (ValueError, RecursionError, ArithmeticError):
        raise Unsafe(f"{what} cannot be read: nobody knows what it costs") from None
    if not isinstance(told, dict):
        raise Unsafe(f"{what} is no JSON object: nobody knows what it costs")
    if twice:
        raise Unsafe(f"{what} has a member twice: nobody knows which one counts")
    return told


def unescaped(text: bytes) -> bytes:
    """JSON text with its letters as they are, wherever an escape stood for one."""
    return _ESCAPED.sub(lambda found: bytes([int(found[1] or b"2f", 16)]), text)


def member(of: Mapping[str, object], name: str, what: str) -> dict[str, object]:
    inner = of.get(name)
    if not isinstance(inner, dict):
        raise Unsafe(f"{what} has no {name}")
    return inner


def only(fields: Collection[str], allowed: Callable[[str], object], what: str) -> None:
    """Nothing may be there that nobody here writes: it could be money on its way elsewhere."""
    for name in fields:
        if not allowed(name):
            raise Unsafe(f"{what} has {_shown(name)}, which no request of ours has")


def flat(members: Mapping[str, object], what: str) -> None:
    """Nothing may be inside a member, where nobody looks."""
    if any(isinstance(value, dict | list) for value in members.values()):
        raise Unsafe(f"{what} has more in one of its members than any of ours has there")


def text(of: Mapping[str, object], name: str, form: str, what: str) -> str:
    value = of.get(name)
    if not isinstance(value, str) or not re.fullmatch(form, value, re.ASCII):
        raise Unsafe(f"{what} has no {name}, or one that is none")
    return value


def same(of: Mapping[str, object], name: str, value: str, what: str) -> None:
    if of.get(name) != value:
        raise Unsafe(f"{what} has not the {name} that it has to have")


def whole(value: object, what: str) -> int:
    """A whole amount in minor units, above zero; as a number or, of forms, as text."""
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 10**9:
        raise Unsafe(f"{what} has no amount that can be read: it has to be a whole one above zero")
    return value


def yuan(value: object, what: str) -> int:
    """An amount in yuan, in fen."""
    found = _YUAN.fullmatch(str(value)) if isinstance(value, str | int | Decimal) else None
    fen = int(found[1]) * 100 + int((found[2] or "").ljust(2, "0")) if found else 0
    if fen <= 0 or isinstance(value, bool):
        raise Unsafe(f"{what} has no amount that can be read: it has to be one in yuan above zero")
    return fen


def no_query(query: bytes, what: str) -> None:
    if query:
        raise Unsafe(f"{what} has a query, which no request of ours has there")


def no_body(body: bytes, what: str) -> None:
    if body:
        raise Unsafe(f"{what} has a body, which no request of ours has there")


def _none(name: str) -> NoReturn:
    raise ValueError(name)


def _shown(name: str) -> str:
    return name if _NAME.fullmatch(name) else "a field"


_ESCAPED = re.compile(rb"\\(?:u00([0-7][0-9A-Fa-f])|/)")
_NAME = re.compile(r"[A-Za-z_\[\]]{1,40}", re.ASCII)
_WHOLE = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_YUAN = re.compile(r"([0-9]{1,7})(?:\.([0-9]{1,2}))?", re.ASCII)
