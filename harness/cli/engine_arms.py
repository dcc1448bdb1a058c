"""The arms of one engine of a conducted run, booted and ready; it begins no turn."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.exits import BadInput
from harness.cli.real_ways import ways_there
from harness.cli.rounds import one_virtual_round
from harness.cli.ways import socket_way, socket_ways
from harness.cli.wiring import Setup, Way, socket_arms
from harness.clock import Clock
from harness.load.engine import Arm, boot
from harness.providers.call import ProviderFault

if TYPE_CHECKING:
    from harness.cli.app_box import BlackBox

ONE_ENGINE = (
    "--targets real: what real providers are asked is counted by one engine; run Locust without "
    "--processes and without workers"
)

ROUND = 0
"""All engines play one round together, so each turn meets the same draws in whichever it is."""


@contextlib.asynccontextmanager
async def ready_arms(
    found: "Setup | BlackBox",
    base_url: str,
    run_id: str,
    index: int,
    clock: Clock,
    *,
    apart: bool,
    folder: Path,
) -> AsyncIterator[Sequence[Arm]]:
    """An arm for each strategy, or the app's, each booted over its first connection.

    All engines load the same providers, as the app's servers would. With several strategies
    `apart` gives each a world of its own, as mocks of ours have them. Orders at real providers are
    noted in that folder, the run's own.

    Raises BadInput where nobody answers.
    """
    async with contextlib.AsyncExitStack() as stack:
        try:
            if isinstance(found, Setup):
                if found.real is not None and index:
                    raise BadInput([ONE_ENGINE])
                ways = (
                    _ways(found, base_url, apart)
                    if found.real is None
                    else ways_there(found, found.real, base_url, folder)
                )
                arms = await stack.enter_async_context(_our_arms(found, ways, clock))
            else:
                arms = [await stack.enter_async_context(_app_arm(found, run_id, index, clock))]
            for arm in arms:
                await boot(clock, arm)
        except ProviderFault as fault:
            raise BadInput([_no_answer(found, base_url, apart, fault)]) from None
        yield arms


def _no_answer(found: "Setup | BlackBox", base_url: str, apart: bool, fault: ProviderFault) -> str:
    if not isinstance(found, Setup):
        return str(fault)  # It names the mocks behind the app: the app is asked nothing yet.
    mend = (
        "our mocks listen on the master's machine only; for workers on others serve them by "
        "tollbench mocks serve, and take --targets staging"
        if apart
        else "it must be laid out as tollbench mocks serve is"
    )
    return f"{base_url} does not answer as it should ({fault}): {mend}"


@contextlib.asynccontextmanager
async def _our_arms(
    setup: Setup, opening: AbstractAsyncContextManager[Sequence[Way]], clock: Clock
) -> AsyncIterator[Sequence[Arm]]:
    # A turn on the virtual clock loads the code in no time; on this one it would take seconds.
    mocked = replace(setup, rounds=1, turns=1, real=None)
    await asyncio.to_thread(one_virtual_round, mocked, ROUND)
    async with opening as ways:
        yield socket_arms(setup, ROUND, clock, ways)


@contextlib.asynccontextmanager
async def _ways(setup: Setup, base_url: str, apart: bool) -> AsyncIterator[Sequence[Way]]:
    async with contextlib.AsyncExitStack() as stack:
        if apart and len(setup.variants) > 1:
            yield await stack.enter_async_context(socket_ways(setup, base_url))
        else:
            opening = [socket_way(setup, base_url) for _ in setup.variants]
            ways = [await stack.enter_async_context(way) for way in opening]
            # Of whoever else is asked in staging nobody tells us the books.
            yield ways if apart else [replace(way, books=None) for way in ways]


@contextlib.asynccontextmanager
async def _app_arm(box: "BlackBox", run_id: str, index: int, clock: Clock) -> AsyncIterator[Arm]:
    from harness.cli.app_box import app_arm

    async with app_arm(box, clock, run_id, index) as arm:
        yield arm
