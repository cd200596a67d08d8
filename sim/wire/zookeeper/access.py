"""Access lists: schemes world, auth, digest and ip, as ZooKeeper's own providers judge them."""

from __future__ import annotations

import base64
import hashlib
from ipaddress import ip_address, ip_network

from sim.wire.zookeeper.values import OPEN, Access, AccessList, Code, Identity, Permission, Refused


def authenticate(scheme: str, credential: bytes) -> Identity:
    """Turn a credential into the identity that it proves. Errors: Refused(AUTH_FAILED)."""
    if scheme != "digest":
        raise Refused(Code.AUTH_FAILED)
    try:
        return Identity(scheme, digest(credential.decode()))
    except UnicodeDecodeError:
        raise Refused(Code.AUTH_FAILED) from None


def digest(credential: str) -> str:
    """Hash `user:password` as DigestAuthenticationProvider.generateDigest does."""
    # SHA-1 is what the protocol's clients put into their access lists.
    hashed = hashlib.sha1(credential.encode(), usedforsecurity=False).digest()
    return f"{credential.split(':', 1)[0]}:{base64.b64encode(hashed).decode()}"


def resolve(access: AccessList, identities: tuple[Identity, ...]) -> AccessList:
    """Check a list that a client gave, with its identities in place of scheme `auth`. Errors: Refused(INVALID_ACL)."""
    if access == OPEN:
        return OPEN
    resolved = tuple(line for given in dict.fromkeys(access) for line in _resolve_line(given, identities))
    if not resolved:
        raise Refused(Code.INVALID_ACL)
    return resolved


def _resolve_line(line: Access, identities: tuple[Identity, ...]) -> AccessList:
    if line.scheme == "auth":
        proved = tuple(Access(line.permissions, *identity) for identity in identities if identity.scheme == "digest")
        if not proved:
            raise Refused(Code.INVALID_ACL)
        return proved
    is_valid = (
        (line.scheme == "world" and line.name == "anyone")
        or (line.scheme == "digest" and line.name.count(":") == 1 and not line.name.endswith(":"))
        or (line.scheme == "ip" and _network_contains(line.name, None))
    )
    if not is_valid:
        raise Refused(Code.INVALID_ACL)
    return (line,)


def permits(access: AccessList, wanted: Permission, identities: tuple[Identity, ...]) -> bool:
    """Tell whether the list grants any of the wanted permissions to one of the identities."""
    if access is OPEN:
        return True  # nearly all znodes have it, and sums of flags are slow in Python
    return any(line.permissions & wanted and _matches(line, identities) for line in access)


def _matches(line: Access, identities: tuple[Identity, ...]) -> bool:
    if line.scheme == "world":
        return True
    return any(
        identity.scheme == line.scheme
        and (identity.name == line.name or (line.scheme == "ip" and _network_contains(line.name, identity.name)))
        for identity in identities
    )


def _network_contains(network: str, address: str | None) -> bool:
    """Tell whether an address lies in a network; with None, whether it is a network at all."""
    try:
        known = ip_network(network, strict=False)
        return address is None or ip_address(address) in known
    except ValueError:
        return False


def hide_secrets(access: AccessList) -> AccessList:
    """Replace the hashes of digest lines: who may not administer shall not see them."""
    return tuple(
        line._replace(name=f"{line.name.split(':', 1)[0]}:x") if line.scheme == "digest" else line for line in access
    )
