"""Addresses that name a turn, for clients that no transport of ours can stand under: whose call it
is that comes to one. It listens to nothing and makes no call.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

import httpx

from harness.flow.own_stage import Stage
from harness.flow.routing import BadFlow, shown

if TYPE_CHECKING:
    from harness.flow.own import OwnTurn

_MARK = "~"
"""What every name of an address begins with, and no provider's path."""

_OVER = (
    "a call came to an address of a turn that is over: ask turn.endpoint(...) for it in each turn, "
    "and build the client there"
)
_NO_ADDRESS = (
    "a call came to {path}, which is no address of a turn: its client has let go of the path of "
    "its base URL; give it all of turn.endpoint(...).base_url"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Of a turn, where in it an address was asked for: in a stage, or in none."""

    turn: "OwnTurn"
    asked_in: Stage | None


@dataclass(slots=True)
class Door:
    """Where such clients are let in, on this machine. An address is good for as long as its turn
    lasts, and is asked for anew in the next."""

    url: str = ""
    """Of whoever listens; without a path."""
    mistake: BadFlow | None = None
    """What came to no open turn, so that nobody's code could be told."""
    _begin: str = field(default_factory=lambda: f"{_MARK}{secrets.token_hex(4)}.")
    """Of every name: those of other runs at this port are not taken for ours."""
    _names: "count[int]" = field(default_factory=count)
    _places: dict[str, Place] = field(default_factory=dict)
    _known: dict[tuple[int, int], str] = field(default_factory=dict)

    def address(self, place: Place) -> str:
        """Providers' paths begin below it."""
        # By their identity: stages of one name may be equal. A thread may ask too.
        key = id(place.turn), id(place.asked_in)
        name = self._known.get(key)
        if name is None:
            name = self._known[key] = f"{self._begin}{next(self._names)}"
            self._places[name] = place
        return f"{self.url}/{name}"

    def close(self, turn: "OwnTurn") -> None:
        """Its addresses lead nowhere from now on."""
        for name, place in list(self._places.items()):
            if place.turn is turn:
                del self._known[id(turn), id(place.asked_in)], self._places[name]

    def is_at(self, url: httpx.URL) -> bool:
        return str(url).startswith(f"{self.url}/") if self.url else False

    def holds(self, host: object, port: object) -> bool:
        """Whether connections to there come to this door."""
        at = httpx.URL(self.url)
        return (host, str(port)) == (at.host, str(at.port))

    def come(self, target: str) -> tuple[Place, str]:
        """Whose call it is, by its path and query, and what of these is the provider's own. Raises
        BadFlow for an address of no open turn, and keeps that."""
        name, slash, rest = target.removeprefix("/").partition("/")
        place = self._places.get(name)
        if place is None:
            told = _OVER if name.startswith(_MARK) else _NO_ADDRESS.format(path=shown(target))
            mistake = BadFlow(told)
            self.mistake = self.mistake or mistake
            raise mistake
        return place, slash + rest

    def behind(self, url: httpx.URL) -> str:
        """What of an address at this door is the provider's own, whosever it is."""
        _, slash, rest = url.raw_path.decode("ascii").removeprefix("/").partition("/")
        return slash + rest


def shared_stage(open_ones: Sequence[Stage], asked_in: Stage | None) -> Stage | None:
    """The stage of a call of which nobody knows the task: the innermost of those that are open
    below where its address was asked for; where several are at once, the innermost that is around
    all of them."""
    known = asked_in if any(stage is asked_in for stage in open_ones) else None
    lines = [_line(stage) for stage in open_ones]
    below = [line for line in lines if known is None or any(of is known for of in line)]
    shared = None
    for level in zip(*_longest(below), strict=False):
        if any(of is not level[0] for of in level):
            break
        shared = level[0]
    return shared


def _line(stage: Stage) -> list[Stage]:
    """It and all around it, the outermost first."""
    line, of = [stage], stage.around
    while of is not None:
        line.insert(0, of)
        of = of.around
    return line


def _longest(lines: Sequence[list[Stage]]) -> list[list[Stage]]:
    """Without those that go on in another."""
    around = {id(of) for line in lines for of in line[:-1]}
    return [line for line in lines if id(line[-1]) not in around]
