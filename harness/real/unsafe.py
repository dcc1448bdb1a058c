"""What ends a run against real providers: a request or an answer that must not be; no secret in it.

    Unsafe      it was about to happen, and was not sent; or an answer says that it did happen

It is no provider's fault and no bug of a flow: the run stops, and what was measured is kept.
"""


class Unsafe(Exception):
    """One line: what it was, and the mend. Nothing foreign is in it but a host or a name."""
