"""OAuth 2's client credentials grant and its bearer tokens, in both roles; it keeps no token.

Sources: RFC 6749, sections 2.3.1, 4.4 and 5; RFC 6750, sections 2.1 and 3. Not modelled: scopes,
which are ignored as an unknown parameter is, and tokens in a form or a query.
"""

import base64
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, quote_plus, unquote_plus, urlencode

import httpx
import msgspec

from harness.providers.call import UNREADABLE, Malformed, ProviderFault, fault_of, parse
from harness.providers.problem import Answer, fault
from harness.providers.rest import FORM, JSON, media_type

GRANT = "client_credentials"

TokenError = Literal["invalid_request", "invalid_client", "unsupported_grant_type"]


class TokenForm(msgspec.Struct, frozen=True):
    """Asks for an access token. The client names itself here or by Basic authentication, not by
    both."""

    grant_type: Literal["client_credentials"]
    client_id: str = ""
    client_secret: str = ""


class Token(msgspec.Struct, frozen=True):
    """Good for so many seconds, for whoever bears it."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int | float

    def __repr__(self) -> str:
        return f"Token(for {self.expires_in} s)"


class TokenRefusal(msgspec.Struct, frozen=True):
    error: TokenError
    error_description: str


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks for a token, and by which grant."""

    client_id: str
    secret: str
    grant: str

    def __repr__(self) -> str:
        return f"Client({self.client_id}, {self.grant})"


# Client side


def token_request(url: httpx.URL, client_id: str, secret: str) -> httpx.Request:
    # Both are form-encoded before they are joined, so that a colon in one cannot part the other.
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    headers = {
        "authorization": "Basic " + base64.b64encode(pair.encode()).decode(),
        "content-type": FORM,
        "accept": JSON,
    }
    return httpx.Request(
        "POST", url, headers=headers, content=urlencode({"grant_type": GRANT}).encode()
    )


def decode_token(status: int, headers: httpx.Headers, body: bytes) -> Token:
    """There is no refusal that a client could act on: all but a token is a fault."""
    if status != 200:
        raise _fault(status, body)
    told = parse(body, _Token)
    if told.token_type.lower() != "bearer":
        raise Malformed("the token is no bearer token")
    return Token(told.access_token, "Bearer", told.expires_in)


def _fault(status: int, body: bytes) -> ProviderFault:
    """Servers of tokens name an error by a word; what stands before them speaks of problems."""
    try:
        return fault_of(status, code=parse(body, _Refused).error)
    except Malformed:
        return fault(status, body)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


class _Token(msgspec.Struct):
    access_token: str
    token_type: str
    expires_in: float


class _Refused(msgspec.Struct):
    error: str


# Server side


def decode_client(request: httpx.Request) -> Client | TokenRefusal:
    if media_type(request) != FORM:
        return TokenRefusal("invalid_request", f"the body must be {FORM}")
    try:
        pairs = parse_qsl(request.content.decode(), max_num_fields=100)
    except UNREADABLE:
        return TokenRefusal("invalid_request", "the body is no form")
    form = dict(pairs)
    if len(form) < len(pairs):
        return TokenRefusal("invalid_request", "a parameter was sent twice")
    if "grant_type" not in form:
        return TokenRefusal("invalid_request", "grant_type is missing")
    basic = _basic(request)
    if basic and "client_secret" in form:
        return TokenRefusal("invalid_request", "the client named itself in two ways")
    client_id, secret = basic or (form.get("client_id", ""), form.get("client_secret", ""))
    return Client(client_id, secret, form["grant_type"])


def encode_token(reply: Token | TokenRefusal, realm: str) -> Answer:
    headers = {"content-type": JSON, "cache-control": "no-store"}
    if isinstance(reply, Token):
        return 200, headers, msgspec.json.encode(reply)
    if reply.error != "invalid_client":
        return 400, headers, msgspec.json.encode(reply)
    headers["www-authenticate"] = f'Basic realm="{realm}"'
    return 401, headers, msgspec.json.encode(reply)


def bearer_of(request: httpx.Request) -> str:
    """The access token that the client sent, "" if none."""
    scheme, token = _authorization(request)
    return token if scheme == "bearer" else ""


def challenge(realm: str, token: str) -> dict[str, str]:
    """What a server asks of whoever has no good token; who sent none is told no error code."""
    error = ', error="invalid_token"' if token else ""
    return {"www-authenticate": f'Bearer realm="{realm}"{error}'}


def _basic(request: httpx.Request) -> tuple[str, str] | None:
    scheme, text = _authorization(request)
    if scheme != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(text, validate=True).decode().partition(":")
    except UNREADABLE:
        return "", ""
    return unquote_plus(client_id), unquote_plus(secret)


def _authorization(request: httpx.Request) -> tuple[str, str]:
    scheme, _, rest = str(request.headers.get("authorization", "")).partition(" ")
    return scheme.lower(), rest.strip()
