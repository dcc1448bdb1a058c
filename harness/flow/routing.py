"""Where a call of an unmodified client goes: by its host to a server of the turn's, with that one's
key in place of the client's. It catches no call and makes none.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import ModuleType

import httpx

from harness.providers import MODELS, PAYMENTS
from harness.providers.call import Endpoint
from harness.providers.chat import ModelWire
from harness.providers.environment import root_of

_OF_THE_CONNECTION = (
    "connection", "content-length", "expect", "host", "keep-alive", "proxy-connection", "te",
    "trailer", "transfer-encoding", "upgrade",
)  # fmt: skip
"""Headers that say how a request is sent, which is not how the client believed: those of RFC 9110,
section 7.6.1, and what goes with them."""
_SECRETS = frozenset({
    "api-key", "apikey", "cookie", "ocp-apim-subscription-key", "private-token",
    "proxy-authorization", "x-access-token", "x-amz-security-token", "x-auth-token",
    "x-functions-key", "x-goog-iam-authorization-token",
})  # fmt: skip
"""Headers that clients have credentials in, and that no mock reads."""
_SCHEMES = (b"bearer", b"basic", b"digest", b"token", b"aws4-hmac-sha256")
"""What a header of a key may begin with; what begins otherwise is the key itself."""
_KEY_IN_QUERY, _TOKEN_IN_QUERY = "key", "access_token"
"""As Google's clients have them; to nobody else they have a meaning, and the second to no mock."""


class BadFlow(Exception):
    """A user's function does what cannot be played; the text says what to do instead."""


@dataclass(frozen=True, slots=True)
class Client:
    """What a client has sent but for method and URL: headers as they stand, and the whole body."""

    headers: Iterable[tuple[bytes, bytes]]
    body: bytes


@dataclass(frozen=True, slots=True)
class Route:
    """One server: the provider that its calls are told of as, and what its URLs begin with."""

    provider: str
    transport: httpx.AsyncBaseTransport
    base_url: str = ""
    """In place of the client's scheme and host; "" leaves its URL as it is."""
    key: str = ""
    """"" leaves the client's own."""
    key_headers: tuple[str, ...] = ()
    left_out: frozenset[str] = frozenset()
    """Headers in which a client may have a key that is not this server's business."""
    mocked: bool = False
    """Whether it is one of our own mocks, that is told which draw it is to serve a call with."""

    @property
    def pays(self) -> bool:
        """Whether a refusal of its is the payer's business, and nobody's fault."""
        return self.mocked and self.provider in PAYMENTS

    def request(self, method: str, url: str, client: Client) -> httpx.Request:
        """The client's request, as this server gets it. A key that is not there stays missing, so
        that the server can refuse it."""
        target = self._target(httpx.URL(url))
        named = [(name.decode("latin-1").lower(), value) for name, value in client.headers]
        headers = [
            (name.encode("latin-1"), self._opened(name, value))
            for name, value in named
            if name not in _OF_THE_CONNECTION and name not in self.left_out
        ]
        return httpx.Request(method, target, headers=headers, content=client.body)

    def _target(self, url: httpx.URL) -> httpx.URL:
        if not self.base_url:
            return url
        there = httpx.URL(self.base_url + url.raw_path.decode("ascii"))
        if self.key and there.params.get(_KEY_IN_QUERY):
            there = there.copy_set_param(_KEY_IN_QUERY, self.key)
        if _TOKEN_IN_QUERY in there.params:
            there = there.copy_remove_param(_TOKEN_IN_QUERY)
        return there

    def _opened(self, name: str, value: bytes) -> bytes:
        """Nothing of the client's but the scheme remains, and that only with something after it."""
        if not self.key or name not in self.key_headers or not value.strip():
            return value
        scheme, _, told = value.strip().partition(b" ")
        if scheme.lower() not in _SCHEMES:
            return self.key.encode("ascii")
        if not told:
            return scheme
        key = _basic(told, self.key) if scheme.lower() == b"basic" else self.key.encode("ascii")
        return scheme + b" " + key


