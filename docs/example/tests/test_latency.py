"""Latency as a test: on a clock that has no noise, against mocks of the model and of Stripe."""

import asyncio

from shop import Shop
from shop.lunches import Lunches

WORDS = "A bowl of noodles, please."


async def buy(turn):
    async with Shop() as shop:
        with turn.stage("intent"):
            order = await shop.read(WORDS)
        with turn.stage("pay"):
            await shop.pay(order)
        with turn.stage("confirm"):
            await shop.thank(order)


async def buy_thanking_early(turn):
    async def thank():
        with turn.stage("confirm"):
            await shop.thank(order)

    async with Shop() as shop:
        with turn.stage("intent"):
            order = await shop.read(WORDS)
        async with asyncio.TaskGroup() as both:
            both.create_task(thank())
            with turn.stage("pay"):
                await shop.pay(order)


def test_a_purchase_keeps_its_budget_and_its_baseline(flow_benchmark, assert_latency):
    turns = flow_benchmark(buy)
    assert_latency(turns, "p50 <= 4s, pay p95 <= 2s, errors < 2%", baseline=True)


def test_thanking_early_saves_time(flow_benchmark, play_flow, assert_latency):
    early = flow_benchmark(buy_thanking_early)
    assert_latency(early, saves="400ms", than=play_flow(buy), at="p50")


def test_lunches_are_as_fast_as_their_baseline(flow_benchmark, assert_latency):
    turns = flow_benchmark(Lunches(), strategy="prewarm")
    assert_latency(turns, "p95 <= 6s", baseline=True)
