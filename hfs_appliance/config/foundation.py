"""The shape of `[cloud.openstack.foundation]`: what `hfs bootstrap` makes beside servers, and `hfs destroy` removes."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from hfs_appliance.config import spellings
from hfs_appliance.config.table import Table, default
from hfs_appliance.model import foundation

Name: TypeAlias = Annotated[str, spellings.ANY_NAME]


class Network(Table):
    """A network with one subnet."""

    cidr: Annotated[str, spellings.CIDR] = Field(examples=["10.20.0.0/20"])
    """Addresses of its subnet."""
    external: Annotated[str, spellings.FREE_TEXT] = default(foundation.FoundationNetwork, "external")
    """Name or id of a network outside, to which a router leads. Empty: no router is made."""
    name_servers: list[Annotated[str, spellings.ADDRESS]] = list(default(foundation.FoundationNetwork, "name_servers"))
    """Name servers that its servers are told."""


class SecurityGroup(Table):
    """A security group: all ways out are open, and these ways in."""

    allow: list[Annotated[str, spellings.SECURITY_RULE]] = Field(examples=[["tcp/80"]])
    """`"tcp/80"`, `"tcp/8000-8099 from 10.0.0.0/8"`, `"udp/53 from members"` (of the group), `"icmp"`."""


class Keypair(Table):
    """A key pair, of which the cloud gets the public part."""

    public_key: Annotated[str, spellings.FILLED] = Field(examples=["ssh-ed25519 AAAA... operators"])
    """The public key, as `ssh-keygen` writes it."""


class ServerGroup(Table):
    """A server group."""

    policy: Literal["soft-anti-affinity", "anti-affinity", "soft-affinity", "affinity"] = default(
        foundation.FoundationPlacement, "policy"
    )
    """How its servers lie on the cloud's hosts."""


class Foundation(Table):
    """What hfs makes where it is named above: networks, security groups, a key pair, a server group."""

    network: dict[Name, Network] = {}
    """Networks, by name: `[cloud.openstack.foundation.network.private]`."""
    security_group: dict[Name, SecurityGroup] = {}
    """Security groups, by name."""
    keypair: dict[Name, Keypair] = {}
    """Key pairs, by name."""
    server_group: dict[Name, ServerGroup] = {}
    """Server groups, by name."""
