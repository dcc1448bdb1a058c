"""Recording in the foreground, between any client and its providers, until told to end.

What passes is harness.calibrate.proxy's, what is written harness.calibrate.recorder's; who takes
connections is mocks.listening's. It knows no key.
"""

import asyncio
import contextlib
import logging
import re
import shlex
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import httpx
import msgspec
import numpy as np

from harness.calibrate.carrier import Carrier
from harness.calibrate.masked import secret_words
from harness.calibrate.proxy import Proxy
from harness.calibrate.recorder import Recorder
from harness.calibrate.samples import BadRecording
from harness.calibrate.taking import read_url
from harness.cli.addresses import CONSTRUCTORS
from harness.cli.exits import INVALID, PASS
from harness.cli.listeners import listeners
from harness.cli.problems import Problems
from harness.cli.serving import GRACE_S, url_of
from harness.clock import Clock, run
from harness.providers import MODELS, PAYMENTS
from harness.providers.call import Endpoint
from harness.providers.environment import ENVIRONMENT, filled, root_of
from harness.stats.quantiles import quantile
from mocks.deliver import is_loopback
from mocks.listening import Foreground, spare_pauses

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,80}")
WATCHED_S = 0.01
"""How often it is looked whether this process is late."""
_OWN_KEY = "YOUR_KEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """As the user wrote them."""

    file: str
    to: Sequence[str]
    port: str
    host: str
    bodies: bool
    stage: str
    as_json: bool


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where clients find each upstream; `upstreams` are what stands before its own paths."""

    base_url: str
    upstreams: Mapping[str, str]

    def url(self, name: str) -> str:
        wire = MODELS.get(name)
        return f"{self.base_url}/{name}{wire.BASE_PATH if wire else ''}"

    def environment(self) -> dict[str, str]:
        """Base URLs only: keys stay the client's own."""
        return {
            variable: self._filled(name, text)
            for name in self.upstreams
            for variable, text in ENVIRONMENT.get(name, {}).items()
            if "{key}" not in text
        }

    def constructors(self) -> dict[str, str]:
        return {
            name: self._filled(name, CONSTRUCTORS[name])
            for name in self.upstreams
            if name in CONSTRUCTORS
        }

    def as_json(self) -> dict[str, object]:
        return {
            "base_url": self.base_url,
            "providers": {
                name: {"url": self.url(name), "upstream": root}
                for name, root in self.upstreams.items()
            },
            "environment": self.environment(),
            "constructors": self.constructors(),
        }

    def _filled(self, name: str, text: str) -> str:
        return filled(text, name, Endpoint(self.url(name), _OWN_KEY))


def serve(options: Options) -> int:
    """Returns the exit code when the process was told to end; raises BadInput with all that is
    wrong."""
    problems = Problems()
    with contextlib.ExitStack() as opened:
        upstreams = chosen_upstreams(problems, options.to)
        if not _HEADER.fullmatch(options.stage):
            problems.add(
                f"--stage takes the name of a header, as in x-stage, not {options.stage!r}"
            )
        elif secret_words(options.stage):
            problems.add(
                f"--stage {options.stage}: that header is for a secret, and stages are kept; take "
                "another, as in x-stage"
            )
        taken = listeners(problems, opened, "--port", options.host, options.port)
        if taken:
            _check_loop(problems, upstreams, taken[0])
        problems.settle()
        recorder = _recorder(problems, options, upstreams)
        problems.settle()
        assert recorder is not None
        opened.enter_context(recorder)
        _warn_if_open(options.host)
        began, busiest = time.perf_counter(), Busiest()
        # It may be a second Ctrl-C, or one before anybody was served: what is over is written.
        with contextlib.suppress(KeyboardInterrupt):
            addresses = Addresses(url_of(taken[0]), upstreams)
            run("real", _serve(addresses, taken, recorder, options, busiest))
        _tell(recorder, options.file, time.perf_counter() - began, busiest)
    return INVALID if recorder.lost else PASS


async def _serve(
    addresses: Addresses,
    taken: Sequence[socket.socket],
    recorder: Recorder,
    options: Options,
    busiest: "Busiest",
) -> None:
    watching: list[asyncio.Task[None]] = []

    def ready() -> None:
        _show(addresses, options)
        spare_pauses()
        watching.append(asyncio.create_task(busiest.watch(recorder.clock)))

    # An answer that its server cut off is cut off for the client too, which uvicorn takes for a
    # mistake of ours.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    async with Carrier() as carrier:
        server = Foreground(Proxy(addresses.upstreams, carrier, recorder), GRACE_S, ready)
        # The upstream says these itself.
        server.config.server_header = server.config.date_header = False
        await server.serve(sockets=[*taken])


@dataclass(slots=True)
class Busiest:
    """How late this process was, when it had most to do, to see what had come: that is in the times
    of answers, and cannot be told of each."""

    late_s: float = 0.0

    async def watch(self, clock: Clock) -> None:
        while True:
            due = clock.now() + WATCHED_S
            await clock.sleep_until(due)
            self.late_s = max(self.late_s, clock.now() - due)


