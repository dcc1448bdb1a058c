"""A run on a tested app as a black box: what is asked of it, checked, and its one arm.

It reads the app's token from the environment and tells it to nobody but the app.
"""

import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from harness.cli.problems import Problems
from harness.cli.setup import MOST_SEED
from harness.cli.wiring import REAL_THINK_SCALE
from harness.clock import Clock
from harness.flow.flow import Chat, Flow, World
from harness.http1 import Sockets
from harness.load.app_spans import AppSpans
from harness.load.engine import Arm
from harness.providers.call import Endpoint
from harness.providers.trace import number_of
from scenarios.app_chat import App, AppChat

NAME = "app"
"""Of the arm: the strategy is the app's own."""

TOKEN = "TOLLBENCH_APP_TOKEN"
"""The variable of the environment that may hold what opens the app."""


class BoxOptions(Protocol):
    """As the user wrote them."""

    @property
    def host(self) -> str: ...
    @property
    def mocks_url(self) -> str | None: ...
    @property
    def seed(self) -> str: ...
    @property
    def think_scale(self) -> str | None: ...
    @property
    def param(self) -> list[str] | None: ...


@dataclass(frozen=True, slots=True)
class BlackBox:
    """`mocks_url` is where the mocks behind the app answer, "" where nobody can be asked."""

    scenario: AppChat
    app_url: str
    token: str
    mocks_url: str
    seed: int
    think_scale: float

    def __repr__(self) -> str:
        return f"BlackBox({self.scenario}, {self.app_url})"


def check_box(asked: BoxOptions, problems: Problems) -> BlackBox:
    """What is wrong goes to the problems, and the answer is then not to be used. Addresses are
    checked by the caller."""
    scenario = problems.parameters(AppChat, asked.param or [])
    token = os.environ.get(TOKEN, "")
    if not _TOKEN.fullmatch(token):
        problems.add(f"{TOKEN} in the environment must be printable ASCII without spaces")
    think_scale = REAL_THINK_SCALE
    if asked.think_scale:
        think_scale = problems.number("--think-scale", asked.think_scale, 0.0001, 1000)
    return BlackBox(
        scenario=scenario or AppChat(),
        app_url=asked.host.rstrip("/"),
        token=token,
        mocks_url=(asked.mocks_url or "").rstrip("/"),
        seed=problems.whole("--seed", asked.seed, 0, MOST_SEED),
        think_scale=think_scale,
    )


@contextlib.asynccontextmanager
async def app_arm(box: BlackBox, clock: Clock, run_id: str, index: int) -> AsyncIterator[Arm]:
    """The arm of one engine, the `index`-th of them; all engines are one world to the app. Its boot
    raises ProviderFault where the mocks behind the app do not answer."""
    run = run_number(run_id)
    async with Sockets() as transport, Sockets() as aside, contextlib.AsyncExitStack() as stack:
        world = World(clock, transport, box.seed, 0, False, box.think_scale)
        app = App(Endpoint(box.app_url, box.token), run)
        if not box.mocks_url:
            yield black_box_arm(box.scenario, app, world)
            return
        spans = AppSpans(clock, aside, box.mocks_url, run, _warn)
        await stack.enter_async_context(spans.asking())
        yield black_box_arm(box.scenario, app, world, spans)
    if spans.without:
        _warn(f"engine {index}: {spans.without:,} turns without what the app called")


def run_number(run_id: str) -> int:
    """The 64 bits that the trace ids of that run begin with."""
    return number_of(run_id)


def black_box_arm(scenario: AppChat, app: App, world: World, spans: AppSpans | None = None) -> Arm:
    async def boot(flow: Flow) -> None:
        if spans is not None:
            await spans.check()

    async def converse(chat: Chat) -> None:
        await scenario.converse(chat, app)

    if spans is None:
        return Arm(NAME, world, boot, converse)
    return Arm(NAME, world, boot, converse, spans.complete)


def _warn(line: str) -> None:
    print(f"tollbench: {line}", file=sys.stderr, flush=True)


_TOKEN = re.compile(r"[!-~]*", re.ASCII)
