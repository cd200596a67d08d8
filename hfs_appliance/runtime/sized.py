"""The desired state as it is carried out: the operator's, with the sizes of the services that scale themselves."""

from __future__ import annotations

from hfs_appliance.mcp.sizing import sized
from hfs_appliance.model.desired import DesiredState
from hfs_appliance.runtime.desired import DesiredStore
from hfs_appliance.runtime.ledger import LedgerStore


class SizedDesired:
    """Follows the desired state and the ledger, which the leader writes and all others hear."""

    def __init__(self, desired: DesiredStore, ledger: LedgerStore) -> None:
        self._desired = desired
        self._ledger = ledger
        self._seen: tuple[DesiredState, object] | None = None
        self._sized: DesiredState | None = None

    @property
    def is_closing(self) -> bool:
        """Tell whether the environment is being ended."""
        return self._desired.is_closing

    @property
    def current(self) -> DesiredState | None:
        """Give it; the very same one as long as neither has changed."""
        desired, sizes = self._desired.current, self._ledger.ledger.sizes
        if desired is None:
            return None
        if self._seen is None or self._seen[0] is not desired or self._seen[1] != sizes:
            self._seen, self._sized = (desired, sizes), sized(desired, sizes)
        return self._sized
