"""Our own HTTP/1.1 client for the real clock, under httpx's types; a call times itself."""

from harness.http1.sockets import Sockets

__all__ = ["Sockets"]
