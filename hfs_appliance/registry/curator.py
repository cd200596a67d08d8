"""Registrations in the JSON of Apache Curator's service discovery (`ServiceInstance`), readable by Curator and Spring.

Source: org.apache.curator.x.discovery.ServiceInstance and its JsonInstanceSerializer: `name`, `id`, `address`,
`port`, `sslPort`, `payload`, `registrationTimeUTC` (ms), `serviceType`, `uriSpec`. What Curator does not know (version,
slot, boot, status, document) stands in the payload. Nothing here may carry proxy syntax: closed grammars or refusal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, Final

from hfs_appliance.model.ids import Nonce, ServerId, ServiceName, Version, is_name, is_version
from hfs_appliance.model.instants import MILLISECOND, Instant
from hfs_appliance.model.observed import InstanceStatus, Registration
from hfs_appliance.registry.formats import FormatError

UNKNOWN_VERSION = Version("unknown")
"""Version of an instance that registered itself without naming one."""

_LARGEST = 64 * 1024
_SLOTS: Final = 1_000_000
"""More than any service has; a number is read as a slot only below it."""
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4: Final = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}", re.ASCII)


def write_registration(registration: Registration, registered_at: Instant) -> bytes:
    """Write a registration as Curator's JSON."""
    payload = {
        "version": registration.version,
        "status": registration.status.value,
        "server": registration.server,
        "nonce": registration.nonce,
        "slot": registration.slot,
        "boot": registration.boot,
        "document": registration.document,
    }
    return json.dumps(
        {
            "name": registration.service,
            "id": registration.instance,
            "address": registration.address,
            "port": registration.port,
            "sslPort": None,
            "payload": {key: value for key, value in payload.items() if value is not None},
            "registrationTimeUTC": registered_at // MILLISECOND,
            "serviceType": "DYNAMIC",
            "uriSpec": None,
        },
        separators=(",", ":"),
    ).encode()


def read_registration(service: ServiceName, instance: str, content: bytes, czxid: int) -> Registration:
    """Read a registration found at `services/<service>/<instance>`. Errors: FormatError."""
    if len(content) > _LARGEST:
        raise FormatError(f"{len(content)} bytes; at most {_LARGEST} are read")
    if not is_name(service):
        raise FormatError(f"service name {service[:80]!r} is not of the form [a-z0-9][a-z0-9-]*")
    try:
        entry = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"not JSON: {error}") from None
    if not isinstance(entry, dict):
        raise FormatError(f"expected a JSON object, found {type(entry).__name__}")
    if entry.get("name") not in (None, service):
        raise FormatError(f"says name {str(entry['name'])[:80]!r} but lies under service {service!r}")
    payload = entry.get("payload")
    known: Mapping[str, Any] = payload if isinstance(payload, dict) else {}
    return Registration(
        service=service,
        instance=_instance(instance),
        version=_version(known),
        address=_address(entry.get("address")),
        port=_port(entry.get("port")),
        status=_status(known),
        server=_server(known),
        nonce=Nonce(str(known["nonce"])[:64]) if "nonce" in known else None,
        slot=_slot(known),
        boot=str(known.get("boot", ""))[:64],
        document=_document(known),
        czxid=czxid,
    )


def _instance(name: str) -> str:
    # Curator names instances by UUID, ours by ServerId: both fit the grammar of versions.
    if not is_version(name):
        raise FormatError(f"instance name {name[:80]!r} has odd characters")
    return name


def _address(value: object) -> str:
    if isinstance(value, str) and _IPV4.fullmatch(value) is not None:
        return value  # as it is written already; ip_address takes a third of the time of reading an entry
    try:
        return str(ip_address(value)) if isinstance(value, str) else _refuse_address(value)
    except ValueError:
        return _refuse_address(value)


def _refuse_address(value: object) -> str:
    raise FormatError(f"address {str(value)[:80]!r} is not an IP address")


def _port(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 65536:
        raise FormatError(f"port {str(value)[:80]!r} is not a number from 1 to 65535")
    return value


def _version(payload: Mapping[str, Any]) -> Version:
    value = payload.get("version", UNKNOWN_VERSION)
    if not isinstance(value, str) or not is_version(value):
        raise FormatError(f"version {str(value)[:80]!r} has odd characters")
    return Version(value)


def _status(payload: Mapping[str, Any]) -> InstanceStatus:
    value = payload.get("status", InstanceStatus.UP.value)
    try:
        return InstanceStatus(value)
    except ValueError:
        raise FormatError(f"status {str(value)[:80]!r} is neither 'up' nor 'draining'") from None


def _server(payload: Mapping[str, Any]) -> ServerId | None:
    value = payload.get("server")
    if value is None:
        return None
    if not isinstance(value, str) or not is_name(value):
        raise FormatError(f"server {str(value)[:80]!r} is not a server's name")
    return ServerId(value)


def _slot(payload: Mapping[str, Any]) -> int | None:
    value = payload.get("slot")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _SLOTS:
        raise FormatError(f"slot {str(value)[:80]!r} is not a number from 0 to {_SLOTS - 1}")
    return value


def _document(payload: Mapping[str, Any]) -> str | None:
    value = payload.get("document")
    if value is None:
        return None
    if not isinstance(value, str) or not value.startswith("/") or len(value) > 255 or not value.isprintable():
        raise FormatError(f"document {str(value)[:80]!r} is not a path")
    return value
