"""Locust's events and options with the types that Locust does not give them; it decides nothing."""

from argparse import Namespace
from collections.abc import Callable

from locust.env import Environment
from locust.event import EventHook


def listen(event: EventHook, handler: Callable[..., None]) -> None:
    event.add_listener(handler)  # type: ignore[no-untyped-call]  # Locust's events have no types


def fire(event: EventHook, **what: object) -> None:
    event.fire(**what)  # type: ignore[no-untyped-call]  # Locust's events have no types


def options_of(environment: Environment) -> Namespace:
    assert isinstance(environment.parsed_options, Namespace)
    return environment.parsed_options
