"""Foreign bytes of tests/golden: messages as providers write them, never made by our encoders."""

from dataclasses import dataclass
from pathlib import Path

import httpx

FOLDER = Path(__file__).parents[1] / "golden"


@dataclass(frozen=True, slots=True)
class Foreign:
    """One HTTP message; `shape` says where its shape is from, `start` is its first line."""

    shape: str
    start: str
    headers: httpx.Headers
    body: bytes

    @property
    def status(self) -> int:
        return int(self.start.split()[1])

    @property
    def request(self) -> httpx.Request:
        method, path, _ = self.start.split()
        url = f"https://{self.headers['host']}{path}"
        return httpx.Request(method, url, headers=self.headers, content=self.body)


def read(name: str) -> Foreign:
    shape, _, message = (FOLDER / name).read_bytes().partition(b"\n")
    head, _, body = message.partition(b"\r\n\r\n")
    start, *fields = head.decode("ascii").split("\r\n")
    pairs = [(name, value) for name, _, value in (field.partition(": ") for field in fields)]
    return Foreign(shape.decode(), start, httpx.Headers(pairs), body)
