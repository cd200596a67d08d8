"""Four-letter words: commands as plain text that clients, monitoring and people send instead of a connect message."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sim.wire.zookeeper.server import Server

VERSION: Final = "3.8.0-hfs"


def _ruok(_: Server) -> str:
    return "imok"


def _isro(_: Server) -> str:
    return "rw"


ANSWERS: Final[Mapping[bytes, Callable[[Server], str]]] = {b"ruok": _ruok, b"isro": _isro}
