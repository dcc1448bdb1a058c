"""Gateways run for real before the mocks, and what each adds: `make bench-gateways`."""
