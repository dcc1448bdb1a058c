"""Stands in for the collector: it writes every frame that it hears to a file of JSON lines, in the
folder that --out names, after those of tests before, and stores no run."""

import json
import sys
import time
from pathlib import Path

import msgspec

from harness.load.pipe import (
    PREFIX,
    Account,
    Close,
    Closed,
    FromCollector,
    FromEngine,
    Heard,
    Opened,
    Part,
    ToCollector,
    framed,
)

LOG = "heard.jsonl"


def main() -> None:
    opening = msgspec.msgpack.decode(_frame())
    folder = Path(opening["asked"]["out"])
    with (folder / LOG).open("a", buffering=1) as log:
        print(json.dumps({"type": "opening", **opening}), file=log)
        # A run id that no other test of this process has.
        _tell(Opened(f"run-{time.monotonic_ns()}", str(folder)))
        while frame := _frame():
            heard = msgspec.msgpack.decode(frame, type=ToCollector)
            print(json.dumps(_plain(heard)), file=log)
            if isinstance(heard, Close):
                _tell(Closed(["VALID, as far as the double knows"], None))
                return
        print('{"type": "end of input"}', file=log)


def _plain(heard: ToCollector) -> object:
    if not isinstance(heard, Heard):
        return msgspec.to_builtins(heard)
    told = msgspec.msgpack.decode(heard.frame, type=FromEngine)
    plain = {"type": "heard", "worker": heard.worker}
    if isinstance(told, Part):
        turns = msgspec.msgpack.decode(told.records)
        return {**plain, "turns": turns, "counts": msgspec.to_builtins(told.counts)}
    assert isinstance(told, Account)
    return {**plain, "account": msgspec.to_builtins(told.counts)}


def _frame() -> bytes:
    length = sys.stdin.buffer.read(PREFIX)
    return sys.stdin.buffer.read(int.from_bytes(length, "little"))


def _tell(what: FromCollector) -> None:
    sys.stdout.buffer.write(framed(msgspec.msgpack.encode(what)))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
