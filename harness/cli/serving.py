"""Serving all mocks to any client, in the foreground, until the process is told to end.

What is served is served.py's, how it is shown addresses.py's; who takes connections is
mocks.listening's, or that of the workers of mocks.fronts.
"""

import contextlib
import ipaddress
import re
import shlex
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import msgspec
from rich.console import Console

from harness.cli.addresses import Addresses, print_addresses
from harness.cli.exits import INVALID, PASS, BadInput
from harness.cli.listeners import listeners
from harness.cli.problems import Problems
from harness.cli.served import Served, chosen
from harness.clock import Clock, RealClock, run
from mocks.books import ArrivalClock, Books
from mocks.courier import Deliver
from mocks.deliver import HttpDeliver
from mocks.door import asgi
from mocks.fronts import ClocksDiffer, Died, Fronts
from mocks.host import Mock, MockConfig
from mocks.keys import private_key
from mocks.listening import Foreground, spare_pauses
from mocks.log import RequestLog
from mocks.server import house

if TYPE_CHECKING:
    from mocks.kept_file import KeptFile

GRACE_S = 5
"""How long calls under way may take when the serving is ended."""

MOST_WORKERS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """As the user wrote them."""

    port: str
    seed: str
    profiles: Sequence[str]
    capacities: Sequence[str]
    host: str
    webhooks_to: Sequence[str]
    log: str | None
    faults: str | None
    ledger: str | None
    workers: str
    as_json: bool

    @property
    def replay(self) -> str:
        """The command that serves the same again."""
        words = ["tollbench", "mocks", "serve", "--seed", self.seed]
        words += [word for name in self.profiles for word in ("--profile", name)]
        words += [word for text in self.capacities for word in ("--capacity", text)]
        words += ["--faults", self.faults] if self.faults else []
        return shlex.join(words)


def serve(options: Options) -> int:
    """Returns the exit code when the process was told to end, or a worker died; raises BadInput
    with all that is wrong."""
    problems = Problems()
    with contextlib.ExitStack() as opened:
        workers = _workers(problems, options.workers)
        taken = listeners(problems, opened, "--port", options.host, options.port, workers)
        out = _log_file(problems, opened, options.log)
        for host in options.webhooks_to:
            _check_host(problems, host)
        faults = problems.faults("--faults", options.faults)
        if options.ledger is not None:
            _check_ledger(problems, options.ledger)
        served = chosen(problems, options.seed, options.profiles, options.capacities, faults)
        file = None
        if options.ledger is not None:
            file = opened.enter_context(ledger_file(options.ledger, served, options.replay))
        warn_if_open(taken[0])
        requests = RequestLog(out)
        requests.begin(served.mocks.seed, served.fingerprints(), options.replay)
        began = time.perf_counter()
        addresses = Addresses(url_of(taken[0]), served)
        code = _run(addresses, taken, requests, options, file)
        _tell_served(requests, time.perf_counter() - began)
    return code


def _run(
    addresses: Addresses,
    taken: Sequence[socket.socket],
    requests: RequestLog,
    options: Options,
    file: "KeptFile | None",
) -> int:
    def ready() -> None:
        _show(addresses, options.as_json)
        spare_pauses()

    async def main() -> None:
        deliver = HttpDeliver(options.webhooks_to, _tell_refused)
        try:
            await _serve(addresses.served.mocks, deliver, taken, requests, ready, file)
        finally:
            await deliver.aclose()

    private_key(0)  # Making one takes a tenth of a second, which no client is to wait for.
    try:
        run("real", main())
    except ClocksDiffer:
        raise BadInput(
            ["--workers: the processes of this machine do not share one clock; leave it out"]
        ) from None
    except KeyboardInterrupt:
        return PASS  # Before anybody was served, or when all had been.
    except Died as death:
        print(f"tollbench: the serving ended, as {death}", file=sys.stderr)
        return INVALID
    return PASS


async def _serve(
    mocks: MockConfig,
    deliver: Deliver,
    taken: Sequence[socket.socket],
    requests: RequestLog,
    ready: Callable[[], None],
    file: "KeptFile | None",
) -> None:
    """One listener is served in this process; of more, each by a worker of its own."""
    if len(taken) == 1:
        clock = RealClock()
        application = asgi(_house(mocks, deliver, clock, file), clock, requests)
        await Foreground(application, GRACE_S, ready).serve(sockets=[*taken])
        return
    arrivals = ArrivalClock()
    mock = _house(mocks, deliver, arrivals, file, len(taken))
    await Fronts(Books(mock, arrivals, requests), taken).serve(GRACE_S, ready)


