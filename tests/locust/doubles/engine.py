"""Stands in for an engine: it follows the schedule in which arrivals are evenly spaced, each of its
turns ends at once after what counts as 1234.56 ms, and it opens no socket.

The intent option says how it misbehaves: "refuse" when asked to begin, "dawdle" before it is ready,
"vanish" a second into the run.
"""

import os
import select
import sys
import time
from collections.abc import Iterator
from itertools import count

import msgspec

from harness.load.pipe import (
    Account,
    Counts,
    Frames,
    FromEngine,
    Go,
    Order,
    Part,
    Ready,
    Refused,
    Sample,
    Step,
    Stop,
    framed,
)
from harness.load.steered import Steered

RESPONSE_MS = 1234.56


def main() -> None:
    orders = _orders()
    begin = msgspec.msgpack.decode(next(orders) or b"")
    how = begin["asked"]["intent"]
    if how == "refuse":
        _tell(Refused(["--host: nobody is there", "--seed: unlucky"]))
        return
    if how == "dawdle":
        time.sleep(2.0)
    _tell(Ready())
    schedule = Steered(map(float, count(1)), arms=1, turns_each=1)
    origin, done = 0.0, 0
    told_at = time.monotonic()
    for frame in orders:
        order = msgspec.msgpack.decode(frame, type=Order) if frame else None
        if isinstance(order, Go):
            origin = time.monotonic() + order.in_s
        if isinstance(order, Step):
            schedule.tell(order)
        now_s = time.monotonic() - origin if origin else -1.0
        stopped = isinstance(order, Stop)
        if stopped or time.monotonic() > told_at + 0.25:
            told_at = time.monotonic()
            due = list(schedule.due_by(now_s))
            done += len(due)
            samples = [Sample("TURN", "s", RESPONSE_MS, "")] * len(due)
            records = msgspec.msgpack.encode([(a.conversation, a.due_s) for a in due])
            counts = Counts(done, done, done)
            if how == "vanish" and now_s > 1:
                os._exit(3)
            if origin:
                _tell(Part(now_s, counts, records, samples))
        if stopped:
            _tell(Account(now_s, Counts(done, done, done), 0.1, 1, 1, 0, ""))
            return


def _orders() -> Iterator[bytes | None]:
    """Frames as they come, and None after every 50 ms without one."""
    frames = Frames()
    while True:
        if select.select([0], [], [], 0.05)[0]:
            data = os.read(0, 65536)
            if not data:
                return
            yield from frames.feed(data)
        else:
            yield None


def _tell(what: FromEngine) -> None:
    sys.stdout.buffer.write(framed(msgspec.msgpack.encode(what)))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
