"""One host's way to the registry: connections come and go, what is wrong with the way stays.

Faults of the same sort may overlap: each way of being broken is counted, and the way is whole again when all are over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.link import Link


class Uplink:
    """The way of one host; carries the links of whatever client runs there now."""

    def __init__(self) -> None:
        self.slowness = 1
        """N8: factor on every latency."""
        self.loses_large_answers = False
        """N11: small packets pass, large ones do not."""
        self._cuts = 0
        self._silences = 0
        self._links: list[Link] = []

    @property
    def is_whole(self) -> bool:
        """Tell whether a client here can connect."""
        return not (self._cuts or self._silences)

    def carry(self, link: Link) -> None:
        """Take a link on."""
        self._links.append(link)

    def drop(self, link: Link) -> None:
        """Let a link go."""
        self._links.remove(link)

    def cut(self) -> None:
        """N1: cut it, with resets that both sides notice."""
        self._cuts += 1
        for link in tuple(self._links):
            link.cut()

    def mend(self) -> None:
        """Undo one cut."""
        self._cuts -= 1
        self._heal()

    def hush(self, *, requests: bool = True) -> None:
        """N1, N7: let nothing through any more, both ways or only answers, without a word to anybody."""
        self._silences += 1
        for link in tuple(self._links):
            link.go_silent(requests=requests)

    def unhush(self) -> None:
        """Undo one silence."""
        self._silences -= 1
        self._heal()

    def _heal(self) -> None:
        if self.is_whole:
            for link in tuple(self._links):
                link.heal()