class Routes:
    """The servers of a turn, by the hosts that clients know them by."""

    def __init__(
        self,
        at: Mapping[str, Endpoint],
        transport: httpx.AsyncBaseTransport,
        others: Mapping[str, httpx.AsyncBaseTransport] = {},
    ) -> None:
        """`at` are the mocks, by provider, all of them behind `transport`. `others` are servers of
        the user's own, by host or by host and port."""
        self.at = at
        self._others = {host: Route(host, of) for host, of in others.items()}
        self._public = {
            host: Route(
                provider,
                transport,
                root_of(provider, to.base_url),
                to.key,
                keys,
                _ALL_KEYS - {*keys},
                True,
            )
            for provider, to in at.items()
            for keys in [_key_headers(provider)]
            for host in getattr(_wire(provider), "HOSTS", ())
        }
        self._own = {
            httpx.URL(to.base_url): Route(
                provider, transport, left_out=_foreign_keys(provider), mocked=True
            )
            for provider, to in at.items()
        }

    def to(self, url: str) -> Route:
        """Raises BadFlow for a host that nobody has."""
        asked = httpx.URL(url)
        if asked.scheme not in ("http", "https"):
            raise BadFlow(
                f"a call goes to {shown(url).lstrip('/')!r}, which is no address: begin it with https://"
            )
        place = asked.host if asked.port is None else f"{asked.host}:{asked.port}"
        route = self._others.get(place) or self._others.get(asked.host)
        route = route or self._mock(asked) or self._public.get(asked.host)
        if route is None:
            raise BadFlow(
                f"a call goes to {place}, and there is no mock of it: name a server for it, "
                f"others={{{asked.host!r}: httpx.MockTransport(...)}}; {self._known()}"
            )
        return route

    def endpoint(self, provider: str) -> Endpoint:
        """Raises BadFlow for a provider that has no mock."""
        if provider not in self.at:
            raise BadFlow(f"there is no mock of {provider!r}: take one of {', '.join(self.at)}")
        return self.at[provider]

    def behind(self, path: str) -> str:
        """The mock's own address for a path below a door, which begins with the provider. Raises
        BadFlow for a provider that has no mock."""
        provider, slash, rest = path.removeprefix("/").partition("/")
        return root_of(provider, self.endpoint(provider).base_url) + slash + rest

    def below(self, address: str) -> dict[str, Endpoint]:
        """Every mock as it is found by way of a door's address."""
        return {
            provider: replace(to, base_url=f"{address}/{provider}{to.base_url[len(root) :]}")
            for provider, to in self.at.items()
            for root in [root_of(provider, to.base_url)]
        }

    def is_other(self, transport: object) -> bool:
        """Whether it is one that the user gave, and not one of a client in the function."""
        return any(route.transport is transport for route in self._others.values())

    def _mock(self, asked: httpx.URL) -> Route | None:
        """The mock whose own address it is: that of the longest path, as one may begin another."""
        fits = [url for url in self._own if _is_below(asked, url)]
        return self._own[max(fits, key=lambda url: len(url.raw_path))] if fits else None

    def _known(self) -> str:
        return f"known are {', '.join([*self._public, *self._others])}"


def shown(words: str) -> str:
    """A URL, or words that hold some, without what may be a secret: a query, a user's name."""
    return _USER.sub("", _QUERY.sub("", words))


_QUERY = re.compile(r"[?#][^\s'\"]*")
_USER = re.compile(r"(?<![^/\s'\"])[^/\s'\"@]+@")


def _basic(told: bytes, key: str) -> bytes:
    """The key as the user and nothing else, as by HTTP's Basic authentication; none where the
    client has none."""
    try:
        user = base64.b64decode(told, validate=True).partition(b":")[0]
    except ValueError:
        user = b""
    return base64.b64encode(b"%b:" % (key.encode("ascii") if user else b""))


def _wire(provider: str) -> ModelWire | ModuleType | None:
    return MODELS.get(provider) or PAYMENTS.get(provider)


def _key_headers(provider: str) -> tuple[str, ...]:
    """The headers that its clients have a key in, as far as its wire tells."""
    keys: tuple[str, ...] = getattr(_wire(provider), "KEY_HEADERS", ())
    return keys


_ALL_KEYS = _SECRETS.union(*map(_key_headers, (*MODELS, *PAYMENTS)))


def _foreign_keys(provider: str) -> frozenset[str]:
    """Headers of keys that are not for this provider. Where its wire does not tell which are, any
    that other wires have may be its own too."""
    keys = _key_headers(provider)
    return _ALL_KEYS - {*keys} if keys else _SECRETS


def _is_below(url: httpx.URL, base: httpx.URL) -> bool:
    same = (url.scheme, url.host, url.port) == (base.scheme, base.host, base.port)
    path, of = url.raw_path, base.raw_path.rstrip(b"/")
    return same and path.startswith(of) and path[len(of) : len(of) + 1] in (b"", b"/", b"?")
