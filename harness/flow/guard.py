"""What a model may ask for: exactly the payment that the user spoke of, checked before any send.

A model can be wrong or be talked into things, so no figure of its own ever reaches a provider.
"""

from harness.flow.wish import Wish
from harness.providers.call import Malformed


def allow(asked: Wish, said: Wish) -> Wish:
    """The payment, when the model asks for what the user said; otherwise Malformed, which names
    the fields that differ and not what they held."""
    names = ("amount_minor", "currency", "payee", "method")
    wrong = [name for name in names if getattr(asked, name) != getattr(said, name)]
    if wrong:
        raise Malformed(f"the model asked for another {', '.join(wrong)} than the user")
    return said
