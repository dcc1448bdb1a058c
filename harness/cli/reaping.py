"""Reaping many runs: whose journals there are, by which credentials, and what has become of each
order. How an order ends it leaves to harness.real, and nothing that could not be looked at it takes
for closed."""

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli import real_ways
from harness.cli.exits import INVALID, PASS, BadInput
from harness.cli.leftovers import JOURNAL
from harness.cli.stored import run_path
from harness.clock import RealClock, run
from harness.real.credentials import PROVIDERS, Found, Missing, Refused, find
from harness.real.journal import Entry, Journal, read_journal
from harness.real.reaper import meter_of_reaping, reap

Why = Mapping[tuple[Path, str, str], str]
"""Why an order is open, by its journal, its provider and its number."""

NOT_ASKED, CUT_OFF = "nobody was asked about it", "cut off before its end was known"

OPENING = b'{"provider":"'
"""How each line of a journal begins."""


class Became(msgspec.Struct, frozen=True):
    """What has become of an order that was open; `how` is "" where it is open still, and `why`
    then says why."""

    run: str
    provider: str
    order_no: str
    how: str
    why: str


class Reaped(msgspec.Struct, frozen=True):
    """What is printed as JSON."""

    closed: list[Became]
    left: list[Became]


@dataclass(frozen=True, slots=True)
class Ledger:
    """A journal, and its orders that are open when it is found."""

    path: Path
    open: tuple[Entry, ...]


def reap_runs(runs: Sequence[str], out: str, *, dry_run: bool, as_json: bool) -> int:
    """BadInput where credentials are missing or something cannot be read; all else is done
    before."""
    problems: list[str] = []
    ledgers = _ledgers(_journals(_folders(runs, out), problems), problems)
    found = _credentials(ledgers, problems)
    why: dict[tuple[Path, str, str], str] = {}
    try:
        if ledgers and not dry_run:
            run("real", _reap(ledgers, found, why))
    except KeyboardInterrupt:
        pass  # What has become of each until then is in its journal.
    unknown = NOT_ASKED if dry_run else CUT_OFF
    became = [each for ledger in ledgers for each in _became(ledger, why, unknown)]
    told = Reaped([of for of in became if of.how], [of for of in became if not of.how])
    if as_json:
        print(msgspec.json.encode(told).decode())
    elif became:
        _print(told, Console(), dry_run)
    elif not problems:
        print("nothing is open")
    if problems:
        raise BadInput(problems)
    return INVALID if told.left else PASS


async def _reap(
    ledgers: Sequence[Ledger], found: Mapping[str, Found], why: dict[tuple[Path, str, str], str]
) -> None:
    """All at once, as each may have to wait; they are held to one rate."""
    meter = meter_of_reaping()

    async def end(ledger: Ledger) -> None:
        try:
            with contextlib.closing(Journal(ledger.path)) as journal:
                for left in await reap(journal, found, inner, RealClock(), meter):
                    why[ledger.path, left.provider, left.order_no] = left.why
        except OSError as error:
            told = f"its journal cannot be gone on with: {error.strerror or error}"
            why.update({(ledger.path, *entry.name): told for entry in ledger.open})

    async with real_ways.INTERNET() as inner, asyncio.TaskGroup() as group:
        for ledger in ledgers:
            group.create_task(end(ledger))


def _folders(runs: Sequence[str], out: str) -> list[Path]:
    folders = [run_path(name, out) for name in runs] or [Path(out)]
    if missing := [folder for folder in folders if not folder.is_dir()]:
        raise BadInput([f"{folder} is no folder: name a run's, or --out" for folder in missing])
    return folders


