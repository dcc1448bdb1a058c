"""What providers answer, as far as tests care."""

import httpx

PI = "pi_3TollbenchNotAnId"
ERROR = {"type": "invalid_request_error", "message": "no"}


def intent(order_no: str = "t1-o1", status: str = "succeeded", **more: object) -> httpx.Response:
    """Of Stripe's; a member that is "left out" is."""
    body = {"id": PI, "object": "payment_intent", "status": status, "amount": 50}
    told = {**body, "livemode": False, "metadata": {"order_no": order_no}, **more}
    return httpx.Response(200, json={key: each for key, each in told.items() if each != "left out"})


def usage(prompt: int = 10, completion: int = 20) -> httpx.Response:
    """Of a model on OpenAI's wire."""
    told = {"prompt_tokens": prompt, "completion_tokens": completion}
    return httpx.Response(200, json={"choices": [], "usage": told})
