"""The mocks in a process of their own, for as long as a run lasts; it leaves none behind."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import msgspec

from mocks.host import MockConfig


@contextlib.contextmanager
def mock_process(config: MockConfig, port: int = 0) -> Iterator[str]:
    """The base URL of mocks on that port of loopback, or on any free one, served for as long as
    the context lasts."""
    process = subprocess.Popen(
        # -P: a folder or file "mocks" where the user happens to stand is not ours.
        [sys.executable, "-P", "-m", "mocks.server", str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is ours to handle; the mocks end when their input does.
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(msgspec.json.encode(config) + b"\n")
        process.stdin.flush()
        listening = process.stdout.readline().strip()
        if not listening:
            raise RuntimeError("the mock process did not start; its error is above")
        yield f"http://127.0.0.1:{int(listening)}"
        if process.poll() is not None:
            raise RuntimeError("the mock process ended before the run did; its error is above")
    finally:
        process.stdin.close()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
