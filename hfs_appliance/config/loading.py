"""The way in: a TOML text becomes a DesiredState, or a ConfigError with every mistake in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from hfs_appliance.config.checks import capacity, contradictions, floors
from hfs_appliance.config.keys import KeyPath, suggest
from hfs_appliance.config.mistakes import ConfigError, Finding
from hfs_appliance.config.positions import key_positions
from hfs_appliance.config.reading import read_shape
from hfs_appliance.config.shape import File
from hfs_appliance.config.source import no_text, parse, placed, read_text
from hfs_appliance.config.translate import to_model
from hfs_appliance.model.desired import DesiredState, MachineKind, Pool
from hfs_appliance.model.ids import ServiceName, Version, is_version

SOURCE_BYTES_MAX: Final = 512 * 1024
"""A source is stored as one entry of the registry, and ZooKeeper takes less than 1 MiB."""
_REMEMBERED: Final = 8
"""Texts whose values are kept: a change is read when it is judged, when it is stored and when it comes back."""


def load_file(path: Path) -> tuple[DesiredState, str]:
    """Read a file that an operator wrote; give the desired state and the source text.

    More than `load_text`, it looks at the disk: directories that services run from must be there. Errors: ConfigError.
    """
    source = read_text(path)
    return _load(source, str(path), generation=0, base=path.absolute().parent, is_on_disk=True), source


def load_text(source: str, file: str, *, generation: int = 0, base: Path | None = None) -> DesiredState:
    """Read a TOML text; `file` names it in mistakes. Relative directories lie below `base`, or else beside `file`.

    Pure: the same text and file give the same value wherever they are read. Errors: ConfigError.
    """
    desired = _read(source, file, base or Path(file).parent)
    return desired if generation == desired.generation else replace(desired, generation=generation)


@lru_cache(maxsize=_REMEMBERED)
def _read(source: str, file: str, base: Path) -> DesiredState:
    return _load(source, file, generation=0, base=base, is_on_disk=False)


def overridden(desired: DesiredState, counts: Mapping[tuple[ServiceName, Version], int]) -> DesiredState:
    """Put counts in place of the file's, or beside them: an upgrade names versions that the file does not know.

    Errors: ConfigError, whose mistakes have no place.
    """
    findings: list[Finding] = []
    services = dict(desired.services)
    for (name, version), instances in sorted(counts.items()):
        path: KeyPath = ("service", name, "version", version)
        if name not in services:
            findings.append(Finding(path=path[:2], words="there is no such service", hint=suggest(name, services)))
        elif not is_version(version):
            findings.append(Finding(path=path[:3], words=f"{version[:80]!r} is no name of a version"))
        elif instances < 0:
            findings.append(Finding(path=(*path, "instances"), words=f"{instances} is too small", hint="at least 0"))
        else:
            versions = {**services[name].versions, version: instances}
            services[name] = replace(services[name], versions=versions)
    scaled = replace(desired, services=services)
    findings.extend((*capacity(scaled), *floors(scaled)))
    if findings:
        raise ConfigError(placed(finding, "", None) for finding in findings)
    return scaled


def _load(source: str, file: str, *, generation: int, base: Path, is_on_disk: bool) -> DesiredState:
    if len(source.encode()) > SOURCE_BYTES_MAX:
        raise no_text(file, f"has more than the {SOURCE_BYTES_MAX // 1024} KiB that the registry can keep")
    try:
        document = parse(source, file)
        places = key_positions(source)
        reading = read_shape(document, File)
    except RecursionError as error:
        raise no_text(file, "arrays or tables are nested too deeply") from error
    desired = to_model(reading.file, generation=generation, base=base)
    findings = list(reading.findings)
    contradictory = [*contradictions(desired), *(_not_on_disk(desired) if is_on_disk else ())]
    findings.extend(finding for finding in contradictory if _is_sound(finding, reading.unsound))
    if findings:
        raise ConfigError(placed(finding, file, places) for finding in findings)
    return desired


def _is_sound(finding: Finding, unsound: frozenset[KeyPath]) -> bool:
    """Tell whether every key of the finding holds what the operator wrote."""
    return not any(path[:length] in unsound for path in finding.keys for length in range(1, len(path) + 1))


def _not_on_disk(desired: DesiredState) -> Iterable[Finding]:
    clouds_file = desired.cloud.openstack.clouds_file
    if clouds_file is not None and not Path(clouds_file).is_file():
        yield Finding(path=("cloud", "openstack", "clouds_file"), words=f"there is no file {clouds_file}")
    for pool in desired.pools.values():
        modules = pool.recipe.puppet.directory if pool.recipe.puppet is not None else None
        if modules is not None and not Path(modules).is_dir():
            yield Finding(path=("pool", pool.name, "puppet", "directory"), words=f"there is no directory {modules}")
        yield from _not_meant(pool)
    for service in desired.services.values():
        directory = service.run.directory
        path: KeyPath = ("service", service.name, "run", "directory")
        if directory is not None and desired.cloud.local.machine is MachineKind.QEMU:
            words = "is a directory of this machine, which a guest does not see: put it into the image"
            yield Finding(path=path, words=words)
        elif directory is not None and not Path(directory).is_dir():
            yield Finding(path=path, words=f"there is no directory {directory}")


def _not_meant(pool: Pool) -> Iterable[Finding]:
    """Look whether the archive that hfs is to serve is there, and the one that is meant."""
    puppet = pool.recipe.puppet
    if puppet is None or puppet.archive is None or puppet.archive.file is None:
        return
    path: KeyPath = ("pool", pool.name, "puppet", "archive")
    try:
        with Path(puppet.archive.file).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        yield Finding(path=(*path, "file"), words=f"{puppet.archive.file}: {error.strerror}")
        return
    if found != puppet.archive.sha256:
        yield Finding(path=(*path, "sha256"), words="is not that of the file", hint=f'it has "{found}"')
