"""What others publish about how long they take to replace what died, beside what a run measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Peer:
    """A published figure."""

    name: str
    takes: str
    why: str
    """Where the time goes: the default settings that add up to it."""


PEERS: Final = (
    Peer(
        "Kubernetes, a node fails",
        "about 350 s",
        "node monitor grace period of 40 to 50 s, then 300 s of toleration before its pods are evicted",
    ),
    Peer("Nomad, a client fails", "about 20 s, and placement", "heartbeat of at least 10 s and 10 s of grace"),
    Peer(
        "Cluster API, MachineHealthCheck",
        "5 to 10 min, and a boot",
        "time-outs of the conditions that count a machine as unhealthy",
    ),
    Peer("Gardener MCM, a machine fails", "over 10 min, and a boot", "machine health time-out of 10 min"),
    Peer("BOSH, resurrector", "minutes", "missed heartbeats, the next scan, and a boot"),
    Peer(
        "Octavia, an amphora fails",
        "about 63 s, and a boot",
        "heartbeat time-out of 60 s and a check every 3 s; with a standby pair, traffic moves sooner",
    ),
)