def _house(
    mocks: MockConfig,
    deliver: Deliver,
    clock: Clock,
    file: "KeptFile | None",
    workers: int = 1,
) -> Mock:
    """What is served; from a file, it has all that it was ever asked."""
    if file is None:
        return house(mocks, deliver, clock, workers)
    from mocks.kept import kept_house
    from mocks.kept_file import CannotKeep

    try:
        with _ended_by_ctrl_c():
            kept = kept_house(mocks, deliver, clock, file, _tell, workers)
    except CannotKeep as error:
        raise BadInput([f"--ledger: {error}"]) from None
    if kept.calls:
        _tell(f"the books go on from call {kept.calls:,}")
    return kept


@contextlib.contextmanager
def _ended_by_ctrl_c() -> Iterator[None]:
    """What goes on for long and awaits nothing: the loop would hear of Ctrl-C only after it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def ledger_file(path: str, served: Served, command: str) -> "Iterator[KeptFile]":
    """Open for these mocks, whose keys are its from here on; `command` serves them. Raises BadInput
    where it is no file of theirs."""
    # Nobody else needs SQLite.
    from mocks.credentials import CREDENTIALS
    from mocks.kept import today
    from mocks.kept_file import COMMAND, CannotKeep, KeptFile
    from mocks.key_material import keep

    faults = dict(sorted(served.mocks.faults.items()))
    config = msgspec.structs.replace(served.mocks, seed=0, faults=faults)
    about = {
        "version": version("tollbench"),
        "seed": str(served.mocks.seed),
        "configuration": sha256(msgspec.json.encode(config)).hexdigest()[:12],
        COMMAND: command,
    }
    with contextlib.ExitStack() as opened:
        try:
            file = opened.enter_context(
                contextlib.closing(KeptFile(path, about, today(RealClock())))
            )
            keep(file.keys(), file.add_key)
            for keyed in CREDENTIALS.values():
                keyed.here("")  # Now, so that what every client needs is there.
        except CannotKeep as error:
            raise BadInput([f"--ledger: {error}"]) from None
        yield file


def _workers(problems: Problems, text: str) -> int:
    workers = problems.whole("--workers", text, 1, MOST_WORKERS)
    if workers > 1 and sys.platform == "win32":
        problems.add("--workers: this system has no sockets that processes share; leave it out")
        return 1
    return workers


def _log_file(problems: Problems, opened: contextlib.ExitStack, name: str | None) -> TextIO | None:
    if name is None or name == "-":
        return sys.stdout if name else None
    try:
        return opened.enter_context(open(name, "a", encoding="utf-8"))
    except OSError as error:
        problems.add(f"--log: {name} cannot be written ({error.strerror}); name another file")
        return None


def _check_ledger(problems: Problems, name: str) -> None:
    """What can be said before anybody opens it."""
    path = Path(name)
    if not name or path.is_dir() or not path.parent.is_dir():
        problems.add(
            f"--ledger takes a file in a folder that is there, as in books.sqlite, not {name!r}"
        )


def _check_host(problems: Problems, host: str) -> None:
    """Names and addresses as they stand in a URL, without its other parts."""
    if not re.fullmatch(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+", host):
        problems.add(f"--webhooks-to takes a host, as in hooks.example.com, not {host!r}")


def warn_if_open(listener: socket.socket) -> None:
    address = _address(listener)
    if not address.is_loopback:
        print(
            f"tollbench: listening on {address}: whoever can reach it can use every mock, as the "
            "credentials are the same for everyone",
            file=sys.stderr,
        )


def url_of(listener: socket.socket) -> str:
    """Where a client on this machine finds it."""
    address, port = _address(listener), listener.getsockname()[1]
    if address.is_unspecified:
        address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
    return f"http://{address}:{port}" if address.version == 4 else f"http://[{address}]:{port}"


def _address(listener: socket.socket) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(listener.getsockname()[0])


def _show(addresses: Addresses, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(addresses.as_json()).decode(), flush=True)
        return
    print_addresses(addresses, Console(highlight=False))
    print(f"Serving with seed {addresses.served.mocks.seed}; Ctrl-C ends it.", flush=True)


def _tell(said: str) -> None:
    print(f"tollbench: {said}", file=sys.stderr, flush=True)


def _tell_refused(host: str) -> None:
    print(
        f"tollbench: a notice to {host} was not sent: --webhooks-to {host} would allow it",
        file=sys.stderr,
    )


def _tell_served(requests: RequestLog, seconds: float) -> None:
    counts = [f"{name or 'no provider'} {n:,}" for name, n in requests.served.most_common()]
    by = f" ({', '.join(counts)})" if counts else ""
    print(
        f"tollbench: served {requests.served.total():,} calls in {seconds:,.0f} s{by}",
        file=sys.stderr,
    )
