"""Merge the services' documents into one: OpenAPI 3.1, the same bytes for the same input.

`prepare` does all the work for one service and depends on nothing else: a caller that keeps its results by
`ServiceDocument` (they are values) pays for changed documents only. `assemble` puts prepared services together;
`merge` does both. Rule: one service's document cannot hurt another's, nor the merge itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from hfs_appliance.model.ids import ServiceName, Version
from hfs_appliance.swagger.clean import Notes
from hfs_appliance.swagger.convert import convert
from hfs_appliance.swagger.grammar import OPENAPI, Node
from hfs_appliance.swagger.place import Mount, Placed, place
from hfs_appliance.swagger.read import DocumentError, parse_document


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDocument:
    """One service as the merge sees it. Its operations are mounted at `/<service>/`."""

    service: ServiceName
    versions: tuple[Version, ...] = ()
    content: bytes | None = None
    """The document as it was fetched; None when there is none."""
    content_type: str | None = None
    reason: str = ""
    """Why there is no content: words for the operator; empty for a service that never had a document."""
    last_good: bytes | None = None
    """The last content that could be used: takes the place of one that is missing or cannot be."""
    base_path: str = "/"
    """Path on the instance that `/<service>/` maps to; ends with a slash."""
    document_path: str = "/"
    """Path of the document on the instance."""


class DocumentState(StrEnum):
    """What stands in the merged document for a service."""

    CURRENT = "current"
    STALE = "stale"
    """The last good document: the present one is missing or cannot be used."""
    MISSING = "missing"
    """Nothing: there is no document that can be used."""
    NONE = "none"
    """Nothing: the service has no document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStatus:
    """How a service's document fared."""

    state: DocumentState
    versions: tuple[Version, ...]
    operations: int
    title: str = ""
    document_version: str = ""
    reason: str = ""
    """Why the state is STALE or MISSING."""
    left_out: tuple[str, ...] = ()
    """Parts of the document that could not be kept, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """One service's part, ready to be put beside the others."""

    service: ServiceName
    status: ServiceStatus
    parts: Mapping[str, bytes]
    """By place in the merged document (`paths`, `tags`, a section of the components): the JSON between its brackets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The merged document."""

    content: bytes
    digest: str
    """SHA-256 of `content`, in hexadecimal."""
    operations: int
    services: Mapping[ServiceName, ServiceStatus]

    @property
    def etag(self) -> str:
        """Give the strong ETag of the document (RFC 9110, 8.8.3)."""
        return f'"{self.digest[:32]}"'


def merge(sources: Sequence[ServiceDocument], *, title: str, description: str = "", server_url: str = "/") -> Merged:
    """Merge documents. The order of `sources` does not matter; a service may come once only."""
    return assemble(map(prepare, sources), title=title, description=description, server_url=server_url)


def prepare(source: ServiceDocument) -> Prepared:
    """Read, convert and rename one service's document; whatever it holds, this gives a result."""
    reason = source.reason
    if source.content is not None:
        try:
            return _prepared(source, source.content, source.content_type, DocumentState.CURRENT, "")
        except DocumentError as error:
            reason = error.words
    if source.last_good is not None:
        try:
            return _prepared(source, source.last_good, None, DocumentState.STALE, reason)
        except DocumentError:
            reason += "; the last good one cannot be used any more"
    state = DocumentState.MISSING if reason else DocumentState.NONE
    status = ServiceStatus(state=state, versions=source.versions, operations=0, reason=reason)
    words = f"No operations are listed: {reason}." if reason else "The service has no document."
    tags = [{"name": source.service, "description": words}]
    return _written(source, status, Placed(paths={}, webhooks={}, components={}, tags=tags, operations=0))


def _prepared(
    source: ServiceDocument, content: bytes, content_type: str | None, state: DocumentState, reason: str
) -> Prepared:
    notes = Notes()
    root = convert(parse_document(content, content_type), notes)
    mount = Mount(service=source.service, base_path=source.base_path, document_path=source.document_path)
    part = place(root, mount, notes)
    info = root.get("info", {})
    status = ServiceStatus(
        state=state,
        versions=source.versions,
        operations=part.operations,
        title=info.get("title", ""),
        document_version=info.get("version", ""),
        reason=reason,
        left_out=notes.words(),
    )
    return _written(source, status, part)


def _written(source: ServiceDocument, status: ServiceStatus, part: Placed) -> Prepared:
    places = {
        "tags": part.tags,
        "x-tagGroups": [{"name": source.service, "tags": [tag["name"] for tag in part.tags]}],
        "x-hfs-status": {source.service: _report(status)},
        "paths": part.paths,
        "webhooks": part.webhooks,
        **part.components,
    }
    parts = {place: _write(values)[1:-1] for place, values in places.items() if values}
    return Prepared(service=source.service, status=status, parts=parts)


_SECTIONS: Final = tuple(OPENAPI["components"].fields)


def assemble(prepared: Iterable[Prepared], *, title: str, description: str = "", server_url: str = "/") -> Merged:
    """Put prepared services together. Costs next to nothing: only bytes are joined."""
    services = sorted(prepared, key=lambda each: each.service)
    statuses = {each.service: each.status for each in services}
    assert len(statuses) == len(services), "a service may come once only"

    def joined(place: str) -> bytes:
        return b",".join(each.parts[place] for each in services if place in each.parts)

    sections = {section: text for section in _SECTIONS if (text := joined(section))}
    places = {
        "tags": b"[%s]" % joined("tags"),
        "x-tagGroups": b"[%s]" % joined("x-tagGroups"),
        "x-hfs-status": b"{%s}" % joined("x-hfs-status"),
        "paths": b"{%s}" % joined("paths"),
        "webhooks": b"{%s}" % joined("webhooks"),
        "components": _object({section: b"{%s}" % text for section, text in sections.items()}),
    }
    version = hashlib.sha256(_object(places)).hexdigest()[:12]
    head = {
        "openapi": _write("3.1.0"),
        "info": _write({"title": title, "description": description, "version": version}),
        "servers": _write([{"url": server_url}]),
    }
    content = _object(head | places)
    return Merged(
        content=content,
        digest=hashlib.sha256(content).hexdigest(),
        operations=sum(status.operations for status in statuses.values()),
        services=statuses,
    )


def _object(members: Mapping[str, bytes]) -> bytes:
    return b"{%s}" % b",".join(b"%s:%s" % (_write(name), value) for name, value in members.items())


def _report(status: ServiceStatus) -> Node:
    said = {"reason": status.reason, "left_out": list(status.left_out)}
    return {
        "state": status.state,
        "versions": list(status.versions),
        "title": status.title,
        "version": status.document_version,
        "operations": status.operations,
        **{key: value for key, value in said.items() if value},
    }


def _write(value: Any) -> bytes:
    # ASCII only: a lone surrogate, which JSON can carry and UTF-8 cannot, stays what it was.
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
