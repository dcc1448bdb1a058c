"""Serving all mocks to any client, in the foreground, until the process is told to end.

What is served is served.py's, how it is shown addresses.py's; the sockets are mocks.server's.
"""

import contextlib
import errno
import gc
import ipaddress
import re
import shlex
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

import msgspec
from rich.console import Console

from harness.cli.addresses import Addresses, print_addresses
from harness.cli.problems import Problems
from harness.cli.served import chosen
from harness.clock import run
from mocks.asgi import asgi
from mocks.deliver import HttpDeliver
from mocks.keys import private_key
from mocks.log import RequestLog
from mocks.server import Foreground, house

GRACE_S = 5
"""How long calls under way may take when the serving is ended."""


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
    as_json: bool

    @property
    def replay(self) -> str:
        """The command that serves the same again."""
        words = ["tollbench", "mocks", "serve", "--seed", self.seed]
        words += [word for name in self.profiles for word in ("--profile", name)]
        words += [word for text in self.capacities for word in ("--capacity", text)]
        return shlex.join(words)


def serve(options: Options) -> None:
    """Returns when the process was told to end; raises BadInput with all that is wrong."""
    problems = Problems()
    with contextlib.ExitStack() as opened:
        listener = _listener(problems, opened, options.host, options.port)
        out = _log_file(problems, opened, options.log)
        for host in options.webhooks_to:
            _check_host(problems, host)
        served = chosen(problems, options.seed, options.profiles, options.capacities)
        assert listener  # or there was a problem
        warn_if_open(listener)
        requests = RequestLog(out)
        requests.begin(served.mocks.seed, served.fingerprints(), options.replay)
        began = time.perf_counter()
        _run(Addresses(url_of(listener), served), listener, requests, options)
        _tell_served(requests, time.perf_counter() - began)


def _run(
    addresses: Addresses, listener: socket.socket, requests: RequestLog, options: Options
) -> None:
    def ready() -> None:
        _show(addresses, options.as_json)
        gc.freeze()  # What is there now stays: the collector need not look at it again and again.

    async def main() -> None:
        deliver = HttpDeliver(options.webhooks_to, _tell_refused)
        mock = house(addresses.served.mocks, deliver)
        try:
            await Foreground(asgi(mock, requests), GRACE_S, ready).serve(sockets=[listener])
        finally:
            await deliver.aclose()

    private_key(0)  # Making one takes a tenth of a second, which no client is to wait for.
    run("real", main())


def _listener(
    problems: Problems, opened: contextlib.ExitStack, host: str, text: str
) -> socket.socket | None:
    """Listening already, so that nobody else can take the port any more."""
    port = problems.whole("--port", text, 0, 65535)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return opened.enter_context(socket.create_server((host, port), family=family, backlog=4096))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            problems.add(f"--port {port} is in use: take another, or 0 for any free one")
        elif error.errno == errno.EACCES:
            problems.add(f"--port {port} is not for everyone: take one from 1024")
        else:
            problems.add(f"--host {host} is no address of this machine: leave it out for loopback")
        return None


def _log_file(problems: Problems, opened: contextlib.ExitStack, name: str | None) -> TextIO | None:
    if name is None or name == "-":
        return sys.stdout if name else None
    try:
        return opened.enter_context(open(name, "a", encoding="utf-8"))
    except OSError as error:
        problems.add(f"--log: {name} cannot be written ({error.strerror}); name another file")
        return None


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
