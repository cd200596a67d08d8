"""The server's directory as the agent uses it: what it made there, and what it must remember over a restart of itself.

puppet/         Puppet's own state, and the modules
built           how the stages went, in words; there once they are done
home/           made by the configuration stage; content of run.directory, the service's working directory
venv/           the server's own virtual environment
role.json       the role that was taken: from then on the server is nobody else's
installed       what the role needs is in place
service.pid     the service's process
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from hfs_appliance.adapters.process import ProcessId, read_pidfile, replace_file, write_pidfile
from hfs_appliance.model.assignment import Assignment
from hfs_appliance.model.identity import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenRole:
    """Content of role.json."""

    assignment: Assignment
    anchor: int
    """Creation zxid of the environment's root: tells the registry that gave the role from one that lost its content."""


_ROLE: Final = TypeAdapter(TakenRole)


@dataclass(frozen=True, slots=True)
class Site:
    """One server: who it is and where its files lie."""

    directory: Path
    identity: Identity

    @property
    def mark(self) -> str:
        """Value of INSTANCE_MARK in the environment of the service and of all that it starts."""
        return f"{self.identity.environment}/{self.identity.server}/{self.identity.nonce}"

    @property
    def home(self) -> Path:
        """Working directory of the service."""
        return self.directory / "home"

    @property
    def venv(self) -> Path:
        """The server's own virtual environment."""
        return self.directory / "venv"

    @property
    def puppet(self) -> Path:
        """Where Puppet keeps what is its own."""
        return self.directory / "puppet"

    @property
    def is_built(self) -> bool:
        """Tell whether the stages up to the pool are done."""
        return self.home.exists()

    def built(self) -> str:
        """Give how the stages went, in words."""
        path = self.directory / "built"
        return path.read_text() if path.exists() else ""

    def note_built(self, words: str) -> None:
        """Remember that the stages are done, and how they went."""
        replace_file(self.directory / "built", words.encode())
        self.home.mkdir()

    @property
    def is_installed(self) -> bool:
        """Tell whether what the role needs is in place."""
        return (self.directory / "installed").exists()

    def note_installed(self) -> None:
        """Remember that what the role needs is in place."""
        replace_file(self.directory / "installed", b"")

    def role(self) -> TakenRole | None:
        """Give the role that this server took."""
        try:
            return _ROLE.validate_json((self.directory / "role.json").read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise ValueError(f"role.json is not ours: {error}") from None

    def save_role(self, role: TakenRole) -> None:
        """Remember the role that this server took."""
        replace_file(self.directory / "role.json", _ROLE.dump_json(role))

    def service(self) -> ProcessId | None:
        """Give the process of the service, if it still runs."""
        return read_pidfile(self.directory / "service.pid")

    def save_service(self, process: ProcessId) -> None:
        """Remember the process of the service."""
        write_pidfile(self.directory / "service.pid", process)
