"""From the shape of `[cloud.openstack]` to the model: a pure renaming."""

from __future__ import annotations

from pathlib import Path

from hfs_appliance.config import cloud as shape
from hfs_appliance.config.foundation import Foundation as FoundationTable
from hfs_appliance.model.balancer import Place
from hfs_appliance.model.desired import Executable, OpenStackCloud
from hfs_appliance.model.foundation import (
    Foundation,
    FoundationGroup,
    FoundationKey,
    FoundationNetwork,
    FoundationPlacement,
)


def openstack(cloud: shape.OpenStackCloud, base: Path) -> OpenStackCloud:
    """Translate the table; relative paths lie below `base`."""
    return OpenStackCloud(
        cloud=cloud.cloud,
        clouds_file=None if cloud.clouds_file is None else str(base / cloud.clouds_file),
        image=cloud.image,
        flavor=cloud.flavor,
        networks=tuple(cloud.networks),
        security_groups=tuple(cloud.security_groups),
        keypair=cloud.keypair,
        server_group=cloud.server_group,
        config_drive=cloud.config_drive,
        executable=_executable(cloud.executable),
        foundation=_foundation(cloud.foundation),
        call_within=cloud.call_within,
        writes=cloud.writes,
    )


def _executable(executable: shape.Executable) -> Executable:
    listen = executable.listen
    return Executable(
        in_image=executable.in_image,
        listen=Place(listen.address, listen.port) if listen is not None else None,
        url=executable.url or "",
        sha256=executable.sha256 or "",
    )


def _foundation(foundation: FoundationTable) -> Foundation:
    return Foundation(
        network={
            name: FoundationNetwork(
                cidr=network.cidr, external=network.external, name_servers=tuple(network.name_servers)
            )
            for name, network in sorted(foundation.network.items())
        },
        security_group={
            name: FoundationGroup(allow=tuple(group.allow)) for name, group in sorted(foundation.security_group.items())
        },
        keypair={name: FoundationKey(public_key=key.public_key) for name, key in sorted(foundation.keypair.items())},
        server_group={
            name: FoundationPlacement(policy=group.policy) for name, group in sorted(foundation.server_group.items())
        },
    )
