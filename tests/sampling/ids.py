"""Trace ids that are the same each time, as a generator of random numbers makes them."""

import random

NUMBER = 20_000


def trace_ids(number: int = NUMBER, seed: int = 1) -> list[bytes]:
    generator = random.Random(seed)
    return [generator.randbytes(16) for _ in range(number)]
