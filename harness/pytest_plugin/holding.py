"""Which test holds which baseline: two flows of one name would overwrite each other's, or be
compared with it; it reads and writes none."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.pytest_plugin.tested import Held, Told, refuse, was_begun

if TYPE_CHECKING:
    from harness.cli.played import Played

__tracebackhide__ = True

ASKED = "a baseline of its own"
MEND = 'give one of the two a name of its own, name="..."'


@dataclass(frozen=True, slots=True)
class Shared:
    """A baseline that tests hold for different flows."""

    name: str
    folder: str
    tests: tuple[str, ...]

    @property
    def sentence(self) -> str:
        return (
            f"different flows have the baseline {self.name} in {self.folder} "
            f"({', '.join(self.tests)}): {MEND}"
        )


@dataclass(frozen=True, slots=True)
class _Holder:
    test: str
    digest: str


_HOLDERS = pytest.StashKey[dict[tuple[str, str], _Holder]]()


def held(item: pytest.Item, folder: Path, turns: "Played") -> Held:
    """It is this flow's for the rest of the session; a failed test where it is another's. On this
    clock turns are exact, so that only what was played otherwise differs."""
    holders = item.config.stash.setdefault(_HOLDERS, {})
    place, digest = (str(folder), turns.name), _digest(turns)
    first = holders.setdefault(place, _Holder(item.nodeid, digest))
    if first.digest != digest:
        whose = "this test" if first.test == item.nodeid else first.test
        refuse(
            item,
            turns.name,
            ASKED,
            [
                f"assert_latency: another flow has the baseline {turns.name} (in {whose}): {MEND}; "
                "or, if it is the same flow, reset between tests what its code keeps"
            ],
        )
    return (*place, digest)


def release(item: pytest.Item) -> None:
    """What it held when it was run before."""
    holders = item.config.stash.get(_HOLDERS, None)
    if holders and was_begun(item):
        for place in [at for at, of in holders.items() if of.test == item.nodeid]:
            del holders[place]


def shared(told: Iterable[Told]) -> list[Shared]:
    """Across the processes of a session, each of which knows its own tests only."""
    holders: dict[tuple[str, str], dict[str, list[str]]] = {}
    for of in told:
        for folder, name, digest in (*of["written"], *of["compared"]):
            tests = holders.setdefault((name, folder), {}).setdefault(digest, [])
            tests.append(of["tested"]["test"])
    return [
        Shared(name, folder, tuple(dict.fromkeys(test for of in digests.values() for test in of)))
        for (name, folder), digests in sorted(holders.items())
        if len(digests) > 1
    ]


def _digest(turns: "Played") -> str:
    from msgspec import json

    from harness.record.packed_times import sha256_of

    settings = json.encode(turns.settings, order="sorted")
    return hashlib.sha256(settings + sha256_of(turns.times).encode()).hexdigest()[:16]
