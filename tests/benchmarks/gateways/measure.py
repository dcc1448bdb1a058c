"""Measures: the generator on one core, the upstream and the gateways on the other, repeat by
repeat; it decides neither what nor in which order."""

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec

from tests.benchmarks.gateways import servers
from tests.benchmarks.gateways.asked import DIRECT, KINDS, Asked, Block, Kind, Played, Way
from tests.benchmarks.gateways.plan import Lengths, crowded, longest_s, paced, still_asked, warm_up
from tests.benchmarks.gateways.results import Cell, Full, cell_of, full_of
from tests.benchmarks.gateways.tools import LITELLM, PORTKEY
from tests.benchmarks.peers.processes import GENERATOR, run
from tests.benchmarks.peers.sample import NoFigures
from tests.benchmarks.peers.tools import ROOT, Tool

GENERATOR_MODULE = "tests.benchmarks.gateways.generator"

PATIENCE_S = 10.0
"""For one answer."""

Serve = Callable[[Tool, Way, Path], AbstractContextManager[Way]]

GATEWAYS: Mapping[str, Serve] = {LITELLM: servers.litellm, PORTKEY: servers.portkey}


class Found(msgspec.Struct):
    """What has been measured so far."""

    ways: list[str]
    absent: dict[str, str]
    cells: list[Cell]
    full: list[Full]
    troubles: list[str]


def measured(tools: Mapping[str, Tool], lengths: Lengths, repeats: int) -> Iterator[Found]:
    """All that was found until then, after every repeat."""
    found = Found([], {}, [], [], [])
    with contextlib.ExitStack() as stack:
        ways = list(_served(tools, found, stack))
        found.ways = [way.name for way in ways]
        if found.ways == [DIRECT]:
            raise NoFigures("no gateway is there to be measured")
        for repeat in range(repeats):
            for kind in KINDS:
                _rising(ways, kind, repeat, lengths, found)
                _crowd(ways, kind, repeat, lengths, found)
            yield found


def _served(tools: Mapping[str, Tool], found: Found, stack: contextlib.ExitStack) -> Iterator[Way]:
    """Direct, and every gateway that starts; the others are told with their reason."""
    direct = stack.enter_context(servers.upstream(_folder(stack)))
    yield direct
    for name, serve in GATEWAYS.items():
        tool = tools[name]
        if tool.missing:
            found.absent[name] = tool.missing
            continue
        _tell(f"starting {name} {tool.version}")
        try:
            yield stack.enter_context(serve(tool, direct, _folder(stack)))
        except NoFigures as no:
            found.absent[name] = str(no)


def _rising(ways: Sequence[Way], kind: Kind, repeat: int, lengths: Lengths, found: Found) -> None:
    """Load after load, as long as there is a gateway that keeps up."""
    cells: list[Cell] = []
    for rate in lengths.loads:
        names = still_asked([way.name for way in ways], cells)
        if not names:
            break
        where = f"repeat {repeat + 1}, {kind}, {rate:g} a second"
        blocks = paced(names, rate, kind, repeat, lengths)
        played = _played(ways, blocks, kind, where, found)
        for name in names:
            own = [block for block in played if block.way == name]
            if own:
                cells.append(cell_of(repeat, kind, rate, own))
        if not played:
            break
    found.cells.extend(cells)


def _crowd(ways: Sequence[Way], kind: Kind, repeat: int, lengths: Lengths, found: Found) -> None:
    where = f"repeat {repeat + 1}, {kind}, {lengths.in_flight} in flight"
    blocks = crowded([way.name for way in ways], kind, repeat, lengths)
    for block in _played(ways, blocks, kind, where, found):
        found.full.append(full_of(repeat, kind, lengths.in_flight, block))


def _played(
    ways: Sequence[Way],
    blocks: Sequence[Block],
    kind: Kind,
    where: str,
    found: Found,
) -> list[Played]:
    """By a generator of its own; nothing, and a trouble, where that comes to nothing."""
    _tell(where)
    names = {block.way for block in blocks}
    asked = Asked(
        ways=[way for way in ways if way.name in names],
        kind=kind,
        blocks=list(blocks),
        warm=warm_up(blocks),
        patience_s=PATIENCE_S,
    )
    longest = longest_s(blocks, len(asked.ways), PATIENCE_S)
    try:
        return played_by(GENERATOR_MODULE, asked, longest)
    except NoFigures as no:
        found.troubles.append(f"{where}: {no}")
        return []


def played_by(module: str, asked: Asked, longest_s: float) -> list[Played]:
    """What that module leaves of it. Raises NoFigures when that is nothing."""
    with contextlib.ExitStack() as stack:
        told = _folder(stack) / "played.json"
        command = [sys.executable, "-m", module, msgspec.json.encode(asked).decode(), str(told)]
        done = run(command, GENERATOR, longest_s, ROOT)
        try:
            return msgspec.json.decode(told.read_bytes(), type=list[Played])
        except FileNotFoundError:
            raise NoFigures(done.last_words) from None
        except msgspec.DecodeError as error:
            raise NoFigures(f"what the generator left cannot be read: {error}") from None


def _folder(stack: contextlib.ExitStack) -> Path:
    made = tempfile.TemporaryDirectory(prefix="gateways-", ignore_cleanup_errors=True)
    return Path(stack.enter_context(made))


def _tell(what: str) -> None:
    """Where it stands, in one line of a terminal that is written over."""
    if sys.stderr.isatty():
        print(f"\r\x1b[2K{what}", end="", file=sys.stderr, flush=True)
    else:
        print(what, file=sys.stderr, flush=True)
