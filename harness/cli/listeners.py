"""The sockets that a verb listens at, and what is told when it cannot; it serves nothing."""

import contextlib
import errno
import socket

from harness.cli.problems import Problems
from mocks.listening import listening


def listeners(
    problems: Problems,
    opened: contextlib.ExitStack,
    option: str,
    host: str,
    text: str,
    number: int = 1,
) -> list[socket.socket]:
    """So many that listen already at one address, so that nobody else can take the port any more;
    port 0 is any free one. They are of no use where problems were added. `option` is how the user
    names the port."""
    port = problems.whole(option, text, 0, 65535)
    try:
        return [opened.enter_context(taken) for taken in listening(host, port, number)]
    except OSError as error:
        problems.add(_why(error, option, port, host))
        return []


def _why(error: OSError, option: str, port: int, host: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{option} {port} is in use: take another, or 0 for any free one"
    if error.errno == errno.EACCES:
        return f"{option} {port} is not for everyone: take one from 1024"
    return f"--host {host} is no address of this machine: leave it out for loopback"
