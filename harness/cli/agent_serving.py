"""The reference chat agent served in the foreground, beside mocks of its own or before others that
are served already, until the process is told to end.

What a chat does is scenarios.agent_app's, what the agent remembers scenarios.agent_memory's; who
takes connections is mocks.listening's.
"""

import contextlib
import ipaddress
import secrets
import shlex
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import httpx
import msgspec
from msgspec import structs

from harness.cli.exits import INVALID, PASS, BadInput
from harness.cli.listeners import listeners
from harness.cli.mock_process import mock_process
from harness.cli.problems import Problems
from harness.cli.rounds import one_virtual_round
from harness.cli.served import chosen
from harness.cli.serving import GRACE_S, url_of
from harness.cli.setup import Options as RunOptions
from harness.cli.setup import checked
from harness.cli.ways import socket_way
from harness.cli.wiring import Setup, cast_of
from harness.clock import RealClock, run
from harness.flow.agent import Cast
from harness.flow.flow import Flow, World
from harness.http1 import Sockets
from harness.load.engine import BOOT
from harness.providers.app_chat import PATH
from harness.providers.call import ProviderFault, Unreachable, fault_of, request_of
from harness.transport import measure
from mocks.host import LOOPBACK, MockConfig
from mocks.listening import Foreground, spare_pauses
from scenarios.agent_app import agent_app
from scenarios.agent_memory import Conversations

MOCKS_PORT = "8700"
REACHED_S = 5.0
"""How long mocks may take to say that they are there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """As the user wrote them. `mocks_port` is for mocks of its own, `mocks` the URL of others."""

    port: str
    host: str
    mocks: str | None
    mocks_port: str | None
    strategy: str
    seed: str
    pay: str | None
    intent: str | None
    confirm: str | None
    reason: str | None
    as_json: bool


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a client finds the agent, and where the mocks behind it are."""

    agent: str
    mocks: str
    strategy: str
    pay: str

    @property
    def locust(self) -> str:
        """The command that loads it."""
        words = ["locust", "-f", "scenarios/locustfile.py", "--headless", "--scenario", "app-chat"]
        words += ["--host", self.agent, "--mocks-url", self.mocks]
        return shlex.join([*words, "-u", "10", "-r", "10", "--flow-rate", "1", "-t", "60s"])

    @property
    def curl(self) -> str:
        said = {"user": "ann", "message": "Please pay 45.80 CNY to noodles with my balance."}
        body = msgspec.json.encode(said).decode()
        return shlex.join(["curl", "-N", self.agent + PATH, "-d", body])

    def show(self, as_json: bool) -> None:
        if as_json:
            told = {"chat": self.agent + PATH, "host": self.agent, "mocks_url": self.mocks}
            print(msgspec.json.encode({**told, "locust": self.locust}).decode(), flush=True)
            return
        print(f"Agent  {self.agent}{PATH}  (POST; {self.strategy}, pays by {self.pay})")
        print(f"Mocks  {self.mocks}\n")
        print(f"Say something:\n\n{self.curl}\n\nLoad it:\n\n{self.locust}\n")
        print("Ctrl-C ends it.", flush=True)


def serve(options: Options) -> int:
    """Returns the exit code when the process was told to end; raises BadInput with all that is
    wrong."""
    problems = Problems()
    with contextlib.ExitStack() as opened:
        taken = listeners(problems, opened, "--port", options.host, options.port)
        port = _mocks_port(problems, options)
        setup = _setup(problems, options)
        _warn_if_open(taken[0])
        try:
            # A turn on the virtual clock loads the code; else the first chat would wait for it.
            one_virtual_round(replace(setup, rounds=1, turns=1), 0)
            with _mocks(setup.mocks, options, port) as mocks_url:
                ended = run("real", _serve(setup, taken[0], mocks_url, options.as_json))
        except KeyboardInterrupt:
            return PASS  # Before anybody was served.
        except _MocksEnded:
            print("tollbench: the mocks ended before the agent; see above", file=sys.stderr)
            return INVALID
    _tell_served(ended)
    return PASS


def _warn_if_open(taken: socket.socket) -> None:
    address = ipaddress.ip_address(taken.getsockname()[0])
    if not address.is_loopback:
        print(
            f"tollbench: listening on {address}: whoever can reach it can chat with the agent",
            file=sys.stderr,
        )


