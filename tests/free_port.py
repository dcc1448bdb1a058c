"""Ports for servers that cannot tell which one they took: each is given once, and nobody who asks
the system for any port is given it meanwhile."""

import os
import socket
from itertools import count

FIRST, PORTS = 20_000, 12_000
"""Below those that systems give out by themselves."""

_numbers = count(os.getpid() * 31)
"""Processes side by side begin at places of their own."""


def free_port() -> int:
    for number in _numbers:
        port = FIRST + number % PORTS
        try:
            with socket.create_server(("", port)):
                return port
        except OSError:
            continue
    raise AssertionError("numbers do not end")
