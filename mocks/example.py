"""An example of what a JSON schema asks for: the least that keeps it; it draws nothing.

Understood: type, properties, required, items, minItems, enum, const, anyOf, oneOf, allOf (its
first), $ref into the schema itself, minimum, pattern not. A schema beyond that is answered with
an empty object, as a model would answer something.
"""

from collections.abc import Mapping

import msgspec

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

_DEEPEST = 12


def example(schema: msgspec.Raw, told: Mapping[str, Json]) -> Json:
    """`told` holds what is known for fields of these names on the first level."""
    try:
        root = msgspec.json.decode(schema)
    except msgspec.DecodeError:
        return {}
    return _of(root, root, told, 0)


def _of(schema: Json, root: Json, told: Mapping[str, Json], depth: int) -> Json:
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return {}
    if "$ref" in schema:
        return _of(_resolved(str(schema["$ref"]), root), root, told, depth + 1)
    for choice in ("anyOf", "oneOf", "allOf"):
        options = schema.get(choice)
        if isinstance(options, list) and options:
            return _of(options[0], root, told, depth + 1)
    if "const" in schema:
        return schema["const"]
    options = schema.get("enum")
    if isinstance(options, list) and options:
        return options[0]
    return _typed(schema, root, told, depth)


def _typed(schema: dict[str, Json], root: Json, told: Mapping[str, Json], depth: int) -> Json:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((name for name in kind if name != "null"), "null")
    kind = str(kind or ("object" if "properties" in schema else "string")).lower()
    if kind == "object":
        properties = schema.get("properties")
        fields = properties if isinstance(properties, dict) else {}
        return {
            name: told[name] if name in told else _of(of, root, {}, depth + 1)
            for name, of in fields.items()
        }
    if kind == "array":
        least = schema.get("minItems")
        items = [_of(schema.get("items"), root, {}, depth + 1)]
        return items * max(1, least) if isinstance(least, int) and least < 100 else items
    least = schema.get("minimum")
    number = least if isinstance(least, int | float) and not isinstance(least, bool) else 0
    plain: dict[str, Json] = {
        "integer": number,
        "number": number,
        "boolean": True,
        "null": None,
    }
    return plain.get(kind, "example")


def _resolved(ref: str, root: Json) -> Json:
    """A pointer into the schema itself, RFC 6901."""
    found = root
    for part in ref.removeprefix("#/").split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or name not in found:
            return {}
        found = found[name]
    return found
