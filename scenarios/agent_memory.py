"""What a chat agent remembers of its users' conversations, and how it takes the next turn of one;
it knows no HTTP and measures nothing.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import count

from harness.flow.agent import Agent, Cast
from harness.flow.flow import Chat, Flow, World
from harness.flow.strategy import Strategy
from harness.providers.app_chat import BadMessage, Message
from harness.providers.trace import Trace, trace_id_of, trace_of
from scenarios.shop import METHODS

MOST_CONVERSATIONS = 10_000
"""Remembered at a time; of those that are idle, the one that was silent longest is forgotten."""

MOST_RECEIPTS = 100
"""Payments that a conversation remembers."""


class Conversations:
    """Those of one app with all its users; each one's turns are one after another.

    A conversation is a user's. Where a request names a turn of a load test by its trace, it is that
    test's conversation with the user, and draws are named by the numbers in the trace: so they do
    not hang on the order in which requests come. The same turn told again in the same words is the
    same intent, and pays once.
    """

    def __init__(
        self,
        world: World,
        cast: Cast,
        strategy: Strategy,
        *,
        salt: str = "",
        usual_method: str = METHODS[0],
        most: int = MOST_CONVERSATIONS,
    ) -> None:
        """`salt` keeps its order numbers apart from those of another app at the same providers."""
        self.strategy = strategy
        self._world = world
        self._cast = cast
        self._salt = salt
        self._usual_method = usual_method
        self._most = most
        self._known: OrderedDict[_Who, _Conversation] = OrderedDict()
        self._serial = count()

    def __len__(self) -> int:
        return len(self._known)

    async def hear(self, message: Message, traceparent: str) -> tuple[Flow, str]:
        """The turn, and what the user is told, "" when a provider's fault left nothing to tell.
        What the turn has begun beside itself may run on after that.

        Raises BadMessage for other words in a turn that was told before: it names one intent."""
        trace_id = trace_id_of(traceparent)
        trace = trace_of(trace_id)
        conversation = self._conversation(message.user, trace)
        async with conversation.alone():
            if trace and not conversation.is_of(trace.turn, message.message):
                raise BadMessage("this turn had other words before; number turns anew")
            chat = conversation.next_turn(self._world, trace, traceparent if trace_id else "")
            try:
                told = await conversation.agent.hear(chat, message.message)
            except BaseException:
                for flow in chat.flows:
                    await flow.cut()
                raise
            del conversation.agent.receipts[:-MOST_RECEIPTS]
        return chat.flows[0], told

    def _conversation(self, user: str, trace: Trace | None) -> "_Conversation":
        who = (user, trace.run, trace.conversation) if trace else (user, -1, -1)
        known = self._known.get(who)
        if known is None:
            serial = next(self._serial)
            # Nobody else is told the user's name: providers know a number.
            agent = Agent(self._cast, self.strategy, f"{self._salt}{serial}", self._usual_method)
            known = _Conversation(agent, trace.conversation if trace else serial)
            self._known[who] = known
        self._known.move_to_end(who)
        while len(self._known) > self._most:
            if next(iter(self._known.values())).open:
                break  # All that are younger may be idle; it is forgotten after its turn.
            self._known.popitem(last=False)
        return known


_Who = tuple[str, int, int]
"""A user, and the run and the conversation of a load test, both -1 where there is none."""


@dataclass(slots=True)
class _Conversation:
    """What the app remembers of one: its agent, its number for draws, how many turns it has had."""

    agent: Agent
    number: int
    turns: int = 0
    open: int = 0
    """Messages that are being answered or wait for their turn."""
    _said: dict[int, bytes] = field(default_factory=dict)
    """What was said in each turn that a trace named, hashed: a trace has room for 65,536 turns."""
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """In the order of asking."""
        self.open += 1
        try:
            async with self._lock:
                yield
        finally:
            self.open -= 1

    def is_of(self, turn: int, message: str) -> bool:
        """Whether that is what was said in the turn, or the first that is."""
        said = blake2b(message.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        return self._said.setdefault(turn, said) == said

    def next_turn(self, world: World, trace: Trace | None, traceparent: str) -> "_Visit":
        turn = trace.turn if trace else self.turns
        self.turns += 1
        now = world.clock.now()
        return _Visit(world, self.number, "", 1, now, number=turn, traceparent=traceparent)


@dataclass(eq=False)
class _Visit(Chat):
    """A chat of one turn, which is that number's of its conversation."""

    number: int = field(kw_only=True)
    traceparent: str = field(kw_only=True)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Flow]:
        async with super().turn() as flow:
            flow.turn, flow.traceparent = self.number, self.traceparent
            yield flow
