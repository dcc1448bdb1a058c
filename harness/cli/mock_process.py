"""The mocks in a process of their own, for as long as a run lasts; it leaves none behind."""

import contextlib
import sys
from collections.abc import Iterator

import msgspec

from harness.load.child import Child
from mocks.host import LOOPBACK, MockConfig


@contextlib.contextmanager
def mock_process(config: MockConfig, port: int = 0) -> Iterator[str]:
    """The base URL of mocks on that port of loopback, or on any free one, served for as long as
    the context lasts."""
    # -P: a folder or file "mocks" where the user happens to stand is not ours.
    command = [sys.executable, "-P", "-m", "mocks.server", str(port)]
    process = Child(command, msgspec.json.encode(config))
    try:
        listening = process.answer()
        if not listening:
            raise RuntimeError("the mock process did not start; its error is above")
        yield f"http://{LOOPBACK}:{int(listening)}"
    finally:
        code = process.end()
    # Asking beforehand whether it lives would miss one that is still dying.
    if code != 0:
        raise RuntimeError("the mock process ended before the run did; its error is above")
