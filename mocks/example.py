"""An example of what a JSON schema asks for: the least that keeps it; it draws nothing.

Understood: type, properties, items, prefixItems, minItems, maxItems, enum, const, anyOf, oneOf,
allOf, $ref into the schema itself, the bounds of numbers and lengths, and the commoner formats; not
pattern, not and conditions. What nests too deep, or is too large to be an example, is cut off
there, as the answer of a model would be.
"""

import math
from collections.abc import Mapping

import msgspec

from harness.providers.call import UNREADABLE

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

DEEPEST = 12
MOST = 2000
"""How many values one example may have. A schema of a few bytes can ask for more than memory."""
LONGEST = 10_000
FARTHEST = 10**15

_FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "PT1S",
    "email": "a@example.org",
    "uri": "https://example.org/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "hostname": "example.org",
}


def example(schema: msgspec.Raw, told: Mapping[str, Json]) -> Json:
    """`told` holds what is known for fields of these names on the first level."""
    try:
        root = msgspec.json.decode(schema)
    except UNREADABLE:
        return {}
    return _Filler(root).of(root, told, 0)


class _Filler:
    """Fills one schema in, and counts what it has made."""

    def __init__(self, root: Json) -> None:
        self._root = root
        self._left = MOST

    def of(self, schema: Json, told: Mapping[str, Json], depth: int) -> Json:
        self._left -= 1
        if not isinstance(schema, dict) or depth > DEEPEST or self._left < 0:
            return {}
        if "$ref" in schema:
            return self.of(_resolved(str(schema["$ref"]), self._root), told, depth + 1)
        if "const" in schema:
            return schema["const"]
        options = schema.get("enum")
        if isinstance(options, list) and options:
            return options[0]
        parts = schema.get("allOf")
        if isinstance(parts, list) and parts:
            return self._all(schema, parts, told, depth)
        for choice in ("anyOf", "oneOf"):
            options = schema.get(choice)
            if isinstance(options, list) and options:
                return self.of(_simplest(options, depth), told, depth + 1)
        return self._typed(schema, told, depth)

    def _all(
        self, schema: dict[str, Json], parts: list[Json], told: Mapping[str, Json], depth: int
    ) -> Json:
        """All parts at once where they ask for objects, else the first."""
        own = {key: value for key, value in schema.items() if key != "allOf"}
        made = [self.of(part, told, depth + 1) for part in (*parts, own)]
        objects = [part for part in made if isinstance(part, dict)]
        if len(objects) < len(parts):
            return next(part for part in made if not isinstance(part, dict))
        return {key: value for part in objects for key, value in part.items()}

    def _typed(self, schema: dict[str, Json], told: Mapping[str, Json], depth: int) -> Json:
        match _kind(schema):
            case "object":
                properties = schema.get("properties")
                fields = properties if isinstance(properties, dict) else {}
                return {
                    name: told[name] if name in told else self.of(of, {}, depth + 1)
                    for name, of in fields.items()
                    if self._left > 0
                }
            case "array":
                return self._array(schema, depth)
            case "integer" | "number" as kind:
                return _number(schema, whole=kind == "integer")
            case "boolean":
                return True
            case "null":
                return None
            case _:
                return _text(schema)

    def _array(self, schema: dict[str, Json], depth: int) -> Json:
        firsts = schema.get("prefixItems")
        shapes = firsts if isinstance(firsts, list) else []
        count = max(_least(schema, "minItems", 1), len(shapes))
        most = schema.get("maxItems")
        count = min(count, most) if isinstance(most, int) else count
        items: list[Json] = []
        for n in range(count):
            if self._left <= 0:
                break
            shape = shapes[n] if n < len(shapes) else schema.get("items")
            items.append(self.of(shape, {}, depth + 1))
        return items


def _simplest(options: list[Json], depth: int) -> Json:
    """The first option; deep down rather the one that ends there, or a schema that contains itself
    would have no end."""
    if depth > DEEPEST // 2:
        for option in options:
            if isinstance(option, dict) and option.get("type") == "null":
                return option
    return options[0]


def _kind(schema: dict[str, Json]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((name for name in kind if name != "null"), "null")
    return str(kind or ("object" if "properties" in schema else "string")).lower()


def _number(schema: dict[str, Json], *, whole: bool) -> Json:
    """The least that is allowed, or the most, or 0: the nearest to 0 that keeps both bounds."""
    step = 1.0 if whole else 0.5
    low = max(_bound(schema, "minimum", -1, 0.0), _bound(schema, "exclusiveMinimum", -1, step))
    high = min(_bound(schema, "maximum", 1, 0.0), _bound(schema, "exclusiveMaximum", 1, -step))
    nearest = max(low, min(high, 0.0))
    if whole:
        nearest = math.ceil(nearest) if nearest > 0 else math.floor(nearest)
    return int(nearest) if nearest == int(nearest) else nearest


def _bound(schema: dict[str, Json], name: str, side: int, step: float) -> float:
    """That far from the bound, on the side where values are allowed; infinite without one."""
    bound = schema.get(name)
    if not isinstance(bound, int | float) or isinstance(bound, bool):
        return side * math.inf
    # JSON has integers that are too large for a float.
    return float(min(max(bound, -FARTHEST), FARTHEST)) + step


def _text(schema: dict[str, Json]) -> str:
    text = _FORMATS.get(str(schema.get("format", "")), "example")
    least, most = _least(schema, "minLength", 0), schema.get("maxLength")
    text = text.ljust(min(least, LONGEST), ".")
    return text[:most] if isinstance(most, int) and most >= 0 else text


def _least(schema: dict[str, Json], name: str, otherwise: int) -> int:
    bound = schema.get(name)
    return bound if isinstance(bound, int) and not isinstance(bound, bool) else otherwise


def _resolved(ref: str, root: Json) -> Json:
    """A pointer into the schema itself, RFC 6901."""
    found = root
    for part in ref.removeprefix("#").strip("/").split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        if not name and found is root:
            return root
        if not isinstance(found, dict) or name not in found:
            return {}
        found = found[name]
    return found
