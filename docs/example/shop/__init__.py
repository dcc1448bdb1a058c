"""Sells noodles to whoever asks for them in a sentence."""

from shop.client import Order, Shop

__all__ = ["Order", "Shop"]