def _mocks_port(problems: Problems, options: Options) -> int:
    """A port that is free now, or 0, where the mocks are its own."""
    if options.mocks is not None:
        problems.base_url("--mocks", options.mocks)
        if options.mocks_port is not None:
            problems.add("--mocks-port is for mocks of its own: leave it or --mocks out")
        return 0
    with contextlib.ExitStack() as opened:
        text = options.mocks_port or MOCKS_PORT
        listeners(problems, opened, "--mocks-port", LOOPBACK, text)
        return int(text) if problems.none else 0


def _setup(problems: Problems, options: Options) -> Setup:
    strategy = problems.strategy("--strategy", options.strategy)
    if "+" in (options.pay or ""):
        problems.add("--pay: a chat pays by one provider; name one profile")
    run_options = RunOptions(
        clock="real",
        seed=options.seed,
        think_scale="1",  # Tokens live as long as their profiles say.
        pay=options.pay,
        models={
            "intent": options.intent,
            "confirm": options.confirm,
            "reason": options.reason or "claude-3-5-sonnet",
        },
    )
    return checked(run_options, problems, [strategy])


class _MocksEnded(Exception):
    """They were to be there until the agent is told to end."""


@contextlib.contextmanager
def _mocks(needed: MockConfig, options: Options, port: int) -> Iterator[str]:
    """The base URL of those that are named, or of its own: all that `mocks serve` has."""
    if options.mocks is not None:
        yield options.mocks.rstrip("/")
        return
    usual = chosen(Problems(), options.seed, [], []).mocks
    config = structs.replace(
        usual, pay={**usual.pay, **needed.pay}, models={**usual.models, **needed.models}
    )
    with contextlib.ExitStack() as opened:
        with _telling_their_end():
            url = opened.enter_context(mock_process(config, port))
        yield url
        with _telling_their_end():
            opened.close()


@contextlib.contextmanager
def _telling_their_end() -> Iterator[None]:
    try:
        yield
    except RuntimeError:
        raise _MocksEnded from None


async def _serve(setup: Setup, taken: socket.socket, mocks_url: str, as_json: bool) -> Counter[str]:
    """Returns how the messages ended."""
    (variant,) = setup.variants
    ended: Counter[str] = Counter()
    async with contextlib.AsyncExitStack() as opened:
        try:
            await _reach(mocks_url)
            way = await opened.enter_async_context(socket_way(setup, mocks_url))
            world = World(RealClock(), way.transport, setup.seed, 0, True, inbox=way.inbox)
            cast = cast_of(setup, variant, way)
            await _boot(world, cast)
        except ProviderFault as fault:
            mend = "serve them by tollbench mocks serve, or leave --mocks out"
            raise BadInput([f"no mocks at {mocks_url} ({fault}): {mend}"]) from None
        # Another app at the same mocks must not speak of the same orders.
        salt = f"{secrets.token_hex(4)}-"
        app = agent_app(Conversations(world, cast, variant.strategy, salt=salt), ended)

        def ready() -> None:
            Addresses(url_of(taken), mocks_url, variant.name, variant.pay).show(as_json)
            spare_pauses()

        await Foreground(app, GRACE_S, ready).serve(sockets=[taken])
        return ended


async def _reach(mocks_url: str) -> None:
    """Raises ProviderFault unless mocks answer there."""
    asked = request_of("GET", httpx.URL(f"{mocks_url}/_health"), {})
    async with Sockets() as transport:
        took = await measure(transport, RealClock(), asked, REACHED_S)
    if took.fault:
        raise Unreachable(took.fault)
    if took.status != 200:
        raise fault_of(took.status, f"/_health answers {took.status}")


async def _boot(world: World, cast: Cast) -> None:
    flow = Flow(world, BOOT, 0, world.clock.now(), world.clock.now())
    for payer in cast.payers:
        await payer.start(flow)
    await flow.join()


def _tell_served(ended: Counter[str]) -> None:
    counts = ", ".join(f"{name} {n:,}" for name, n in ended.most_common())
    told = f" ({counts})" if counts else ""
    print(f"tollbench: heard {ended.total():,} messages{told}", file=sys.stderr)
