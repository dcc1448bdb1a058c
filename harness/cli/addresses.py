"""How clients are told to use served mocks; it serves nothing.

That is base URLs, the environment variables that SDKs read, and what a constructor takes where an
SDK reads no base URL.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from harness.cli.served import Served
from harness.providers import alipay_ai
from harness.providers.call import Endpoint
from harness.providers.environment import environment_at, filled
from mocks.host import KEY, endpoints

CONSTRUCTORS: Mapping[str, str] = {
    "deepseek": 'OpenAI(base_url="{url}", api_key="{key}")',
    "mistral": 'Mistral(server_url="{root}", api_key="{key}")',
    "openrouter": 'OpenAI(base_url="{url}", api_key="{key}")',
    "portkey": 'Portkey(base_url="{url}", api_key="{key}")',
    "tokenmix": 'OpenAI(base_url="{url}", api_key="{key}")',
    "stripe": 'StripeClient("{key}", base_addresses={{"api": "{root}"}})',
}


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where served mocks are found. Their keys open nothing but mocks, so they are shown."""

    base_url: str
    served: Served

    @property
    def endpoints(self) -> dict[str, Endpoint]:
        return endpoints(self.base_url, self.served.mocks)

    def environment(self) -> dict[str, str]:
        return environment_at(self.endpoints)

    def constructors(self) -> dict[str, str]:
        return {
            provider: filled(CONSTRUCTORS[provider], provider, at)
            for provider, at in self.endpoints.items()
            if provider in CONSTRUCTORS
        }

    def as_json(self) -> dict[str, object]:
        """All of it; what is printed is a part."""
        providers = {
            name: {
                "url": at.base_url,
                "key": at.key,
                "account": at.account,
                "peer_key": at.peer_key,
            }
            for name, at in self.endpoints.items()
        }
        return {
            "base_url": self.base_url,
            "seed": self.served.mocks.seed,
            "providers": providers,
            "environment": self.environment(),
            "constructors": self.constructors(),
            "profiles": self.served.fingerprints(),
        }


def print_addresses(addresses: Addresses, console: Console) -> None:
    """A table for people, and below it lines for a shell: none of them is ever broken."""
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("base URL", no_wrap=True)
    table.add_column("profiles", overflow="fold")
    for provider, at in addresses.endpoints.items():
        table.add_row(at.base_url, ", ".join(addresses.served.names_at(provider)))
    console.print(table)
    print("For the shell of a client:\n")
    for name, value in addresses.environment().items():
        print(f"export {name}={shlex.quote(value)}")
    constructors = addresses.constructors()
    if constructors:
        print("\nSDKs that read no base URL there take it like this:\n")
    for constructor in constructors.values():
        print(constructor)
    print(f"\nEvery key that is not told above is {KEY}.")
    if "alipay-ai" in addresses.endpoints:
        print(f"Alipay's keys: curl {addresses.base_url}/alipay-ai{alipay_ai.KEYS_PATH}")
    print()
