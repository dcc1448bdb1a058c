"""The command line: one file a verb, and the only place that wires mocks and scenarios together."""

from harness.cli.app import main

__all__ = ["main"]
