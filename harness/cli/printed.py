"""What a verb prints for programs to read: JSON on standard output, and nothing beside it."""


def print_json(what: object) -> None:
    """Indented, so that a person can read it too."""
    from msgspec import json  # After the options are parsed: help must not wait for it.

    print(json.format(json.encode(what), indent=2).decode())
