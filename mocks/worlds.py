"""Parallel worlds behind one door: `/~name/...` leads to mocks of that name's own.

They are made at first use, all from one configuration, and share nothing but the process: no
books, no tokens, no queues. So strategies that run side by side do not stand in each other's way,
as they do not on the virtual clock. Plain paths lead to the world "".
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache, partial

import httpx

from harness.answer import Answer, plain
from harness.clock import Clock
from harness.providers.lean import LeanRequest
from mocks.courier import Deliver
from mocks.host import IN_PROCESS_URL, Host, MockConfig

MOST_WORLDS = 1000
"""Each takes memory for as long as the process lives, and its name is the client's choice."""

Begun = Callable[[str, Host], None]
"""Is told of the mocks of a world, by its name, when they are made."""

_IN_WORLD = re.compile(rb"/~([\w.,+:-]{1,100})(?=/)", re.ASCII)


def _nobody(name: str, host: Host) -> None:
    pass


class Worlds:
    """A mock is a function of a request; so is a house of them."""

    def __init__(
        self,
        clock: Clock,
        config: MockConfig,
        deliver: Deliver | None = None,
        begun: Begun = _nobody,
    ) -> None:
        self._clock = clock
        self._make = partial(Host, clock, config, deliver)
        self._tell = begun
        self._hosts: dict[str, Host] = {}
        self._add("")

    def __iter__(self) -> Iterator[str]:
        """The names of those that were used."""
        return iter(self._hosts)

    def get(self, name: str) -> Host | None:
        """The mocks of that world, if it was used."""
        return self._hosts.get(name)

    def decide(self, request: httpx.Request) -> Answer:
        path = request.url.raw_path
        if not path.startswith(b"/~"):
            return self._hosts[""].decide(request)
        name, url = _split(path)
        host = (name and self._hosts.get(name)) or self._begun(name)
        if host is None:
            why = f"a world is named as in /~name/..., and there are {MOST_WORLDS:,} at most"
            return plain(self._clock, 404, why)
        inner = LeanRequest(request.method, url, request.headers, request.content)
        inner.extensions = request.extensions  # The draw, where it was named in this process.
        return host.decide(inner)

    def _begun(self, name: str) -> Host | None:
        if not name or len(self._hosts) > MOST_WORLDS:
            return None
        return self._add(name)

    def _add(self, name: str) -> Host:
        host = self._hosts[name] = self._make()
        self._tell(name, host)
        return host


@lru_cache(1024)
def _split(path: bytes) -> tuple[str, httpx.URL]:
    """The world's name, "" where there is none, and the URL as its mocks know it."""
    named = _IN_WORLD.match(path)
    if named is None:
        return "", httpx.URL(IN_PROCESS_URL)
    rest = path[named.end() :].decode("ascii")
    return named[1].decode("ascii"), httpx.URL(IN_PROCESS_URL + rest)
