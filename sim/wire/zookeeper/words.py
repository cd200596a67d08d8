"""Four-letter words: commands as plain text that clients, monitoring and people send instead of a connect message.

Form and fields are those of ZooKeeper 3.8, as far as there is something true to say here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sim.wire.zookeeper.connection import Connection
from sim.wire.zookeeper.core import Core

VERSION: Final = "3.8.0-hfs, embedded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the server was started with."""

    address: str
    port: int
    data: Path
    tick_ms: int

    @property
    def shortest_session_ms(self) -> int:
        """The least timeout that a session gets."""
        return 2 * self.tick_ms

    @property
    def longest_session_ms(self) -> int:
        """The greatest timeout that a session gets."""
        return 20 * self.tick_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """The server at one instant."""

    core: Core
    connections: Sequence[Connection]
    settings: Settings


def _ruok(_: Condition) -> str:
    return "imok"


def _isro(_: Condition) -> str:
    return "rw"


def _envi(_: Condition) -> str:
    return _lines("Environment:", f"zookeeper.version={VERSION}")


def _srvr(condition: Condition) -> str:
    return _lines(f"Zookeeper version: {VERSION}", *_totals(condition))


def _stat(condition: Condition) -> str:
    clients = (f" /{each.address}({_traffic(each)})" for each in condition.connections)
    return _lines(f"Zookeeper version: {VERSION}", "Clients:", *clients, "", *_totals(condition))


def _totals(condition: Condition) -> tuple[str, ...]:
    return (
        f"Received: {sum(each.received for each in condition.connections)}",
        f"Sent: {sum(each.sent for each in condition.connections)}",
        f"Connections: {len(condition.connections)}",
        f"Outstanding: {sum(each.queued > 0 for each in condition.connections)}",
        f"Zxid: {condition.core.zxid:#x}",
        "Mode: standalone",
        f"Node count: {len(condition.core.tree.znodes)}",
    )


def _mntr(condition: Condition) -> str:
    core = condition.core
    _, _, watches = core.watches.counts()
    facts = {
        "version": VERSION,
        "server_state": "standalone",
        "num_alive_connections": len(condition.connections),
        "global_sessions": len(core.sessions),
        "znode_count": len(core.tree.znodes),
        "ephemerals_count": sum(len(owned) for owned in core.tree.ephemerals.values()),
        "watch_count": watches,
        "approximate_data_size": sum(len(path) + len(znode.value or b"") for path, znode in core.tree.znodes.items()),
        "packets_received": sum(each.received for each in condition.connections),
        "packets_sent": sum(each.sent for each in condition.connections),
    }
    return _lines(*(f"zk_{name}\t{fact}" for name, fact in facts.items()))


def _conf(condition: Condition) -> str:
    settings = condition.settings
    return _lines(
        f"clientPortAddress={settings.address}",
        f"clientPort={settings.port}",
        f"dataDir={settings.data}",
        f"tickTime={settings.tick_ms}",
        f"minSessionTimeout={settings.shortest_session_ms}",
        f"maxSessionTimeout={settings.longest_session_ms}",
        "serverId=0",
    )


def _cons(condition: Condition) -> str:
    return _lines(*(f" /{each.address}({_traffic(each)},sid={each.session_id:#x})" for each in condition.connections))


def _wchs(condition: Condition) -> str:
    watchers, paths, watches = condition.core.watches.counts()
    return _lines(f"{watchers} connections watching {paths} paths", f"Total watches:{watches}")


def _dump(condition: Condition) -> str:
    core = condition.core
    sessions = (f"\t{each.session_id:#x}\t{each.timeout_ms}ms" for each in core.sessions.all())
    owners = sorted(core.tree.ephemerals)
    owned = (
        line for owner in owners for line in (f"{owner:#x}:", *(f"\t{path}" for path in core.tree.ephemerals_of(owner)))
    )
    heads = "SessionTracker dump:", f"Global Sessions({len(core.sessions)}):"
    return _lines(*heads, *sessions, "ephemeral nodes dump:", f"Sessions with Ephemerals ({len(owners)}):", *owned)


def _traffic(connection: Connection) -> str:
    return f"queued={connection.queued},recved={connection.received},sent={connection.sent}"


def _lines(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


ANSWERS: Final[Mapping[bytes, Callable[[Condition], str]]] = {
    b"cons": _cons,
    b"conf": _conf,
    b"dump": _dump,
    b"envi": _envi,
    b"isro": _isro,
    b"mntr": _mntr,
    b"ruok": _ruok,
    b"srvr": _srvr,
    b"stat": _stat,
    b"wchs": _wchs,
}
