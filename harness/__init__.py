"""The instrument: flows, their timing and the verdict on them."""
