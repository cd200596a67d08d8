"""What a simulated server's agent wants to stand in the registry, and the step that puts it right.

The counterpart of the real agent's `Presence`: one step compares what stands there with what is wanted, and is taken
again at each connection. The rule to keep: an entry of an earlier session of ours is replaced at one instant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from hfs_appliance.model.assignment import Assignment
from hfs_appliance.model.ids import Version
from hfs_appliance.model.observed import InstanceStatus, Registration
from sim.ensemble import Ensemble
from sim.link import Link
from sim.wire.zookeeper.paths import ancestry
from sim.wire.zookeeper.requests import Create, Delete, Multi, SetValue
from sim.wire.zookeeper.values import EPHEMERAL, OPEN

WRONG_VERSION: Final = Version("0.0.0-wrong")

Standing: TypeAlias = list[tuple[str, bytes | None, bool]]
"""Entries, what was wanted there, and whether that is what stood there."""


class Presence:
    """All entries of one agent."""

    def __init__(self, ensemble: Ensemble) -> None:
        self._ensemble: Final = ensemble
        self._link: Link | None = None
        self._wanted: dict[str, bytes | None] = {}
        self._then: dict[str, Callable[[], None]] = {}
        """What is to be done once an entry is right."""

    def begin(self, link: Link) -> None:
        """Put entries right over this link from now on."""
        self._link = link

    def end(self) -> None:
        """Want nothing any more; what stands there ends with its session."""
        self._wanted.clear()
        self._then.clear()
        self._link = None

    def want(self, path: str, content: bytes | None) -> None:
        """Want this content; None: no entry."""
        if path not in self._wanted or self._wanted[path] != content:
            self._wanted[path] = content
            self._settle(path)

    def withdraw(self, path: str, then: Callable[[], None]) -> None:
        """Want no entry, and do something once there is none."""
        self._then[path] = then
        self._wanted[path] = None
        self._settle(path)

    def look(self) -> Standing:
        """Look, at the servers, which entries are as they are wanted and which are not."""
        return [(path, content, self._is_right(path, content)) for path, content in self._wanted.items()]

    def settle_all(self, found: Standing) -> None:
        """Have every entry put right that was not; what is wanted otherwise since then is under way already."""
        link = self._link
        if link is None or not link.is_connected:
            return
        held = [(path, content, is_right) for path, content, is_right in found if self._wants(path, content)]
        # All in one go, as a client sends them without waiting for the answers in between.
        astray = [(path, content) for path, content, is_right in held if not is_right]

        def step() -> None:
            for path, content in astray:
                if link.is_connected:
                    self._step(link, path, content)

        def settled(_: None) -> None:
            for path, _content in astray:
                self._settled(path)

        if astray:
            link.request(step, settled, is_write=True)
        for path, _content, is_right in held:
            if is_right:
                self._settled(path)

    def _wants(self, path: str, content: bytes | None) -> bool:
        return path in self._wanted and self._wanted[path] == content

    def _is_right(self, path: str, content: bytes | None) -> bool:
        found = self._ensemble.core.tree.znodes.get(path)
        if found is None or content is None:
            return found is None and content is None
        return self._link is not None and found.owner == self._link.session_id and found.value == content

    def heal(self, path: str) -> bool:
        """Have an entry put right again, if it is one of ours."""
        if path not in self._wanted:
            return False
        self._settle(path)
        return True

    def _settle(self, path: str) -> None:
        """Have the entry put right; when there is no connection, the next one does it."""
        link, content = self._link, self._wanted[path]
        if link is not None and link.is_connected:
            link.request(lambda: self._step(link, path, content), lambda _: self._settled(path), is_write=True)

    def _settled(self, path: str) -> None:
        then = self._then.pop(path, None)
        if then is not None:
            then()

    def _step(self, link: Link, path: str, content: bytes | None) -> None:
        """Do what the real `Presence` does in two or three calls, at one instant."""
        found = self._ensemble.core.tree.znodes.get(path)
        if content is None:
            if found is not None:
                self._ensemble.write(Delete(path=path), link)
            return
        if found is not None and found.owner == link.session_id:
            if found.value != content:
                self._ensemble.write(SetValue(path=path, value=content), link)
            return
        create = Create(path=path, value=content, access=OPEN, flags=EPHEMERAL)
        if found is None:
            for parent in reversed(tuple(ancestry(path))[1:]):
                if parent not in self._ensemble.core.tree.znodes:
                    self._ensemble.write(Create(path=parent, value=b"", access=OPEN), link)
            self._ensemble.write(create, link)
        else:
            # Our own entry of an earlier session would die with it: replaced at one instant, nobody sees a gap.
            self._ensemble.write(Multi(operations=(Delete(path=path), create)), link)


def registration_of(
    assignment: Assignment, address: str, *, boot: int, is_draining: bool, is_confused: bool
) -> Registration:
    """Give what an agent registers; a confused one (P4, P10) names another version than it was given."""
    return Registration(
        service=assignment.service,
        instance=assignment.server,
        version=WRONG_VERSION if is_confused else assignment.version,
        address=address,
        port=assignment.port,
        status=InstanceStatus.DRAINING if is_draining else InstanceStatus.UP,
        server=assignment.server,
        nonce=assignment.nonce,
        slot=assignment.slot,
        boot=f"{boot:x}",
        document=assignment.document,
    )
