"""The files of one nginx: configuration, last good route table, static content, logs. No process is touched here.

nginx.conf -> conf/<revision>.conf    what nginx reads when it starts or reloads
conf/<revision>.leaving               while it exists, workers of that revision send their clients away
last-good.json                        the route table that was served last
www/swagger.json  www/docs/…          static content of the endpoint
control.sock  nginx.pid  logs/  tmp/  nginx's own
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.resources import files as resources
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from hfs_appliance.adapters.process import replace_file
from hfs_appliance.proxy.render import Rendered
from hfs_appliance.proxy.table import RouteTable

LOG_SIZE_MAX: Final = 64 * 1024 * 1024
"""Bytes of one log; there is the present one and the one before."""

_DOCS: Final = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")
"""What our page needs of Swagger UI."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastGood:
    """Content of last-good.json."""

    digest: str
    """Of the table: a file that was damaged or edited does not fit it."""
    served_since: datetime
    table: RouteTable


_LAST_GOOD: Final = TypeAdapter(LastGood)


class Files:
    """The directory of one nginx. Everything is replaced atomically: a crash at any instant leaves old or new."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.configuration = self.root / "nginx.conf"
        self.pid = self.root / "nginx.pid"
        self.errors = self.root / "logs" / "error.log"
        self.start_log = self.root / "logs" / "start.log"
        self._last_good = self.root / "last-good.json"
        self._conf = self.root / "conf"
        self._www = self.root / "www"
        self._is_prepared = False

    def prepare(self) -> None:
        """Make the directories, and the page of Swagger UI. Costs nothing the second time."""
        if self._is_prepared:
            return
        for name in ("conf", "logs", "tmp", "www/docs"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        for name, content in _docs():
            _publish(self._www / "docs" / name, content)
        self._is_prepared = True

    def configuration_of(self, revision: str) -> Path:
        """Tell where the configuration of that revision lies."""
        return self._conf / f"{revision}.conf"

    def write(self, rendered: Rendered) -> Path:
        """Put a configuration beside the present one."""
        path = self.configuration_of(rendered.revision)
        self.stay(rendered.revision)
        replace_file(path, rendered.text.encode())
        return path

    def current(self) -> str | None:
        """Give the revision that nginx reads at its next start or reload."""
        try:
            return self.configuration.readlink().stem
        except FileNotFoundError:
            return None

    def switch(self, revision: str) -> None:
        """Make nginx read that revision from now on."""
        link = self.root / ".nginx.conf.new"
        link.unlink(missing_ok=True)
        link.symlink_to(self.configuration_of(revision).relative_to(self.root))
        link.replace(self.configuration)

    def leave(self, revision: str) -> None:
        """Make the workers of that revision close each connection with their next answer on it."""
        (self._conf / f"{revision}.leaving").touch()

    def stay(self, revision: str) -> None:
        """Take `leave` back."""
        (self._conf / f"{revision}.leaving").unlink(missing_ok=True)

    def forget_all_but(self, *revisions: str | None) -> None:
        """Remove the configurations that nobody can need any more."""
        for path in self._conf.iterdir():
            if path.stem not in revisions:
                path.unlink()

    def keep_last_good(self, table: RouteTable) -> None:
        """Remember the table that is served."""
        plain = replace(table, routes=dict(table.routes.items()))
        last = LastGood(digest=table.digest(), served_since=datetime.now(UTC), table=plain)
        replace_file(self._last_good, _LAST_GOOD.dump_json(last))

    def last_good(self) -> RouteTable | None:
        """Give the table that was served last; None for no file or a damaged one."""
        try:
            last = _LAST_GOOD.validate_json(self._last_good.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        return last.table if last.table.digest() == last.digest else None

    def publish_document(self, content: bytes) -> None:
        """Replace the merged Swagger document."""
        _publish(self._www / "swagger.json", content)

    def rotate_logs(self) -> bool:
        """Put logs that have grown too long aside; True when nginx must open new ones."""
        long = [path for path in (self.root / "logs").glob("*.log") if path.stat().st_size > LOG_SIZE_MAX]
        for path in long:
            path.replace(path.with_suffix(".log.1"))
        return bool(long)


def _docs() -> Iterator[tuple[str, bytes]]:
    # The package only carries the files of Swagger UI: importing it would want the web framework that it is made for.
    carrier = find_spec("flask_swagger_ui")
    assert carrier is not None
    assert carrier.origin is not None
    for name in _DOCS:
        yield name, Path(carrier.origin).with_name("dist").joinpath(name).read_bytes()
    for page in resources(__package__).joinpath("docs").iterdir():
        yield page.name, page.read_bytes()


def _publish(path: Path, content: bytes) -> None:
    """Replace a file that nginx serves, when it differs, in such a way that its ETag differs too."""
    former = path.stat().st_mtime if path.exists() else 0.0
    if former and path.read_bytes() == content:
        return
    draft = path.with_name(f".{path.name}.new")
    draft.write_bytes(content)
    # nginx makes the ETag of the length and the *second* of the last change.
    stamp = max(int(time.time()), int(former) + 1)
    os.utime(draft, (stamp, stamp))
    draft.replace(path)
