"""Requests that nobody would send, to every provider."""
