"""How the profiles that stand in for these gateways hold against what was measured; it changes
none, as what their figures go into is held to baselines."""

import math
import tomllib
from collections.abc import Iterator
from pathlib import Path
from statistics import NormalDist

import msgspec

from tests.benchmarks.gateways import figures
from tests.benchmarks.gateways.results import Results
from tests.benchmarks.peers.standing import Spread
from tests.benchmarks.peers.tools import ROOT

FOLDER = ROOT / "mocks" / "profiles"

TYPICAL = 20.0
"""The load whose figures a profile's hop is held against: far below what either can do."""

Z_99 = NormalDist().inv_cdf(0.99)


class Hop(msgspec.Struct):
    p50_ms: float
    p99_ms: float
    stream_ms: float


class Shipped(msgspec.Struct):
    """A gateway's profile, as far as it is held against anything here."""

    hop: Hop


class Held(msgspec.Struct):
    """One of its values, and what was measured in its place."""

    gateway: str
    value: str
    says: float
    measured: Spread

    @property
    def inside(self) -> bool:
        """Whether the profile's lies between the least and the most that was measured."""
        return self.measured.least <= self.says <= self.measured.most


def held(results: Results, folder: Path = FOLDER) -> Iterator[Held]:
    """Value by value, of the gateways that were measured."""
    for way in figures.gateways(results):
        shipped = read(folder / f"{way.lower()}.toml")
        hop = shipped.hop
        measured = {
            "hop p50_ms": figures.added(results, way, "json", TYPICAL, "total", "p50"),
            "hop p99_ms": figures.added(results, way, "json", TYPICAL, "total", "p99"),
            "hop stream_ms": figures.stream_more(results, way, TYPICAL),
            "calls a second and slot": figures.served(results, way, "json"),
        }
        says = [hop.p50_ms, hop.p99_ms, hop.stream_ms, calls_per_s(hop)]
        for (value, of), told in zip(measured.items(), says, strict=True):
            if of is not None:
                yield Held(way, value, told, of)


def calls_per_s(hop: Hop) -> float:
    """What one slot does at most: it is busy with a call for its hop, a lognormal's mean."""
    sigma = math.log(hop.p99_ms / hop.p50_ms) / Z_99
    return 1e3 / (hop.p50_ms * math.exp(sigma**2 / 2))


def read(path: Path) -> Shipped:
    return msgspec.convert(tomllib.loads(path.read_text("utf-8")), Shipped)
