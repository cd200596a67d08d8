"""The shelf: tar files of Puppet modules that lie on this machine, kept for servers to fetch, by their sha256.

What servers were told to fetch stays there when the operator's file changes or hfs is started again: a server that is
being built may come for it at any time.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import trio

from hfs_appliance.adapters.digest import copy_digested
from hfs_appliance.model.recipe import Archive
from hfs_appliance.ports.errors import Rejected

DIRECTORY: Final = "modules"
"""Below the state directory."""
PATH: Final = "/modules"
"""Of the URLs."""
KEPT: Final = 16
"""Those lent last."""
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class Shelf:
    """What is lent is reached below `url`."""

    def __init__(self, directory: Path, url: str) -> None:
        self._directory: Final = directory
        self._url: Final = url
        self._taking: Final = trio.Lock()

    async def lend(self, archive: Archive) -> Archive:
        """Give an archive as servers fetch it from here. Errors: Rejected, when its file is not what is meant."""
        assert archive.file is not None
        async with self._taking:  # many servers are made at once
            if stored(self._directory, archive.sha256) is None:
                await trio.to_thread.run_sync(_take, self._directory, Path(archive.file), archive.sha256)
        return replace(archive, file=None, url=f"{self._url}{PATH}/{archive.sha256}")


def stored(directory: Path, sha256: str) -> Path | None:
    """Find an archive; None: it is not there."""
    path = directory / sha256
    return path if _SHA256.fullmatch(sha256) and path.is_file() else None


def _take(directory: Path, file: Path, sha256: str) -> None:
    draft = directory / "draft"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with file.open("rb") as source, draft.open("wb") as kept:
            found = copy_digested(source, kept)
    except OSError as error:
        raise Rejected(f"Puppet's modules: {file}: {error.strerror}") from error
    if found != sha256:
        draft.unlink()
        raise Rejected(f"Puppet's modules: {file} has sha256 {found}, not {sha256}")
    draft.rename(directory / sha256)
    kept_so_far = [path for path in directory.iterdir() if _SHA256.fullmatch(path.name)]
    for old in sorted(kept_so_far, key=lambda path: path.stat().st_mtime_ns)[:-KEPT]:
        with suppress(FileNotFoundError):
            old.unlink()
