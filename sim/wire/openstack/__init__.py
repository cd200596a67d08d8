"""The wire fake of OpenStack: an HTTP server that speaks what the appliance uses of its APIs, so that the real SDK runs
against it anywhere.

`http` and `router` are its sockets; `cloud` lets a request through (faults, tokens) to one module a service:
`identity`, `compute`, `network`, `image`, `balancer`; `whole` joins them. What servers do, in which time and what goes
wrong with them is the simulated datacentre's business (sim/datacentre.py), what a load balancer does that of
sim/balancer.py, played here as the machine's own time passes. What the
right answer is, a real OpenStack says: the same contract suite runs against both.
"""

from __future__ import annotations
