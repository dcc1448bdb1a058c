"""What a generator's process leaves is read whole, or it is said why not; no gateway is asked."""

import sys

import pytest

from tests.benchmarks.gateways.asked import DIRECT, Asked, Block, Way
from tests.benchmarks.gateways.measure import GENERATOR_MODULE, played_by
from tests.benchmarks.peers.sample import NoFigures
from tests.free_port import free_port

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="cores are pinned on Linux"),
    pytest.mark.socket,
]

ASKED = Asked(ways=[], kind="json", blocks=[], warm=0, patience_s=1.0)


def test_where_nobody_answers_every_request_has_failed_for_a_reason() -> None:
    way = Way(DIRECT, f"http://127.0.0.1:{free_port()}/", {})
    asked = Asked(
        ways=[way],
        kind="json",
        blocks=[Block(way=DIRECT, rate=500, requests=20)],
        warm=1,
        patience_s=1.0,
    )
    (block,) = played_by(GENERATOR_MODULE, asked, 60.0)
    assert (block.sent, block.failed, block.took) == (20, 20, [])
    assert block.why


def test_a_generator_that_leaves_nothing_gives_no_figures() -> None:
    with pytest.raises(NoFigures, match=r"exit code 1: .*no_such_module"):
        played_by("tests.benchmarks.gateways.no_such_module", ASKED, 60.0)
