"""The server's own address, for identities that do not tell it: a cloud gives it out after it has been asked."""

from __future__ import annotations

import socket
from collections.abc import Iterable


def own_address(registry_hosts: Iterable[str]) -> str:
    """Give the address from which this machine reaches the registry: its services are reached there, too.

    Nothing is sent: connecting a datagram socket only chooses the way. Errors: OSError.
    """
    failure = OSError("the registry has no hosts")
    for host in registry_hosts:
        name, _, port = host.rpartition(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
            try:
                way.connect((name, int(port)))
            except OSError as error:
                failure = error
                continue
            return str(way.getsockname()[0])
    raise failure
