"""The headless listener: a stock aiortc peer that measures what it hears."""
