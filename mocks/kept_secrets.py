"""What is left out of a call before it is put down: keys that are no mock's, and cards that are no
test cards; it puts down nothing.

A client whose base URL was changed and its key not sends a mock what opens somebody real. It is
refused, and the call is kept as that of somebody with no good key, which is refused likewise.
"""

import base64
import re
from dataclasses import dataclass
from urllib.parse import unquote_plus

import httpx

from mocks.host import KEY, KEYS
from mocks.stripe.cards import REAL_CARD, Decline, by_number
from mocks.trail import TOKEN_PREFIXES

UNKNOWN = "no-key-of-a-mock"
UNKNOWN_CARD, NO_CARD = b"4000000000000010", b"4000000000000011"
"""No test cards: by its digits one could be a card, and one could not."""

FEWEST_DIGITS = 8
"""Of what may be part of a card's number."""

_NAMES = re.compile(
    rb"auth|key|token|secret|cookie|credential|password|organization|project", re.IGNORECASE
)
_OPEN = frozenset({b"idempotency-key"})
"""What is called so and is none."""
_SCHEME = re.compile(r"(?:bearer|basic) +", re.IGNORECASE)
_SIGNED = re.compile(r"[A-Z0-9-]*SHA256\S* ")
"""A signature, and what was signed: nobody can use it again."""
_IN_QUERY = re.compile(
    r"(?i)([?&](?:[\w.-]*(?:key|secret|password|signature)|access_token|token|sig)=)([^&#]*)"
)


_IN_FORM = re.compile(
    rb"(?i)((?:^|&)(?:client_secret|app_secret|api_key|password|access_token)=)([^&]*)"
)
_CARD_IN_FORM = re.compile(rb"(?i)((?:\[|%5B)number(?:\]|%5D)=)([^&]*)")
_CODE_IN_FORM = re.compile(rb"(?i)((?:\[|%5B)cvc(?:\]|%5D)=)([^&]*)")
_IN_JSON = re.compile(
    rb'(?i)("(?:client_?secret|app_?secret|api_?key|password|access_token)"\s*:\s*")'
    rb'((?:[^"\\]|\\.)*)'
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A call as it may be put down; `whole` is whether that is as it came."""

    target: str
    headers: list[tuple[bytes, bytes]]
    body: bytes
    whole: bool


def without_secrets(request: httpx.Request) -> Shown:
    target = request.url.raw_path.decode("ascii")
    told = _IN_QUERY.sub(lambda of: of[1] + _shown(of[2]), target)
    came = [(name.lower(), value) for name, value in request.headers.raw]
    headers = [(name, _value(name, value)) for name, value in came]
    body = _body(request.content)
    whole = told == target and headers == came and body == request.content
    if len(body) != len(request.content):
        headers = [
            (name, b"%d" % len(body) if name == b"content-length" else value)
            for name, value in headers
        ]
    return Shown(told, headers, body, whole)


def _body(came: bytes) -> bytes:
    """Whatever it says it is: whoever sends a key by mistake may call it by another type."""
    told = came
    plain = came.lower()
    if any(hint in plain for hint in _HINTS):
        for named in (_IN_FORM, _IN_JSON):
            told = named.sub(lambda of: of[1] + _shown_raw(of[2]), told)
        known = told
        told = _CARD_IN_FORM.sub(lambda of: of[1] + _shown_card(of[2]), told)
        if told != known:
            told = _CODE_IN_FORM.sub(rb"\g<1>000", told)
    return told


_HINTS = (b"secret", b"api_key", b"apikey", b"password", b"access_token", b"[number", b"%5bnumber")
"""Most bodies have none of them."""


def _shown_raw(key: bytes) -> bytes:
    return key if _is_a_mocks(unquote_plus(key.decode("latin-1"))) else UNKNOWN.encode()


def _shown_card(number: bytes) -> bytes:
    """In place of a card that is no test card, one of which the same comes."""
    told = unquote_plus(number.decode("latin-1"))
    comes = by_number(told)
    if not isinstance(comes, Decline) or sum(c.isdigit() for c in told) < FEWEST_DIGITS:
        return number
    return UNKNOWN_CARD if comes is REAL_CARD else NO_CARD


def _value(name: bytes, value: bytes) -> bytes:
    if name in _OPEN or not _NAMES.search(name):
        return value
    text = value.decode("latin-1")
    if _SIGNED.match(text):
        return value
    scheme = _SCHEME.match(text)
    begins = scheme.end() if scheme else 0
    return f"{text[:begins]}{_shown(text[begins:])}".encode("latin-1")


def _shown(key: str) -> str:
    return key if _is_a_mocks(key) else UNKNOWN


def _is_a_mocks(key: str) -> bool:
    if not key or key in _OWN or key.startswith(tuple(TOKEN_PREFIXES.values())):
        return True
    try:  # As a user name or a password, as in RFC 7617.
        said = base64.b64decode(key, validate=True).decode()
    except ValueError:
        return False
    # Whoever has a password is called by the name of a client, which opens nothing.
    name, _, password = said.partition(":")
    return (password or name) in _OWN


_OWN = frozenset({KEY, *KEYS.values()})
