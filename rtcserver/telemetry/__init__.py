"""Counters and histograms of all stages, as Prometheus reads them."""
