"""Warm pools: the shape of `[pool.NAME]`, and what their servers are made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import Field

from hfs_appliance.config import spellings
from hfs_appliance.config.spellings import span
from hfs_appliance.config.table import Table, default
from hfs_appliance.model import desired
from hfs_appliance.model import recipe as model
from hfs_appliance.model.instants import Duration

Count: TypeAlias = Annotated[int, Field(ge=0, le=100_000)]
Text: TypeAlias = Annotated[str, spellings.FREE_TEXT]
Filled: TypeAlias = Annotated[str, spellings.FILLED]


class Archive(Table):
    """Puppet modules in a tar file."""

    url: Annotated[str | None, spellings.ARCHIVE_URL] = Field(
        default=None, examples=["https://example.com/puppet.tar.gz"]
    )
    """Where it is, on any web server that the servers reach."""
    file: Filled | None = Field(default=None, examples=["puppet.tar.gz"])
    """Or: a file beside this one, which hfs serves to its servers; wherever an appliance runs it must be there."""
    sha256: Annotated[str, spellings.SHA256] = Field(examples=["0" * 64])
    """What `sha256sum` says of it: nothing else is unpacked."""


class Repository(Table):
    """Puppet modules in a git repository."""

    url: Annotated[str, spellings.REPOSITORY] = Field(examples=["https://example.com/puppet.git"])
    """Where the servers fetch it."""
    revision: Annotated[str, spellings.REVISION] = Field(examples=["0" * 40])
    """The commit, in full: a branch would be something else tomorrow."""


class PuppetServer(Table):
    """A Puppet server, which keeps the modules and compiles the catalogues."""

    host: Annotated[str, spellings.REGISTRY_HOST] = Field(examples=["puppet.example.com:8140"])
    """Host and port. It must sign the servers' certificates, which are named `<environment>-<server>-<nonce>`."""
    environment: Annotated[str, spellings.PUPPET_CLASS] = default(model.PuppetServer, "environment")
    """Environment of the Puppet server."""


class Puppet(Table):
    """Puppet as a stage of building, from exactly one of `directory`, `archive`, `repository` and `server`."""

    directory: Filled | None = None
    """Directory with the modules, relative to this file; the servers of a cloud cannot reach one."""
    archive: Archive | None = None
    repository: Repository | None = None
    server: PuppetServer | None = None
    role: Annotated[str | None, spellings.PUPPET_CLASS] = None
    """Class that every server of the pool gets. Else: what the modules' own `manifests` say."""
    within: Annotated[Duration, span("10s", "6h")] = default(model.Puppet, "within")
    """A run that takes longer is ended and has failed."""


class Pool(Table):
    """A warm pool: servers built ahead of time, waiting for a role."""

    size: Count = Field(examples=[2])
    """Warm servers to keep ready, beyond what the services use; with `max`, so many at least."""
    max: Count | None = None
    """With it the pool follows what is claimed from it: most warm servers to keep ready."""
    remember: Annotated[Duration, span("1h", "30d")] = default(desired.Pool, "remember")
    """How long the greatest rush on a pool with `max` counts."""
    build_within: Annotated[Duration, span("1s", "1d")] = default(desired.Pool, "build_within")
    """A server that is not ready by then counts as failed and is replaced."""
    fresh: Annotated[Duration | None, span("1m", "365d")] = None
    """A warm server that was built longer ago is claimed only when there is nothing better."""
    recycle: Annotated[Duration | None, span("1m", "365d")] = None
    """A warm server that was built longer ago is built anew, one in ten of the pool at a time."""
    image_canary: Annotated[int, Field(ge=0, le=20)] = default(desired.Pool, "image_canary")
    """Servers that must come up by a new image, flavor, updates, check or Puppet before the pool is built by it."""
    image: Text = default(model.Recipe, "image")
    """Image of its servers, by name or id, on a cloud that has images. Empty: that of `[cloud.openstack]`."""
    flavor: Text = default(model.Recipe, "flavor")
    """Flavor of its servers, likewise."""
    updates: list[Text] = []
    """Command, with its arguments, that brings a new server up to date before Puppet; no shell is involved."""
    check: list[Text] = []
    """Command that a warm server runs every minute; when it fails, the server gets no role and is built anew."""
    puppet: Puppet | None = None


def recipe(pool: Pool, base: Path, *, image: str, flavor: str) -> model.Recipe:
    """Give what a pool's servers are made of; a relative path lies below `base`.

    `image` and `flavor` are those of pools that name none: when they change, the pools' recipes do.
    """
    return model.Recipe(
        image=pool.image or image,
        flavor=pool.flavor or flavor,
        updates=tuple(pool.updates),
        check=tuple(pool.check),
        puppet=_puppet(pool.puppet, base) if pool.puppet is not None else None,
    )


def _puppet(puppet: Puppet, base: Path) -> model.Puppet:
    archive, repository, server = puppet.archive, puppet.repository, puppet.server
    return model.Puppet(
        directory=None if puppet.directory is None else str(base / puppet.directory),
        archive=None if archive is None else _archive(archive, base),
        repository=None if repository is None else model.Repository(**dict(repository)),
        server=None if server is None else model.PuppetServer(**dict(server)),
        role=puppet.role,
        within=puppet.within,
    )


def _archive(archive: Archive, base: Path) -> model.Archive:
    file = None if archive.file is None else str(base / archive.file)
    return model.Archive(sha256=archive.sha256, url=archive.url, file=file)