def _journals(folders: Sequence[Path], problems: list[str]) -> list[Path]:
    """Each once, also of runs that never came to their end."""

    def unread(error: OSError) -> None:
        problems.append(f"{error.filename} cannot be read: {error.strerror}")

    paths = [
        Path(folder) / JOURNAL
        for top in folders
        for folder, inner, files in os.walk(top, onerror=unread)
        if JOURNAL in (*inner, *files)
    ]
    # Of a file and links to it, the file.
    links_first = sorted(paths, key=Path.is_symlink, reverse=True)
    once = {os.path.realpath(path): path for path in links_first}
    return sorted(once.values())


def _ledgers(journals: Sequence[Path], problems: list[str]) -> list[Ledger]:
    """Those in which something is open."""
    ledgers = []
    for path in journals:
        if not path.is_file():  # What is none may have no end.
            problems.append(f"{path} cannot be read: it is no file")
            continue
        try:
            entries, spoiled = read_journal(path), _spoiled(path)
        except OSError as error:
            problems.append(f"{path} cannot be read: {error.strerror}")
            continue
        if spoiled:
            problems.append(
                f"{path}: lines that nobody can read: {spoiled:,}; each may be of an open order: "
                "mend it, or remove it"
            )
        if still := tuple(entry for entry in entries if entry.state != "closed"):
            ledgers.append(Ledger(path, still))
    return ledgers


def _spoiled(journal: Path) -> int:
    """Lines of which nobody can tell what they say. Not one that a crash tore: what it would have
    told is that an order is about to be sent, which it was not then, or that one is closed."""
    lines = (line.strip(b"\0") for line in journal.read_bytes().split(b"\n"))
    return sum(not (_is_torn(line) or _is_entry(line)) for line in lines)


def _is_torn(line: bytes) -> bool:
    begins = OPENING.startswith(line[: len(OPENING)])
    return begins and not line.endswith(b"}")


def _is_entry(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=Entry)
    except (ValueError, RecursionError):
        return False
    return True


def _credentials(ledgers: Sequence[Ledger], problems: list[str]) -> dict[str, Found]:
    """A problem for each provider that has open orders and cannot be asked."""
    orders = Counter(entry.provider for ledger in ledgers for entry in ledger.open)
    found: dict[str, Found] = {}
    for provider, count in sorted(orders.items()):
        told = f"{_shown(provider)}: {count:,} open order{'s' if count > 1 else ''}"
        if provider not in PROVIDERS:
            problems.append(f"{told}, and nobody here knows it: is the journal of a newer version?")
            continue
        # What closes a real order needs no word that it may be made.
        match find(provider, os.environ, allow_production=True):
            case Found() as one:
                found[provider] = one
            case Missing(why=why) | Refused(why=why):
                problems.append(f"{told} cannot be asked about: {why}")
    return found


def _became(ledger: Ledger, why: Why, unknown: str) -> Iterator[Became]:
    try:
        closed = {of.name: of.how for of in read_journal(ledger.path) if of.state == "closed"}
    except OSError:
        closed = {}
    for entry in ledger.open:
        how = closed.get(entry.name, "")
        reason = "" if how else why.get((ledger.path, *entry.name), unknown)
        yield Became(str(ledger.path.parent), entry.provider, entry.order_no, how, reason)


def _print(told: Reaped, console: Console, dry_run: bool) -> None:
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1))
    table.add_column("run", overflow="fold")
    table.add_column("provider", no_wrap=True)
    table.add_column("orders", justify="right")
    table.add_column("now", no_wrap=True)
    now = "open" if dry_run else "open still"
    rows = Counter((of.run, of.provider, of.how or now) for of in (*told.closed, *told.left))
    for (folder, provider, how), count in sorted(rows.items()):
        table.add_row(Text(_shown(folder)), Text(_shown(provider)), f"{count:,}", Text(_shown(how)))
    console.print(table)
    if dry_run:
        return
    for of in told.left:
        text = _shown(f"open still: {of.provider} {of.order_no}: {of.why}")
        console.print(Text(text), soft_wrap=True)


def _shown(text: str) -> str:
    """A terminal does what some characters say, and a journal may be anybody's."""
    return "".join(each if each.isprintable() else "?" for each in text)
