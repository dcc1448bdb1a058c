"""What holds for the whole suite; it tests nothing."""

import gc


def pytest_collection_finish() -> None:
    """Every round that is played begins with a garbage collection, which would walk through all
    that thousands of collected tests hold."""
    gc.collect()
    gc.freeze()
