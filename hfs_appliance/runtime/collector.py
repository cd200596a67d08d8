"""The collector of cyclic garbage, told what this program is like: many values that live long, and few cycles."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

SELDOM: Final = (250_000, 20, 100)
"""A pass over 55,000 servers makes 200,000 values that refer to each other in one direction only, and lets as many of
the pass before go. Python's own thresholds (700, 10, 10) search them for cycles hundreds of times: a third of the time
of the pass; 50,000 still took a fifth of it. Cycles, which trio makes of exceptions, go after 250,000 values that have
outlived their makers: some 30 MiB at the most."""


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """Have the block searched for cyclic garbage less often."""
    before = gc.get_threshold()
    gc.set_threshold(*SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*before)
