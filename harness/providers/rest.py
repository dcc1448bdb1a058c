"""What the plain REST payment interfaces have in common: fields, bodies, problems; no path of any.

Field types carry their limits, so that the decoder and the OpenAPI description agree.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

import httpx
import msgspec
from msgspec import Meta

from harness.providers.call import UNREADABLE
from harness.providers.problem import Objection, Problem, retry_after

T = TypeVar("T", bound=msgspec.Struct)

JSON, FORM = "application/json", "application/x-www-form-urlencoded"

Number = Annotated[str, Meta(pattern="^[0-9A-Za-z_-]+$", min_length=1, max_length=64)]
"""A merchant's own number of something. It stands in paths."""
Positive = Annotated[int, Meta(ge=1, le=1_000_000_000_000)]
Booked = Annotated[int, Meta(ge=0)]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$", max_length=3)]
Text = Annotated[str, Meta(min_length=1, max_length=128)]

NUMBER_IN_PATH = "[0-9A-Za-z_-]{1,64}"
NO_CURRENCY = "XXX"
"""ISO 4217's code for none: of a number that was given up before any payment came."""

_COMMON = {
    "not-json": (400, "The body is not JSON"),
    "no-such-path": (404, "There is nothing at this path"),
    "method-not-allowed": (405, "Another method is for this path"),
    "unsupported-media-type": (415, "Another media type is for this body"),
    "invalid-fields": (422, "A field is missing or not as described"),
    "rate-limited": (429, "Too many calls"),
    "overloaded": (503, "No capacity now"),
}


class Problems:
    """All that one interface objects to: kinds of problem with status and title. The kinds whose
    names are its own stand beside those that every interface has."""

    def __init__(self, uri: str, own: Mapping[str, tuple[int, str]]) -> None:
        self._uri = uri
        self._kinds = {**_COMMON, **own}

    def status(self, kind: str) -> int:
        return self._kinds[kind][0]

    def objection(
        self, kind: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> Objection:
        status, title = self._kinds[kind]
        return Objection(Problem(self._uri + kind, title, status, detail), headers or {})

    def wrong_method(self, allowed: str) -> Objection:
        return self.objection("method-not-allowed", f"it takes {allowed}", {"allow": allowed})

    def turned_away(
        self, why: Literal["rate_limited", "overloaded"], retry_after_s: float
    ) -> Objection:
        kind = "rate-limited" if why == "rate_limited" else "overloaded"
        return self.objection(kind, "come again later", retry_after(retry_after_s))

    def body(self, request: httpx.Request, kind: type[T]) -> T | Objection:
        """The JSON body as that struct, or what is wrong with it."""
        if media_type(request) != JSON:
            return self.objection("unsupported-media-type", f"the body must be {JSON}")
        try:
            untyped = _DECODER.decode(request.content)
        except UNREADABLE as error:
            return self.objection("not-json", str(error))
        try:
            return msgspec.convert(untyped, kind)
        except msgspec.ValidationError as error:
            return self.objection("invalid-fields", str(error))


def media_type(request: httpx.Request) -> str:
    content_type = str(request.headers.get("content-type", ""))
    return content_type.partition(";")[0].strip().lower()


def end_here(number: str) -> None:
    """Raises ValueError for what `Number` lets through: its $ is the very end to JSON Schema, but
    Python's also stands before a last line end."""
    if number.endswith("\n"):
        raise ValueError("a number holds no line end")


def _number(text: str) -> int | float:
    # To JSON Schema, 1.0 is an integer.
    number = float(text)
    return int(number) if number.is_integer() else number


_DECODER = msgspec.json.Decoder(float_hook=_number)
