"""The upstream mock and the gateways before it, as processes on the server's core; each listens at
this machine's own address, and each ends with its context.

A gateway's environment holds nothing of whoever runs this: no key, database or proxy of theirs is
found by it. What it would call home with is sent to a port where nobody listens.
"""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from tests.benchmarks.gateways.asked import DIRECT, Way
from tests.benchmarks.gateways.generator import MODEL
from tests.benchmarks.peers import mock_servers
from tests.benchmarks.peers.processes import SERVER, started, wait_for_port
from tests.benchmarks.peers.sample import NoFigures
from tests.benchmarks.peers.tools import Tool
from tests.free_port import free_port

FIRST_MS, TOTAL_MS = 200.0, 300.0
"""When the upstream gives its first token and its last: twenty tokens at 200 a second."""

START_S = 120.0
"""LiteLLM takes 5 to 12 s until it listens, and longer where its core is shared."""

NOWHERE = "http://127.0.0.1:9"


@contextlib.contextmanager
def upstream(folder: Path) -> Iterator[Way]:
    """Our mock of OpenAI: the way without a gateway."""
    profile = folder / f"{MODEL}.toml"
    profile.write_text(UPSTREAM)
    with mock_servers.tollbench("--profile", str(profile)) as addresses:
        openai = addresses.providers["openai"]
        yield Way(DIRECT, f"{openai.url}/chat/completions", _bearer(openai.key))


@contextlib.contextmanager
def litellm(tool: Tool, direct: Way, folder: Path) -> Iterator[Way]:
    """One worker. JSON is YAML too, so its configuration is written as that."""
    port, key, config = free_port(), f"sk-{secrets.token_hex(16)}", folder / "litellm.yaml"
    config.write_bytes(msgspec.json.encode(litellm_config(direct, key)))
    command = [
        tool.command, "--config", str(config), "--host", "127.0.0.1", "--port", f"{port}",
        "--num_workers", "1", "--telemetry", "False",
    ]  # fmt: skip
    with _listening(command, LITELLM_SETTINGS, port, folder):
        yield Way(tool.name, f"http://127.0.0.1:{port}/v1/chat/completions", _bearer(key))


@contextlib.contextmanager
def portkey(tool: Tool, direct: Way, folder: Path) -> Iterator[Way]:
    """It has no key of its own: the upstream's and its address come with each request."""
    port, bind_here = free_port(), Path(__file__).with_name("bind_here.cjs")
    command = [
        shutil.which("node") or "node", "--require", str(bind_here), tool.command,
        f"--port={port}", "--headless",
    ]  # fmt: skip
    headers = {
        **direct.headers,
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": base_url(direct),
    }
    with _listening(command, {"NODE_ENV": "production"}, port, folder):
        yield Way(tool.name, f"http://127.0.0.1:{port}/v1/chat/completions", headers)


def litellm_config(direct: Way, key: str) -> Mapping[str, object]:
    """One model, and nothing that keeps, counts or tells of requests."""
    upstream_key = direct.headers["authorization"].removeprefix("Bearer ")
    params = {"model": f"openai/{MODEL}", "api_base": base_url(direct), "api_key": upstream_key}
    return {
        "model_list": [{"model_name": MODEL, "litellm_params": params}],
        "litellm_settings": {"num_retries": 0, "telemetry": False},
        "general_settings": {"master_key": key},
    }


def base_url(direct: Way) -> str:
    return direct.url.removesuffix("/chat/completions")


LITELLM_SETTINGS = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # or it asks GitHub for the list of prices
    "LITELLM_MODE": "PRODUCTION",  # reads no .env
    "LITELLM_LOG": "ERROR",
}


@contextlib.contextmanager
def _listening(
    command: Sequence[str], settings: Mapping[str, str], port: int, folder: Path
) -> Iterator[None]:
    """The command in an environment that holds nothing else, as soon as it listens. What it prints
    goes into a file, for its last line when it does not start."""
    log, home = folder / "log", folder / "home"
    home.mkdir()
    env = environment(settings, home)
    clean = ["env", "-i", *(f"{name}={value}" for name, value in env.items())]
    logged = ["sh", "-c", 'exec "$@" >"$0" 2>&1', str(log), *clean, *command]
    with started(logged, SERVER, folder, muted=True) as process:
        try:
            wait_for_port(process, port, START_S)
        except NoFigures as no:
            raise NoFigures(f"{no}: {last_line(log)}") from None
        yield


def environment(settings: Mapping[str, str], home: Path) -> dict[str, str]:
    """All that a gateway finds in its environment."""
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), NOWHERE)
    here = {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
    path = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "LANG": "C.UTF-8"}
    return {**path, **proxies, **here, "DO_NOT_TRACK": "1", **settings}


def last_line(log: Path) -> str:
    try:
        lines = log.read_text("utf-8", errors="replace").strip().splitlines()
    except OSError:
        return "it said nothing"
    return lines[-1].strip()[:160] if lines else "it said nothing"


def _bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


UPSTREAM = f"""\
provider = "openai"

[latency]
# As good as constant: a profile's 99th percentile lies above its median.
ttft_p50_ms = {FIRST_MS}
ttft_p99_ms = {FIRST_MS + 0.001}
tokens_per_s = 200.0
provenance = "assumed"
source = "round figures to measure against"
date = 2026-11-23

[price]
input_usd = 1.0
output_usd = 1.0
provenance = "assumed"
source = "nobody pays"
date = 2026-11-23

[limits]
slots = 10_000
queue = 10_000
requests = 10_000_000
tokens = 10_000_000_000
window_s = 60.0
provenance = "assumed"
source = "far above what is measured"
date = 2026-11-23
"""
