"""Checks of how servers are to be built: where Puppet's modules are, and that whoever needs Puppet has it."""

from __future__ import annotations

from collections.abc import Iterator

from hfs_appliance.config.durations import write
from hfs_appliance.config.keys import KeyPath, quote
from hfs_appliance.config.mistakes import Finding
from hfs_appliance.model.desired import CloudProvider, DesiredState, Pool
from hfs_appliance.model.recipe import Puppet

_PLACES = ("directory", "archive", "repository", "server")


def recipes(desired: DesiredState) -> Iterator[Finding]:
    """Give what does not go together in how servers are built and kept."""
    is_local = desired.cloud.provider is CloudProvider.LOCAL
    for pool in desired.pools.values():
        if pool.fresh is not None and pool.recycle is not None and pool.fresh > pool.recycle:
            words = f"{write(pool.fresh)} are longer than the {write(pool.recycle)} after which it is built anew"
            path: KeyPath = ("pool", pool.name, "fresh")
            yield Finding(path=path, words=words, others=(("pool", pool.name, "recycle"),))
        if pool.recipe.puppet is not None:
            yield from _puppet(pool, pool.recipe.puppet, is_local=is_local)
    for service in desired.services.values():
        known = desired.pools.get(service.pool)
        if service.puppet_role is not None and known is not None and known.recipe.puppet is None:
            words = f"pool {quote(service.pool)} is built without Puppet"
            path = ("service", service.name, "puppet_role")
            yield Finding(path=path, words=words, others=(("pool", service.pool),))


def _puppet(pool: Pool, puppet: Puppet, *, is_local: bool) -> Iterator[Finding]:
    path: KeyPath = ("pool", pool.name, "puppet")
    given = [place for place in _PLACES if getattr(puppet, place) is not None]
    if len(given) != 1:
        words = f"has {' and '.join(given)}: where are the modules?" if given else "does not say where the modules are"
        others = tuple((*path, place) for place in given)
        yield Finding(path=path, words=words, hint=f"one of {', '.join(_PLACES)}", others=others)
    if puppet.directory is not None and not is_local:
        words = "is a directory of this machine, which the servers of a cloud do not reach"
        yield Finding(path=(*path, "directory"), words=words, hint="an archive, which hfs can serve, or a repository")
    archive = puppet.archive
    if archive is not None and bool(archive.url) == bool(archive.file):
        words = "is given twice" if archive.url else "does not say where it is"
        others = tuple((*path, "archive", place) for place in ("url", "file") if archive.url)
        yield Finding(path=(*path, "archive"), words=words, hint="either url or file", others=others)
    if pool.build_within <= puppet.within:
        words = f"{write(puppet.within)} are not within the {write(pool.build_within)} that building may take"
        yield Finding(path=(*path, "within"), words=words, others=(("pool", pool.name, "build_within"),))