def _recorder(
    problems: Problems, options: Options, upstreams: Mapping[str, str]
) -> Recorder | None:
    hosts = {name: httpx.URL(root).netloc.decode("ascii") for name, root in upstreams.items()}
    try:
        return Recorder(
            Path(options.file), bodies=options.bodies, stage_header=options.stage, upstreams=hosts
        )
    except BadRecording as error:
        problems.add(str(error))
    except OSError as error:
        problems.add(f"{options.file} cannot be written ({error.strerror}): name another file")
    return None


# Where calls go


def chosen_upstreams(problems: Problems, texts: Sequence[str]) -> dict[str, str]:
    """By name, what stands before the upstream's own paths."""
    upstreams = {} if texts else dict(_public())
    for text in texts:
        for name, root in _chosen(problems, text).items():
            if name in upstreams:
                problems.add(f"--to names {name} twice: keep one")
            upstreams[name] = root
    return upstreams


def _chosen(problems: Problems, text: str) -> dict[str, str]:
    name, equals, url = text.partition("=")
    if "://" in name:
        root = _root(problems, text)
        return {name: f"{root}/{name}" for name in (*PAYMENTS, *MODELS)}
    if equals:
        if not _NAME.fullmatch(name):
            problems.add(f"--to: {name!r} is no name for a path; write it as in my-gateway=URL")
        return {name: root_of(name, _root(problems, url))}
    public = _public()
    if name in public:
        return {name: public[name]}
    if name in MODELS or name in PAYMENTS:
        problems.add(f"--to {name}: it has no public host; say where yours is, --to {name}=URL")
    else:
        problems.add(f"--to: no provider {name!r}; take NAME=URL, or one of {', '.join(public)}")
    return {}


def _public() -> dict[str, str]:
    """The providers that everybody reaches at the same host, the first where there are several."""
    hosts = {
        name: cast(Sequence[str], getattr(wire, "HOSTS", ()))
        for name, wire in {**PAYMENTS, **MODELS}.items()
    }
    return {name: f"https://{of[0]}" for name, of in hosts.items() if of}


def _root(problems: Problems, text: str) -> str:
    problems.base_url("--to", text)
    url = read_url(text)
    host = url.raw_host.decode("ascii")
    if url.scheme == "http" and host and not is_loopback(host):
        problems.add(f"--to: keys would go to {host} unencrypted; write https://")
    return text.rstrip("/")


def _check_loop(problems: Problems, upstreams: Mapping[str, str], taken: socket.socket) -> None:
    port = taken.getsockname()[1]
    urls = map(read_url, upstreams.values())
    if any(url.scheme == "http" and (url.port or 80) == port for url in urls):
        problems.add(f"--to leads back to --port {port}: take another port")


# What is told


def _warn_if_open(host: str) -> None:
    if not is_loopback(host):
        print(
            f"tollbench: listening on {host}: keys reach this machine unencrypted, and whoever can "
            "reach it can call the providers with keys of their own",
            file=sys.stderr,
        )


def _show(addresses: Addresses, options: Options) -> None:
    if options.as_json:
        print(msgspec.json.encode(addresses.as_json()).decode(), flush=True)
        return
    urls = {addresses.url(name): root for name, root in addresses.upstreams.items()}
    longest = max(map(len, urls))
    for url, root in urls.items():
        print(f"{url:<{longest}}  goes to {root}")
    environment = addresses.environment()
    if environment:
        print("\nFor the shell of a client, beside its own keys:\n")
    for name, value in environment.items():
        print(f"export {name}={shlex.quote(value)}")
    constructors = addresses.constructors()
    if constructors:
        print("\nSDKs that read no base URL there take it like this:\n")
    for constructor in constructors.values():
        print(constructor)
    kept = "bodies are kept, masked" if options.bodies else "no body and no key is kept"
    print(f"\nRecording to {options.file}; {kept}. Ctrl-C ends it.", flush=True)


def _tell(recorder: Recorder, file: str, seconds: float, busiest: Busiest) -> None:
    counts = [f"{name} {n:,}" for name, n in recorder.counts.most_common()]
    by = f" ({', '.join(counts)})" if counts else ""
    calls = recorder.counts.total()
    print(f"tollbench: recorded {calls:,} calls in {seconds:,.0f} s{by}: {file}", file=sys.stderr)
    if recorder.failed or recorder.unfinished:
        print(
            f"tollbench: {recorder.failed:,} failed, {recorder.unfinished:,} were cut off by their "
            "client; they are in the recording, but are no samples",
            file=sys.stderr,
        )
    if recorder.added_ms:
        added = np.sort(np.array(recorder.added_ms))
        p50, p99 = (quantile(added, q) for q in (0.5, 0.99))
        print(
            f"tollbench: calls took {p50:.2f} ms longer in this process (p99 {p99:.2f} ms), which "
            f"is in no recorded time; at its busiest it saw answers {busiest.late_s * 1000:.1f} ms "
            "late, which is",
            file=sys.stderr,
        )
    if recorder.lost:
        print(f"tollbench: some calls could not be written: {recorder.lost}", file=sys.stderr)
