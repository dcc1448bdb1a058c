"""What a keyword must be, told where it was given something else; whether it makes sense is asked
elsewhere."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from reprlib import repr as shortened
from typing import TYPE_CHECKING

from harness.cli.problems import Problems

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True, slots=True)
class Kind:
    what: str
    """Such as `text, as "5%"`: what it must be."""
    fits: Callable[[object], bool]


def check_kinds(asked: "DataclassInstance", kinds: Mapping[str, Kind], problems: Problems) -> None:
    """All of its fields, each by its kind."""
    for name, kind in kinds.items():
        value = getattr(asked, name)
        if not kind.fits(value):
            problems.add(f"{name} must be {kind.what}, not {shortened(value)}")


def is_text(value: object) -> bool:
    return isinstance(value, str)


def is_text_or_none(value: object) -> bool:
    return value is None or is_text(value)


def is_texts(value: object) -> bool:
    """Several, and not the letters of one."""
    return isinstance(value, Sequence) and not is_text(value) and all(map(is_text, value))


def is_named(value: object) -> bool:
    return isinstance(value, Mapping) and all(map(is_text, value))


def is_transports(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        is_text(host) and callable(getattr(of, "handle_async_request", None))
        for host, of in value.items()
    )


def is_percentile(value: object) -> bool:
    return is_text(value) or (isinstance(value, int | float) and not isinstance(value, bool))


def is_folder_or_bool(value: object) -> bool:
    return value is None or isinstance(value, bool | str | PathLike)
