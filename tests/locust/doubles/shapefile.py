"""The locustfile of the doubles with a load shape beside it, as a user would add one."""

from locust import LoadTestShape

from tests.locust.doubles.locustfile import Buyers, conductor

__all__ = ["Buyers", "Steps", "conductor"]


class Steps(LoadTestShape):
    """One user, then three, then the end."""

    def tick(self) -> tuple[int, float] | None:
        run_s = self.get_run_time()  # type: ignore[no-untyped-call]  # Locust has no types
        if run_s < 3:
            return 1, 9
        return (3, 9) if run_s < 6 else None
