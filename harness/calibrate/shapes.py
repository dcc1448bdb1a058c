"""The shape of a JSON value: its keys and the types below them, lengths and never a value; pure.

    {"model": "text(6)", "messages": ["2", {"role": "text(4-9)", "content?": "text(0-812)|null"}]}

An object stays an object; a key that not every one of several has ends in a question mark, and keys
that may be somebody's data become one, `{key}`. An array is how many it has, and what they are.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TypeAlias, Union

import msgspec

from harness.calibrate.masked import looks_secret
from harness.providers.call import UNREADABLE

Shape: TypeAlias = Union[str, "list[Shape]", "dict[str, Shape]"]

DEEPEST, MOST_KEYS, MOST_ITEMS = 8, 64, 256
DEEPER = ".."
"""What stands for all that is further down."""
ANY_KEY = "{key}"

_KEY = re.compile(r"\$?[A-Za-z_][A-Za-z_.:-]{0,39}[0-9]{0,2}", re.ASCII)
_TEXT = re.compile(r"text\(([0-9]+)(?:-([0-9]+))?\)")


def shape_of(documents: Iterable[bytes]) -> Shape | None:
    """Of one JSON value, or of several as one; None where none can be read."""
    shapes = [_shape(value, 0) for value in map(_read, documents) if value is not _UNREAD]
    return _joined(shapes) if shapes else None


def _read(document: bytes) -> object:
    try:
        value: object = msgspec.json.decode(document)
    except UNREADABLE:
        return _UNREAD
    return value


_UNREAD = object()


def _shape(value: object, depth: int) -> Shape:
    # Every call under way waits for this: so what there is most of is asked for first.
    if isinstance(value, str):
        return f"text({len(value)})"
    if (kind := _KINDS.get(type(value))) is not None:
        return kind
    if depth < DEEPEST and isinstance(value, dict):
        return _object(value, depth + 1)
    if depth < DEEPEST and isinstance(value, list):
        items = [_shape(item, depth + 1) for item in value[:MOST_ITEMS]]
        return [str(len(value)), _joined(items)] if items else ["0"]
    return DEEPER


_KINDS: dict[type, str] = {type(None): "null", bool: "bool", int: "integer", float: "number"}


def _object(value: dict[str, object], depth: int) -> Shape:
    shape: dict[str, Shape] = {}
    others = []
    for key, of in value.items():
        if len(shape) < MOST_KEYS and _is_plain(key):
            shape[key] = _shape(of, depth)
        else:
            others.append(_shape(of, depth))
    if others:
        shape[ANY_KEY] = _joined(others)
    return shape


@lru_cache(4096)
def _is_plain(key: str) -> bool:
    return _KEY.fullmatch(key) is not None and not looks_secret(key)


def _joined(shapes: list[Shape]) -> Shape:
    """One shape that all of them have."""
    if all(shape == shapes[0] for shape in shapes):
        return shapes[0]
    every = [one for shape in shapes for one in _alternatives(shape)]
    objects = [shape for shape in every if isinstance(shape, dict)]
    arrays = [shape for shape in every if isinstance(shape, list)]
    words = [shape for shape in every if isinstance(shape, str)]
    parts: list[Shape] = [word] if (word := _joined_words(words)) else []
    parts += [_joined_objects(objects)] if objects else []
    parts += [_joined_arrays(arrays)] if arrays else []
    return parts[0] if len(parts) == 1 else ["or", *parts]


def _alternatives(shape: Shape) -> list[Shape]:
    return shape[1:] if isinstance(shape, list) and shape[0] == "or" else [shape]


def _joined_objects(objects: list[dict[str, Shape]]) -> Shape:
    joined: dict[str, Shape] = {}
    for key in dict.fromkeys(key.rstrip("?") for of in objects for key in of):
        maybe = f"{key}?"
        always = [of[key] for of in objects if key in of]
        sometimes = [of[maybe] for of in objects if maybe in of]
        stays = key == ANY_KEY or len(always) == len(objects)
        joined[key if stays else maybe] = _joined([*always, *sometimes])
    return joined


def _joined_arrays(arrays: list[list[Shape]]) -> Shape:
    lengths = [int(end) for of in arrays for end in str(of[0]).split("-")]
    items = [item for of in arrays for item in of[1:]]
    told = _span(min(lengths), max(lengths))
    return [told, _joined(items)] if items else [told]


def _joined_words(words: list[str]) -> str:
    """Lengths of texts become one range, all else is told once."""
    kinds = dict.fromkeys(kind for word in words for kind in word.split("|"))
    found = [_TEXT.fullmatch(kind) for kind in kinds]
    ends = [int(end) for text in found if text for end in text.groups() if end is not None]
    others = sorted(kind for kind, text in zip(kinds, found, strict=True) if not text)
    texts = [f"text({_span(min(ends), max(ends))})"] if ends else []
    return "|".join([*texts, *others])


def _span(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low}-{high}"
