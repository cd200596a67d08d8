"""Copies of one server in nova's own books: a thousand servers of the control plane of tests/openstack within seconds.

Whoever asks nova for a list is told what these books say, whether anything was ever built; made one after the other, a
thousand would take that machine most of an hour. Neutron knows nothing of the copies.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hfs_appliance.adapters.openstack.servers import SERVER
from hfs_appliance.model.ids import CloudId

_BOOKS: Final = (
    ("nova_cell1", "instances", "uuid"),
    ("nova_cell1", "instance_metadata", "instance_uuid"),
    ("nova_cell1", "instance_system_metadata", "instance_uuid"),
    ("nova_cell1", "instance_info_caches", "instance_uuid"),
    ("nova_cell1", "instance_extra", "instance_uuid"),
    ("nova_api", "instance_mappings", "instance_uuid"),
)
"""Database, table, and which of its columns says whose a row is."""
_SAME: Final = 28
"""So many characters of its id a copy shares with the original; the others are its number."""
_NUMBERED: Final = "CONCAT(LEFT({text}, LENGTH({text}) - 4), LPAD(seq, 4, '0'))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """One server and the books in which it stands."""

    clouds: Path
    """The clouds.yaml of the control plane."""
    cloud_id: CloudId

    def copy(self, upto: int) -> None:
        """Make copies with the numbers 2 to `upto`; nothing of them has changed for an hour."""
        for database, table, column in _BOOKS:
            changed = self._changed(table, column)
            names = self._columns(database, table)
            into, values = ", ".join(f"`{name}`" for name in names), [changed.get(name, f"`{name}`") for name in names]
            source = f"SELECT {', '.join(values)} FROM {table}, seq_2_to_{upto} WHERE {column} = '{self.cloud_id}'"  # noqa: S608  # names of ours
            self._tell(database, f"INSERT INTO {table} ({into}) {source}")

    def remove(self) -> None:
        """Take all copies out again."""
        for database, table, column in reversed(_BOOKS):
            which = f"{column} LIKE '{self.cloud_id[:_SAME]}%' AND {column} <> '{self.cloud_id}'"
            self._tell(database, f"DELETE FROM {table} WHERE {which}")  # noqa: S608  # names of ours

    def _changed(self, table: str, column: str) -> Mapping[str, str]:
        changed = {column: f"CONCAT(LEFT({column}, {_SAME}), LPAD(seq, {len(self.cloud_id) - _SAME}, '0'))"}
        if table == "instances":
            changed |= {name: _NUMBERED.format(text=name) for name in ("display_name", "hostname")}
            changed["updated_at"] = "UTC_TIMESTAMP() - INTERVAL 1 HOUR"
        if table == "instance_metadata":
            changed["value"] = f"IF(`key` = '{SERVER}', {_NUMBERED.format(text='value')}, value)"
        return changed

    def _columns(self, database: str, table: str) -> list[str]:
        told = [line.split()[0] for line in self._tell(database, f"SHOW COLUMNS FROM {table}").splitlines()]
        return [name for name in told if name != "id"]

    def _tell(self, database: str, statement: str) -> str:
        socket = self.clouds.parent / "run" / "mysql.sock"
        command = ["mariadb", "--no-defaults", f"--socket={socket}", "--skip-column-names", "-e", statement, database]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
