"""The fixture `play_flow`, and what goes wrong when a flow is played, told in a line a mistake; it
measures nothing itself."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from harness.pytest_plugin import PlayFlow
from harness.pytest_plugin.hiding import hidden_packages
from harness.pytest_plugin.tested import refuse, tested_by

if TYPE_CHECKING:
    from harness.cli.played import Kept, Played

__tracebackhide__ = True

ASKED = "can be played"

_KEPT: "pytest.StashKey[Kept]" = pytest.StashKey()


@pytest.fixture
def play_flow(request: pytest.FixtureRequest) -> PlayFlow:
    """Play a flow on the virtual clock and return its turns, with no row in any table."""
    return player(request)


def player(request: pytest.FixtureRequest) -> PlayFlow:
    """Plays for this test, and remembers that it did."""

    def play(flow: object, **options: object) -> "Played":
        # Also of a test whose flow cannot be played it is told that it failed.
        tested = tested_by(request.node)
        found = _played(request.config, flow, options)
        if isinstance(found, list):
            refuse(request.node, _called(flow), ASKED, found)
        tested.add(found)
        return found

    return play


def _played(
    config: pytest.Config, flow: object, options: dict[str, object]
) -> "Played | list[str]":
    """The turns, or what is wrong."""
    if mistakes := [*_running_loop(), *hidden_packages()]:
        return mistakes
    from harness.cli.exits import BadInput
    from harness.cli.own_flow import BadFlow
    from harness.cli.played import NAMES, Asked, Kept, Unbelievable, play
    from harness.virtual_loop import Deadlock

    if unknown := [name for name in options if name not in NAMES]:
        return [f"there is no option {', '.join(unknown)}; there are {', '.join(NAMES)}"]
    kept = config.stash.setdefault(_KEPT, Kept())
    try:
        return play(Asked(flow=flow, root=config.rootpath, **options), kept)  # type: ignore[arg-type]  # they are checked where they go
    except BadInput as error:
        return list(error.problems)
    except (BadFlow, Deadlock, Unbelievable) as error:
        return str(error).splitlines()


def _running_loop() -> Iterator[str]:
    from asyncio import get_running_loop

    try:
        get_running_loop()
    except RuntimeError:
        return
    yield (
        "flows are played on a loop of their own: call this from a test that is no async function"
    )


def _called(flow: object) -> str:
    from harness.flow.own_function import name_of

    return flow if isinstance(flow, str) else name_of(flow)
