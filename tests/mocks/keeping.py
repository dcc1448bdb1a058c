"""Mocks that are kept by a file, killed after any call and begun again; it asserts nothing.

A kill is a copy of the file and of its log as they stand: more no process leaves behind, however it
ends. State is all that a mock's own objects hold, read as plain data.
"""

import asyncio
import re
import shutil
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import _lru_cache_wrapper, cached_property, partial
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType

import httpx
from cryptography.hazmat.primitives.asymmetric import rsa

from harness.answer import Answer
from harness.clock import Clock, VirtualClock, run
from harness.flow.flow import Flow, World
from harness.flow.inbox import Inbox
from harness.in_process import InProcess
from harness.providers.call import Endpoint
from mocks.admin import Admin
from mocks.courier import Courier, Deliver
from mocks.host import IN_PROCESS_URL, Host, MockConfig, endpoints
from mocks.kept import Kept, KeptClock
from mocks.kept_file import KeptFile, Now
from mocks.worlds import Begun, Worlds

ABOUT, START = {"seed": "1"}, Now(0.0, 0.0)


@dataclass(frozen=True)
class Cut:
    """What a process that is killed now leaves behind, and what its mocks held."""

    at_s: float
    path: Path
    state: str


class Noting(Inbox):
    """The app's address; it notes what came to "hook", and takes so many of them."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.came: list[bytes] = []
        self.takes = 1000

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path != "/hook":
            return await super().__call__(request)
        self.came.append(request.content)
        return httpx.Response(200 if len(self.came) <= self.takes else 500)


@dataclass
class House:
    """Mocks of one process, and their killings."""

    path: Path
    file: KeptFile
    kept: Kept
    worlds: Worlds
    inbox: "Noting"
    told: list[str]
    """What was said to whoever serves."""
    cuts: list[Cut] = field(default_factory=list)

    @property
    def host(self) -> Host:
        host = self.worlds.get("")
        assert host is not None
        return host

    @property
    def state(self) -> str:
        return repr([state_of(self.worlds.get(name), set()) for name in self.worlds])

    def decide(self, request: httpx.Request) -> Answer:
        return self.kept.decide(request)

    def decide_and_cut(self, request: httpx.Request) -> Answer:
        answer = self.kept.decide(request)
        self.cut()
        return answer

    def cut(self) -> None:
        copy = self.path.with_name(f"{self.path.name}-{len(self.cuts)}")
        for end in ("", "-wal"):
            shutil.copy(f"{self.path}{end}", f"{copy}{end}")
        self.cuts.append(Cut(VirtualClock().now(), copy, self.state))

    def client(self, config: MockConfig, cuts: bool = False) -> "Client":
        clock = VirtualClock()
        way = InProcess(self.decide_and_cut if cuts else self.decide, clock)
        world = World(clock, way, config.seed, 0, True, inbox=self.inbox)
        return Client(self, world, endpoints(IN_PROCESS_URL, config))


@dataclass(frozen=True)
class Client:
    """An app of these mocks."""

    house: House
    world: World
    at: Mapping[str, Endpoint]

    def turn(self, number: int) -> Flow:
        """With luck of its own."""
        now = self.world.clock.now()
        return Flow(self.world, 0, number, now, now)


Story = Callable[[Client], Awaitable[None]]


def lived(
    config: MockConfig, path: Path, story: Story, after_s: float = 0.0, began: Now = START
) -> House:
    """The story, played with mocks that are kept there, and killed after each of its calls. They
    live on for so long after it."""

    async def main() -> House:
        with closing(KeptFile(str(path), ABOUT, began)) as file:
            house = _house(config, path, file)
            await story(house.client(config, cuts=True))
            await asyncio.sleep(after_s)
        return house

    return run("virtual", main())


def begun_again(
    config: MockConfig, cut: Cut, story: Story | None = None, after_s: float = 0.0
) -> House:
    """The next process, from the moment at which the one before it was killed."""

    async def main() -> House:
        with closing(KeptFile(str(cut.path), ABOUT, START)) as file:
            house = _house(config, cut.path, file)
            if story is not None:
                await story(house.client(config))
            await asyncio.sleep(after_s)
        return house

    return run("virtual", main(), start_ns=round(cut.at_s * 1e9))


def _house(config: MockConfig, path: Path, file: KeptFile) -> House:
    made: list[Worlds] = []
    told: list[str] = []

    def make(clock: Clock, carry: Deliver | None, begun: Begun) -> Admin:
        made.append(Worlds(clock, config, carry, begun))
        return Admin(clock, made[0], config.seed, clock.now())

    inbox = Noting("http://app")
    kept = Kept(make, VirtualClock(), file, told.append, inbox)
    return House(path, file, kept, made[0], inbox, told)


NO_STATE = (
    KeptClock, VirtualClock, Courier, FunctionType, MethodType, BuiltinFunctionType, type,
    rsa.RSAPrivateKey, partial, _lru_cache_wrapper, re.Pattern,
)  # fmt: skip
"""Time, what only computes, and what is on its way."""


def state_of(of: object, over: set[int]) -> object:
    """All of it as plain data; `over` are the objects that it stands within."""
    if of is None or isinstance(of, str | bytes | int | float):
        return of
    if isinstance(of, NO_STATE) or id(of) in over:
        return type(of).__name__
    over = over | {id(of)}
    if isinstance(of, Mapping):
        return [(state_of(key, over), state_of(value, over)) for key, value in of.items()]
    if isinstance(of, list | tuple | deque):
        return [state_of(one, over) for one in of]
    if isinstance(of, set | frozenset):
        return sorted(repr(state_of(one, over)) for one in of)
    held = {name: getattr(of, name) for name in _names(of) if hasattr(of, name)}
    if not held:
        return repr(of)  # as that of a count
    return type(of).__name__, {name: state_of(value, over) for name, value in held.items()}


def _names(of: object) -> list[str]:
    """But for what is worked out of the others and then kept."""
    told = [kind.__dict__.get("__slots__", ()) for kind in type(of).__mro__]
    slots = [name for names in told for name in ((names,) if isinstance(names, str) else names)]
    names = [*slots, *getattr(of, "__dict__", {}), *getattr(of, "__struct_fields__", ())]
    kind = type(of)
    return [
        name
        for name in names
        if name != "__dict__" and not isinstance(getattr(kind, name, None), cached_property)
    ]
