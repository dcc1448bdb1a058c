"""Anything that a peer might send or a model might answer, for properties of the model wires."""

import json
import re
from collections.abc import Sequence

import msgspec
from hypothesis import strategies as st

from harness.providers.chat import Finish, Reply, ToolCall, Usage

names = st.text("abcdefgh_", min_size=1, max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(names, json_values, max_size=3).map(json.dumps)
FINISHES: tuple[Finish, ...] = ("stop", "length", "content_filter")


def replies(id_prefix: str, call_prefix: str) -> st.SearchStrategy[Reply]:
    """Replies whose ids are the wire's own and whose calls have arguments that are objects."""

    def made(text: str, thought: str, calls: list[tuple[str, str]], finish: Finish) -> Reply:
        return Reply(
            id=id_prefix + "1",
            model="m-1",
            created=0,
            text=text or None,
            tool_calls=tuple(
                ToolCall(f"{call_prefix}{n}", name, arguments)
                for n, (name, arguments) in enumerate(calls)
            ),
            finish="tool_calls" if calls else finish,
            usage=Usage(7, 9 + len(thought), len(thought)),
            reasoning=thought,
        )

    calls = st.lists(st.tuples(names, objects), max_size=3)
    return st.builds(
        made, st.text(max_size=90), st.text(max_size=9), calls, st.sampled_from(FINISHES)
    )


def pieces(text: str | None, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text or ""), size)] if text else []


def bodies(example: bytes) -> st.SearchStrategy[bytes]:
    """Bytes of any kind, and bodies near to a good one: other values in its fields, fields left
    out, a part of it."""
    good = json.loads(example)
    spoiled = st.builds(_spoiled, st.just(good), st.lists(st.integers(0, 40)), json_values)
    cut = st.integers(0, len(example)).map(lambda end: example[:end])
    return st.binary(max_size=60) | cut | spoiled.map(lambda value: json.dumps(value).encode())


def _spoiled(value: object, way: Sequence[int], by: object) -> object:
    """The value with another one in it, at the place that the way leads to."""
    if not way or not isinstance(value, dict | list) or not value:
        return by
    step, rest = way[0] % len(value), way[1:]
    if isinstance(value, list):
        return [_spoiled(item, rest, by) if n == step else item for n, item in enumerate(value)]
    return {
        key: _spoiled(item, rest, by) if n == step else item
        for n, (key, item) in enumerate(value.items())
    }


def lines_ended_by(end: bytes, stream: bytes) -> bytes:
    return re.sub(rb"\r\n|\n|\r", end, stream)


def decoded(raw: bytes) -> object:
    value: object = msgspec.json.decode(raw)
    return value
