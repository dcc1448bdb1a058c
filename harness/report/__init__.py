"""The report floor: a run's summary as terminal text and charts; it never computes a statistic."""
