"""Who was asked in reality and who was a mock, in words; it judges nothing and shows no key."""

from collections.abc import Iterator, Mapping

from harness.record import RunSummary, SpentSummary, TargetKind, TargetSummary

KINDS: dict[TargetKind, str] = {
    "real": "asked in reality",
    "sandbox": "asked in their sandboxes",
    "mock": "mocked",
}
ENDPOINTS = {"mock": "mocked endpoints", "mixed": "endpoints partly real, partly mocked"}
"""The others are told by their name."""


def endpoints_text(summary: RunSummary) -> str:
    """Where the run's calls went, in a few words."""
    return ENDPOINTS.get(summary.endpoints, f"{summary.endpoints} endpoints")


def target_sentences(summary: RunSummary) -> Iterator[str]:
    """Which provider was what, what that means for the figures, and what it took."""
    if not summary.targets:
        return
    yield "; ".join(_kinds(summary))
    if any(of.payments and of.kind != "mock" for of in summary.targets.values()):
        yield (
            "orders at payment providers were of the least amount, whatever the users wished, and "
            "so were their fees"
        )
    if summary.endpoints == "mixed":
        yield (
            "a turn adds real calls to mocked ones: its whole is no measurement of either, its "
            "stages are"
        )
    if summary.spent is not None:
        yield from _spent(summary)


def running_out_text(spent: SpentSummary) -> str:
    """Of orders that end by themselves."""
    orders = _count(spent.running_out, "order")
    run = "runs" if spent.running_out == 1 else "run"
    return f"{orders} that nobody can close or pay {run} out by {spent.run_out_by}"


def _kinds(summary: RunSummary) -> Iterator[str]:
    for kind, words in KINDS.items():
        names = [_named(name, of) for name, of in summary.targets.items() if of.kind == kind]
        if names:
            yield f"{words}: {', '.join(names)}"


def _named(provider: str, of: TargetSummary) -> str:
    """With the models, which no profile of the run tells where they were asked in reality."""
    models = ", ".join(dict.fromkeys(of.models.values()))
    return f"{provider} ({models})" if models and of.kind != "mock" else provider


def _spent(summary: RunSummary) -> Iterator[str]:
    spent = summary.spent
    assert spent is not None
    told = []
    if spent.requests:
        told.append(f"requests: {_by_provider(spent.requests)}")
    if spent.orders:
        told.append(f"orders: {_by_provider(spent.orders)}")
    if spent.usd:
        told.append(f"tokens for about {spent.usd:.4f} USD")
    if spent.held_back:
        told.append(f"{_count(spent.held_back, 'request')} held back, so as not to ask too often")
    if spent.left_open:
        told.append(f"{_count(spent.left_open, 'order')} left open")
    if spent.running_out:
        told.append(running_out_text(spent))
    if told:
        yield "; ".join(told)


def _by_provider(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"
