"""ZooKeeper behind the Registry port: kazoo's threads on one side, trio on the other."""

from __future__ import annotations

from hfs_appliance.adapters.zookeeper.session import connect

__all__ = ["connect"]
