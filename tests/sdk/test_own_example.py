"""The shop of docs/example by the SDKs of OpenAI and Stripe: a flag of its own is compared, and
both ways to the mocks measure the same.
"""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from harness import record
from harness.cli.looks import Asking
from harness.cli.own_compare import OwnOptions, compare_function
from tests.cli.own_ways import played, served_once

pytest.importorskip("openai")
pytest.importorskip("stripe")

EXAMPLE = Path(__file__).parents[2] / "docs" / "example"

pytestmark = [
    pytest.mark.sdk,
    # Stripe's client gives httpx its body by a name that httpx would have otherwise.
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def agent() -> Iterator[ModuleType]:
    """Under a name of its own, so that no other test's `shop` is taken for it."""
    spec = importlib.util.spec_from_file_location("example_agent", EXAMPLE / "shop" / "agent.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["example_agent"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["example_agent"]


def test_thanking_early_is_compared_as_the_example_says(
    agent: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = OwnOptions(
        flow="example_agent:buy",
        vary="thank_early",
        flows="30",
        rounds="5",
        seed="1",
        clock="virtual",
        rate="50",
        port=None,
        profiles=(),
        capacity=None,
        asking=Asking(quantiles="50"),
        out=str(tmp_path),
        report=False,
    )
    assert compare_function(options, as_json=False) == 0
    assert "thank_early saves" in capsys.readouterr().out
    summary, columns, _ = record.read(record.newest(tmp_path))
    (saved,) = summary.effects
    assert saved.factor == "thank_early" and saved.verdict == "improved"
    assert {of.outcome for of in record.rows_of(columns).flows} == {"paid"}


@pytest.mark.socket
def test_sdks_in_threads_by_their_base_urls_are_measured_as_those_on_httpx(
    agent: ModuleType, tmp_path: Path
) -> None:
    async def early(turn: object) -> object:
        return await agent.buy_in_threads(turn, thank_early=True)

    with served_once():
        rows = played(agent.buy, agent.buy_in_threads, early, room=tmp_path, rounds=1, turns=3)
    told = [
        [
            (of.conversation, of.stage, of.provider, of.status, of.attempt, of.injected_ms)
            for of in sorted(rows.spans, key=lambda of: (of.conversation, of.stage))
            if of.provider and of.variant == f"way {way}"
        ]
        for way in range(3)
    ]
    assert told[0] == told[1] == told[2]
    assert [of[1:5] for of in told[0][:3]] == [
        ("confirm", "openai", 200, 1), ("intent", "openai", 200, 1), ("pay", "stripe", 200, 1)
    ]  # fmt: skip
