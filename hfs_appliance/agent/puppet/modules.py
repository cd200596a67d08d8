"""Fetches the modules: a directory that Puppet knows as an environment (`modules/`, `manifests/`, `hiera.yaml`, …).

Whole or not at all; what was fetched once is not fetched again, for a server's recipe never changes.
"""

from __future__ import annotations

import shutil
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Final

import trio

from hfs_appliance.adapters.digest import TooLarge, copy_digested
from hfs_appliance.agent.tool import StepError, run_tool
from hfs_appliance.model.recipe import Archive, Puppet, Repository

_LARGEST: Final = 512 * 1024 * 1024
_SILENCE_SECONDS: Final = 30
"""How long a web server may say nothing."""


async def fetch(puppet: Puppet, into: Path) -> None:
    """Put the modules, wherever they are, into the directory `into`, which is not there yet. Errors: StepError."""
    draft = into.with_name(f".{into.name}")
    await trio.to_thread.run_sync(lambda: shutil.rmtree(draft, ignore_errors=True))
    draft.mkdir(parents=True)
    root = draft
    if puppet.archive is not None:
        root = await _unpack(puppet.archive, draft)
    elif puppet.repository is not None:
        await _check_out(puppet.repository, draft)
    elif puppet.directory is not None:
        await trio.to_thread.run_sync(_copy, Path(puppet.directory), draft)
    root.rename(into)
    shutil.rmtree(draft, ignore_errors=True)


def _copy(source: Path, draft: Path) -> None:
    try:
        shutil.copytree(source, draft, dirs_exist_ok=True)
    except (OSError, shutil.Error) as error:
        raise StepError(f"cannot copy the modules from {source}: {error}") from None


async def _unpack(archive: Archive, draft: Path) -> Path:
    file = draft.with_suffix(".tar")
    await trio.to_thread.run_sync(_download, archive, file)
    await run_tool(["tar", "--extract", "--no-same-owner", f"--file={file}", f"--directory={draft}"])
    return await trio.to_thread.run_sync(_unwrapped, file, draft)


def _unwrapped(file: Path, draft: Path) -> Path:
    file.unlink()
    found = list(draft.iterdir())
    # What forges give out has one directory around everything.
    is_wrapped = len(found) == 1 and found[0].is_dir() and found[0].name not in ("modules", "manifests")
    return found[0] if is_wrapped else draft


def _opened(archive: Archive) -> IO[bytes]:
    """Open it; a file is on this machine: the server is one of the local provider's. Errors: OSError, ValueError."""
    if archive.file is not None:
        return Path(archive.file).open("rb")
    assert archive.url is not None
    answer: IO[bytes] = urllib.request.urlopen(archive.url, timeout=_SILENCE_SECONDS)  # noqa: S310  # http and https only: the configuration says so
    return answer


def _download(archive: Archive, file: Path) -> None:
    where = archive.file or archive.url or ""
    try:
        with _opened(archive) as answer, file.open("wb") as kept:
            found = copy_digested(answer, kept, _LARGEST)
    except TooLarge:
        raise StepError(f"{where} has more than {_LARGEST} bytes") from None
    except urllib.error.HTTPError as error:
        error.close()
        raise StepError(f"cannot fetch {where}: {error}") from None
    except (OSError, ValueError) as error:
        raise StepError(f"cannot fetch {where}: {error}") from None
    if found != archive.sha256:
        raise StepError(f"{where} has sha256 {found}, not {archive.sha256}: nothing is unpacked")


async def _check_out(modules: Repository, draft: Path) -> None:
    git = ["git", "-C", str(draft), "-c", "advice.detachedHead=false"]
    await run_tool([*git, "init", "--quiet"])
    await run_tool([*git, "fetch", "--quiet", "--depth=1", "--", modules.url, modules.revision])
    # The commit is named by its content: whatever the server sent, this is what was meant or nothing.
    await run_tool([*git, "checkout", "--quiet", modules.revision])
    shutil.rmtree(draft / ".git")
