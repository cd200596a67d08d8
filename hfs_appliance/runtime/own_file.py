"""The file that this appliance was started with: offered once it leads, if nobody else has led since then."""

from __future__ import annotations

from typing import Final

from hfs_appliance.model.events import HoldChanged
from hfs_appliance.model.plan import Hold
from hfs_appliance.ports.errors import Unconfirmed
from hfs_appliance.ports.events import EventSink
from hfs_appliance.ports.registry import Znode
from hfs_appliance.runtime.desired import DesiredStore

OFFERED_BY: Final = "hfs run"


class OwnFile:
    """Whoever has stood by offers its file to a new environment only: what is in force may be newer than the file."""

    def __init__(self, desired: DesiredStore, sink: EventSink) -> None:
        self._desired = desired
        self._sink = sink
        self._file: tuple[str, str] | None = None
        self._is_late = False
        self._hold: Hold | None = None

    def start_with(self, source: str, file: str) -> None:
        """Note the source, and the name that it came under."""
        self._file = (source, file)

    def hear(self, znode: Znode | None) -> None:
        """Take the entry of the desired state, and compare."""
        self._desired.hear(znode)
        self._compare()

    def come_late(self) -> None:
        """Hear that another appliance leads: what is in force is its business now."""
        self._is_late = True
        self._compare()

    async def offer(self) -> None:
        """Offer the file, before anything acts on what may be an older one. Errors: ConfigError, PortError."""
        if self._file is None:
            return
        try:
            await self._desired.offer(*self._file, OFFERED_BY, is_late=self._is_late)
        except Unconfirmed as error:
            words = f"the file that this appliance was started with is not in force: {error.words}; `hfs apply` asks"
            self._is_late = True  # what is in force stays so; the file is not offered again behind an operator's back
            self._tell(words)
        if not self._is_late:
            self._file = None

    def holds(self) -> tuple[Hold, ...]:
        """Tell whether it is another file than the one in force, and will not be applied."""
        return (self._hold,) if self._hold is not None else ()

    def _compare(self) -> None:
        if self._is_late:
            self._desired.obey_closing()
        is_news = self._file is not None and self._desired.is_news(self._file[0])
        if is_news and self._is_late and self._hold is None:
            self._tell("the file that this appliance was started with is not in force: `hfs apply` makes it so")
        elif not is_news and self._hold is not None:
            self._tell("")

    def _tell(self, words: str) -> None:
        hold = Hold(scope="environment", rule="file-not-applied", words=words)
        self._hold = hold if words else None
        self._sink.emit("desired", HoldChanged(scope=hold.scope, rule=hold.rule, words=hold.words))
