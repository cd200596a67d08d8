"""Where servers come from: the shape of `[cloud]` and of each provider's own table."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from hfs_appliance.config import spellings
from hfs_appliance.config.foundation import Foundation
from hfs_appliance.config.spellings import Listen, span
from hfs_appliance.config.table import Table, default
from hfs_appliance.model import desired
from hfs_appliance.model.instants import Duration

Port: TypeAlias = Annotated[int, Field(ge=1, le=65535)]
Filled: TypeAlias = Annotated[str, spellings.FILLED]

_STAGE = span("0s", "1h")


class Guest(Table):
    """What a server is made of with `machine = "qemu"`: a virtual machine, cloned from a saved state."""

    image: Annotated[str, spellings.FREE_TEXT] = default(desired.GuestSettings, "image")
    """Directory that `./build.sh guest` has made, relative to this file."""
    saved: Filled | None = None
    """Where the saved state is kept, relative to this file. Else: beside the servers."""
    memory_mib: Annotated[int, Field(ge=128, le=65536)] = default(desired.GuestSettings, "memory_mib")
    """Memory of each; what it only reads, all of them share."""
    ports: list[Port] = list(default(desired.GuestSettings, "ports"))
    """Ports of a server's address that reach into it: those of all services."""


class LocalCloud(Table):
    """The local provider: each server is a group of processes on this machine, with a loopback address of its own."""

    network: Annotated[str, spellings.NETWORK] = default(desired.LocalCloud, "network")
    """Loopback network from which the servers get their addresses."""
    directory: Filled | None = None
    """Where the servers lie, relative to this file, to share it with other appliances. Else: in the state directory."""
    boot: Annotated[Duration, _STAGE] = default(desired.LocalCloud, "boot")
    """How long a new server takes to boot."""
    updates: Annotated[Duration, _STAGE] = default(desired.LocalCloud, "updates")
    """How long a new server takes to install updates."""
    configuration: Annotated[Duration, _STAGE] = default(desired.LocalCloud, "configuration")
    """How long a new server takes to be configured."""
    machine: Literal["processes", "qemu"] = "processes"
    """What a server is: processes of this machine, or a virtual machine on it, for which `boot` says nothing."""
    guest: Guest = Guest()


class Executable(Table):
    """Where a new server gets hfs itself: from the appliance, which serves the very file that it runs from."""

    listen: Annotated[Listen | None, spellings.LISTEN] = None
    """Where each appliance serves it. Else: the address from which it reaches the registry, port 8082."""
    url: Annotated[str | None, spellings.HTTP_URL] = None
    """Where servers fetch it, if they reach the appliance by another address, or not at all."""
    sha256: Annotated[str | None, spellings.SHA256] = None
    """What `sha256sum` says of a file at `url` that is not the appliance's own; then the appliance serves nothing."""
    in_image: bool = default(desired.Executable, "in_image")
    """Whether the image has hfs at `/usr/local/bin/hfs`, whatever its version: then nothing is fetched."""


class OpenStackCloud(Table):
    """The OpenStack provider: servers of one project. No credentials: they stay in clouds.yaml."""

    cloud: Filled | None = None
    """Entry of clouds.yaml. Else: what `OS_CLOUD` and the other `OS_` variables of `hfs run` say."""
    clouds_file: Filled | None = None
    """That clouds.yaml, relative to this file. Else: where every OpenStack client finds it."""
    image: Annotated[str, spellings.FREE_TEXT] = default(desired.OpenStackCloud, "image")
    """Image of the servers, by name or id, unless their pool names one. It needs cloud-init, systemd and python3."""
    flavor: Annotated[str, spellings.FREE_TEXT] = default(desired.OpenStackCloud, "flavor")
    """Flavor of the servers, by name or id, unless their pool names one."""
    networks: list[Filled] = list(default(desired.OpenStackCloud, "networks"))
    """Networks of the servers, by name or id; a server's address is that in the first. Empty: its only one."""
    security_groups: list[Filled] = list(default(desired.OpenStackCloud, "security_groups"))
    """Security groups of the servers, by name or id. Empty: the project's `default`."""
    keypair: Filled | None = None
    """Key pair that lets operators in."""
    server_group: Filled | None = None
    """Server group, by name or id, whose policy spreads the servers over hosts (`soft-anti-affinity`)."""
    config_drive: bool = default(desired.OpenStackCloud, "config_drive")
    """Whether servers get their user data on a drive, too: for networks without a metadata service."""
    executable: Executable = Executable()
    foundation: Foundation = Foundation()
    call_within: Annotated[Duration, span("1s", "5m")] = default(desired.OpenStackCloud, "call_within")
    """How long one call of the cloud's API may take."""
    writes: Annotated[int, Field(ge=1, le=64)] = default(desired.OpenStackCloud, "writes")
    """Creations and deletions under way at once, at most; fewer while the cloud is slow or refuses."""


class Cloud(Table):
    """Where servers come from."""

    provider: Literal["local", "openstack"] = Field(examples=["local"])
    """The cloud: `local` makes servers of processes on this machine, `openstack` asks an OpenStack cloud for them."""
    azs: Annotated[list[Annotated[str, spellings.ANY_NAME]], Field(min_length=1)] = list(
        default(desired.CloudSettings, "azs")
    )
    """Availability zones; servers are spread evenly over them."""
    poll: Annotated[Duration, span("100ms", "5m")] = default(desired.CloudSettings, "poll")
    """How often the list of servers is read."""
    local: LocalCloud = LocalCloud()
    openstack: OpenStackCloud = OpenStackCloud()
