"""Problem details, the error body of REST interfaces, in both roles; it decides no status.

Source: RFC 9457. `type` is a URI that names the kind of problem, and the only member that a program
should go by. Here its last segment is that name, and nobody serves it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from harness.providers.call import UNREADABLE, ProviderFault, fault_of

MEDIA_TYPE = "application/problem+json"

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers and body."""


class Problem(msgspec.Struct, frozen=True):
    """`title` says to a person what `type` says to a program; `detail` is of this case alone."""

    type: str
    title: str
    status: int
    detail: str

    @property
    def kind(self) -> str:
        return self.type.rsplit("/", 1)[-1]

    @property
    def code(self) -> str:
        """The kind, or what it is called where it has none, to group by: no query, which may be of
        this case alone."""
        kind = self.kind.partition("?")[0].rpartition("#")[2]
        return self.title if kind in ("", "about:blank") else kind


@dataclass(frozen=True, slots=True)
class Objection:
    """A problem that a server answers with, and the headers that go with it."""

    problem: Problem
    headers: Mapping[str, str] = field(default_factory=dict)


def encode_problem(of: Objection) -> Answer:
    headers = {"content-type": MEDIA_TYPE, **of.headers}
    return of.problem.status, headers, msgspec.json.encode(of.problem)


def retry_after(seconds: float) -> dict[str, str]:
    """The header is in whole seconds (RFC 9110, 10.2.3), and who comes too early comes in vain."""
    return {"retry-after": str(max(1, math.ceil(seconds)))}


def decode_problem(status: int, body: bytes) -> Problem:
    """What an error answer says; one that is no problem object says only its status. Every member
    is optional, and unknown ones are ignored."""
    try:
        told = msgspec.json.decode(body, type=_Told)
    except UNREADABLE:
        told = _Told()
    return Problem(told.type, told.title, status, told.detail)


def fault(status: int, body: bytes) -> ProviderFault:
    """The provider's fault that an error answer stands for."""
    problem = decode_problem(status, body)
    return fault_of(status, f"{status} {problem.title}".strip(), problem.code)


class _Told(msgspec.Struct):
    type: str = "about:blank"
    title: str = ""
    detail: str = ""
