"""Mock servers as processes on the server's core, each with one payment that takes a second."""

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from tests.benchmarks.peers.processes import SERVER, started, wait_for_port
from tests.benchmarks.peers.sample import NoFigures
from tests.benchmarks.peers.tools import ROOT, Tool
from tests.free_port import free_port

DELAY_MS = 1000
PATH = "/payments"
ANSWER = {"status": "paid", "order_no": "peer", "amount_minor": 1990, "currency": "CNY"}


@dataclass(frozen=True, slots=True)
class Served:
    """Where to ask, and what has to be sent along."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)


class _Provider(msgspec.Struct):
    url: str
    key: str


class Addresses(msgspec.Struct):
    """What `tollbench mocks serve --json` prints, as far as it is read here."""

    base_url: str
    providers: dict[str, _Provider]


@contextlib.contextmanager
def tollbench(*options: str) -> Iterator[Addresses]:
    command = [sys.executable, "-P", "-m", "harness.cli", "mocks", "serve", "--port", "0"]
    with started([*command, "--json", *options], SERVER, ROOT) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            assert process.stderr is not None
            raise NoFigures(f"the mocks did not start: {process.stderr.read().strip()[-160:]}")
        yield msgspec.json.decode(line, type=Addresses)


@contextlib.contextmanager
def flat(folder: Path) -> Iterator[Served]:
    """tollbench's traditional payment provider: it checks a key and books every order."""
    profile = folder / "second.toml"
    profile.write_text(FLAT)
    with tollbench("--profile", str(profile)) as addresses:
        provider = addresses.providers["flat"]
        yield Served(provider.url + PATH, {"x-api-key": provider.key})


@contextlib.contextmanager
def mountebank(tool: Tool, folder: Path) -> Iterator[Served]:
    port, own_port = free_port(), free_port()
    config = folder / "imposters.json"
    headers = {"content-type": "application/json"}
    answer = {"statusCode": 201, "headers": headers, "body": msgspec.json.encode(ANSWER).decode()}
    waiting = {"is": answer, "behaviors": [{"wait": DELAY_MS}]}
    imposter = {"port": port, "protocol": "http", "stubs": [{"responses": [waiting]}]}
    config.write_bytes(msgspec.json.encode({"imposters": [imposter]}))
    command = [
        tool.command, "start", "--configfile", str(config), "--port", f"{own_port}",
        "--localOnly", "--nologfile", "--loglevel", "error", "--pidfile", str(folder / "mb.pid"),
    ]  # fmt: skip
    with started(command, SERVER, folder, muted=True) as process:
        wait_for_port(process, port)
        yield Served(f"http://127.0.0.1:{port}{PATH}")


@contextlib.contextmanager
def mockoon(tool: Tool, folder: Path) -> Iterator[Served]:
    """With its log of transactions cut to one, without which it takes half a second longer."""
    port = free_port()
    data = folder / "environment.json"
    data.write_bytes(msgspec.json.encode(_environment(port)))
    command = [
        tool.command, "start", "--data", str(data), "--port", f"{port}",
        "--hostname", "127.0.0.1", "--disable-log-to-file", "--disable-admin-api",
        "--max-transaction-logs", "1", "--repair",
    ]  # fmt: skip
    with started(command, SERVER, folder, muted=True) as process:
        wait_for_port(process, port)
        yield Served(f"http://127.0.0.1:{port}{PATH}")


def _environment(port: int) -> object:
    """One route with one answer, in Mockoon's form."""
    response = {
        "uuid": "00000000-0000-4000-8000-000000000003",
        "body": msgspec.json.encode(ANSWER).decode(),
        "latency": DELAY_MS,
        "statusCode": 201,
        "label": "",
        "headers": [{"key": "content-type", "value": "application/json"}],
        "bodyType": "INLINE",
        "filePath": "",
        "databucketID": "",
        "sendFileAsBody": False,
        "rules": [],
        "rulesOperator": "OR",
        "disableTemplating": True,
        "fallbackTo404": False,
        "default": True,
        "crudKey": "id",
        "callbacks": [],
    }
    route = {
        "uuid": "00000000-0000-4000-8000-000000000002",
        "type": "http",
        "documentation": "",
        "method": "post",
        "endpoint": PATH.strip("/"),
        "responses": [response],
        "responseMode": None,
        "streamingMode": None,
        "streamingInterval": 0,
    }
    return {
        "uuid": "00000000-0000-4000-8000-000000000001",
        "lastMigration": 33,
        "name": "payments",
        "endpointPrefix": "",
        "latency": 0,
        "port": port,
        "hostname": "127.0.0.1",
        "folders": [],
        "routes": [route],
        "rootChildren": [{"type": "route", "uuid": route["uuid"]}],
        "proxyMode": False,
        "proxyHost": "",
        "proxyRemovePrefix": False,
        "tlsOptions": {
            "enabled": False, "type": "CERT", "pfxPath": "", "certPath": "", "keyPath": "",
            "caPath": "", "passphrase": "",
        },
        "cors": False,
        "headers": [],
        "proxyReqHeaders": [],
        "proxyResHeaders": [],
        "data": [],
        "callbacks": [],
    }  # fmt: skip


FLAT = f"""\
provider = "flat"

[overhead]
# As good as constant: a profile's 99th percentile lies above its median.
p50_ms = {DELAY_MS}.0
p99_ms = {DELAY_MS}.001
provenance = "assumed"
source = "a round figure to measure against"
date = 2026-11-23

[fee]
fixed_minor = 30
currency = "CNY"
provenance = "assumed"
source = "a round figure to measure against"
date = 2026-11-23

[limits]
slots = 10_000
queue = 10_000
requests = 10_000_000
window_s = 60.0
provenance = "assumed"
source = "far above what is measured"
date = 2026-11-23
"""
