"""The embedded registry: a server that speaks ZooKeeper's client protocol, for environments on one machine.

`core` and what it imports are a pure, synchronous and deterministic ZooKeeper: zxid and time come in; results,
transactions and events go out. `jute` and `protocol` are its wire format; `records`, `snapshot`, `storage` and
`journal` its durability; `connection`, `server` and `words` its sockets. The rule to keep: the pure part imports no
I/O and no clock, so that the simulator can run it in virtual time. What the right answer is, real ZooKeeper 3.8 says.
"""

from __future__ import annotations
