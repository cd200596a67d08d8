"""Traffic of the simulated world: a fluid of requests in integers, no single request is played.

`curves` is how many requests come, `load` what one service's instances make of them, `flows` keeps both going on the
world's heap, `measure` is what a run is judged by. Rates are milli-requests a second, volumes micro-requests.
"""

from __future__ import annotations
