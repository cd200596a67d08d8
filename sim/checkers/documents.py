"""The checker of the merged document: no path goes without a word, and equal inputs give equal bytes (S16)."""

from __future__ import annotations

import json
from collections import Counter, OrderedDict
from hashlib import blake2b
from typing import Any, Final

from hfs_appliance.model.ids import ServiceName
from hfs_appliance.model.instants import Instant
from sim.checkers.base import Case, Checker
from sim.truth import DocumentGiven, Fact, FilesServed

FILE: Final = "swagger.json"
STATUS: Final = "x-hfs-status"
METHODS: Final = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})


class Documents(Checker):
    """What is served as one document follows from the services' documents, and loses nothing."""

    name = "documents"
    ids = ("S16",)
    promise = "the merged document has all paths of each service, or says why not; equal documents merge to equal bytes"
    sees = (DocumentGiven, FilesServed)

    KEPT: Final = 200

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._given: dict[ServiceName, tuple[int, int]] = {}
        """Hash and number of paths of the document that each service gave last."""
        self._sum = 0
        """Of those hashes."""
        self._had: Counter[ServiceName] = Counter()
        self._merged: OrderedDict[tuple[int, str], str] = OrderedDict()

    def see(self, now: Instant, fact: Fact) -> None:
        """Compare a merged document with the one before it."""
        if isinstance(fact, DocumentGiven):
            digest = int.from_bytes(blake2b(fact.service.encode() + fact.content, digest_size=8).digest())
            self._sum += digest - self._given.get(fact.service, (0, 0))[0]
            self._given[fact.service] = (digest, _count(fact.content))
            return
        assert isinstance(fact, FilesServed)
        content = fact.files.get(FILE)
        if content is None:
            return
        merged = json.loads(content)
        has = Counter(ServiceName(path.split("/")[1]) for path in merged["paths"])
        for name, count in self._had.items():
            if has[name] < count:
                self._judge(now, name, has[name], count, merged[STATUS].get(name, {}))
        self._had = has
        self._compare(merged[STATUS], blake2b(content, digest_size=8).hexdigest())

    def _judge(self, now: Instant, name: ServiceName, left: int, had: int, status: dict[str, Any]) -> None:
        is_desired = all(name in desired.services for desired in self._census.lately(now))
        gives = self._given.get(name, (0, had))[1]
        is_said = status.get("reason") or status.get("left_out")
        if is_desired and not is_said and left < min(had, gives):
            self.accuse(f"the merged document has {left} of {had} paths of {name}, and does not say why")

    def _compare(self, status: dict[str, dict[str, Any]], digest: str) -> None:
        if any(of["state"] != "current" for of in status.values()):
            return  # Some last good document stands for one that is broken: other inputs than those of this moment.
        inputs = (self._sum, json.dumps(status, sort_keys=True))
        if self._merged.setdefault(inputs, digest) != digest:
            self.accuse("the same documents of the same services were merged into other bytes than before")
        if len(self._merged) > self.KEPT:
            self._merged.popitem(last=False)


def _count(content: bytes) -> int:
    try:
        return sum(1 for item in json.loads(content)["paths"].values() if not METHODS.isdisjoint(item))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return 0
