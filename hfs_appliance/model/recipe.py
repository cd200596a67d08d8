"""The Recipe of a pool: what its servers are made of, and what is done to them before they may have a role.

Two servers of one recipe are alike; a pool whose recipe has changed holds servers of the former one until they are used
or replaced (`factory/recipes.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hfs_appliance.model.instants import Duration, seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Modules in a tar file, from exactly one of two places."""

    sha256: str
    """Nothing else is unpacked."""
    url: str | None = None
    """On a web server …"""
    file: str | None = None
    """… or on the machine of the appliance, which serves it to the servers of a cloud."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """Modules in a git repository."""

    url: str
    revision: str
    """Commit id in full: it is the checksum of what is checked out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PuppetServer:
    """Modules that stay on a Puppet server, which compiles the catalogues."""

    host: str
    """`name:port`."""
    environment: str = "production"


@dataclass(frozen=True, slots=True, kw_only=True)
class Puppet:
    """How Puppet builds a server, from exactly one of the places where modules may be."""

    directory: str | None = None
    """One that the servers reach under the same path."""
    archive: Archive | None = None
    repository: Repository | None = None
    server: PuppetServer | None = None
    role: str | None = None
    """Class that is applied in the factory; None: what the modules' own `manifests` say."""
    within: Duration = seconds(300)
    """A run that takes longer is ended and has failed."""

    @property
    def is_served(self) -> bool:
        """Tell whether the modules lie on the machine of the appliance, for servers to fetch."""
        return self.archive is not None and self.archive.file is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What servers are made of, where the cloud has a choice, and the stages that their agents carry out."""

    image: str = ""
    flavor: str = ""
    """Empty: what the cloud's own settings say."""
    updates: tuple[str, ...] = ()
    """Command that brings a new server up to date; none: nothing is done."""
    puppet: Puppet | None = None
    check: tuple[str, ...] = ()
    """Command by which a warm server finds out, again and again, whether it is fit for a role."""


PLAIN: Final = Recipe()
"""Of a pool that says nothing of it."""
