"""docs/gateways.md shows what was measured, and names the versions and commands that are run."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from tests.benchmarks.gateways import install, servers, table
from tests.benchmarks.gateways.__main__ import PAGE, PATH
from tests.benchmarks.gateways.asked import DIRECT, Way
from tests.benchmarks.gateways.plan import USUAL
from tests.benchmarks.gateways.results import load

TEXT = PAGE.read_text("utf-8")
SERVERS = Path(servers.__file__).read_text("utf-8")


def test_the_tables_shown_are_those_that_were_measured() -> None:
    """If not: `python -m tests.benchmarks.gateways --docs`."""
    assert table.with_block(TEXT, load(PATH)) == TEXT
    assert table.BLOCK.search(TEXT)


def test_the_versions_named_are_those_that_are_installed() -> None:
    _, version = install.LITELLM.split("==")
    assert f"LiteLLM {version}" in TEXT
    assert f"gateway {install.PORTKEY[1]}" in TEXT
    for name, instead in install.INSTEAD.items():
        assert f"`{name}` {instead}" in TEXT


@pytest.mark.parametrize("program", ["litellm", "start-server.js"])
def test_the_commands_shown_are_those_that_are_run(program: str) -> None:
    blocks = [text.replace("\\\n", " ") for text in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)]
    (words,) = (shlex.split(text) for text in blocks if text.startswith("env") and program in text)
    options = [word.partition("=")[0] for word in words if word.startswith("--")]
    assert options and all(f'"{option}' in SERVERS for option in options)


def test_the_settings_shown_are_those_that_are_given() -> None:
    for name, value in servers.LITELLM_SETTINGS.items():
        assert f"{name}={value}" in TEXT
    (shown,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    direct = Way(DIRECT, "http://127.0.0.1:8700/openai/v1/chat/completions", {})
    direct.headers["authorization"] = "Bearer mock-api-key"
    key = "sk-WITH-MANY-RANDOM-DIGITS"
    assert yaml.safe_load(shown) == servers.litellm_config(direct, key)


def test_the_lengths_told_are_those_of_the_plan() -> None:
    assert f"{USUAL.in_flight} requests in flight" in TEXT
    assert (
        f"first token after {servers.FIRST_MS:g} ms and its last after {servers.TOTAL_MS:g}" in TEXT
    )
