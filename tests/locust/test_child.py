"""Child processes that speak in frames: nothing is lost or mixed up, and none is left behind."""

import sys
import time

import pytest

from harness.load.child import FrameChild

pytestmark = pytest.mark.socket

# As a child would: it answers every frame with itself, and ends with its input.
ECHO = """
import sys
while length := sys.stdin.buffer.read(4):
    sys.stdout.buffer.write(length + sys.stdin.buffer.read(int.from_bytes(length, "little")))
    sys.stdout.buffer.flush()
"""
DEAF = "import time; time.sleep(60)"
HALF = "import sys; sys.stdout.buffer.write(b'\\1\\0\\0\\0a\\9\\0\\0\\0bcd')"
DEAD = "import os; os.kill(os.getpid(), 11)"


def _child(code: str, first: bytes = b"first") -> FrameChild:
    return FrameChild([sys.executable, "-c", code], first)


def test_frames_come_back_whole_and_in_order_whatever_their_size() -> None:
    child = _child(ECHO)
    bodies = [bytes([n]) * size for n, size in enumerate((0, 1, 70_000, 3, 1_000_000))]
    for body in bodies:
        child.send(body)
    child.close()
    assert list(child.frames()) == [b"first", *bodies]
    assert child.end() == 0


def test_a_child_that_takes_nothing_does_not_hold_up_whoever_sends() -> None:
    child = _child(DEAF)
    began = time.monotonic()
    for _ in range(100):
        child.send(b"x" * 100_000)  # A pipe holds 64 kB.
    assert time.monotonic() - began < 30
    assert child.end(patience_s=0.0) == -9


def test_what_is_not_whole_at_the_end_is_dropped() -> None:
    child = _child(HALF)
    assert list(child.frames()) == [b"a"]
    assert child.end() == 0


def test_a_dead_child_takes_nothing_and_its_end_tells_how_it_died() -> None:
    child = _child(DEAD)
    assert list(child.frames()) == []
    child.send(b"too late")
    assert child.end() == child.end() == -11
