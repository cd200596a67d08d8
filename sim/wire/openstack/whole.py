"""A whole fake cloud: all services joined, and the clouds.yaml with which the SDK finds it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import time_ns
from typing import Any

from hfs_appliance.model.instants import Duration, seconds
from sim.machine import Birth, Pace
from sim.wire.openstack.balancer import LoadBalancers
from sim.wire.openstack.cloud import QUICK, FakeCloud, nobody
from sim.wire.openstack.compute import ZONES, Compute, isotime
from sim.wire.openstack.identity import PASSWORD, PROJECT, REGION, USER, Identity, project_id
from sim.wire.openstack.image import IMAGE, Image
from sim.wire.openstack.network import NETWORK, Network


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStack:
    """The cloud and its services."""

    cloud: FakeCloud
    identity: Identity
    network: Network
    image: Image
    compute: Compute
    balancers: LoadBalancers


def openstack(
    *,
    pace: Pace = QUICK,
    birth: Birth = nobody,
    seed: int = 1,
    now: Callable[[], int] = time_ns,
    token_life: Duration = seconds(3600),
    networks: Mapping[str, str] | None = None,
    images: Sequence[str] = (IMAGE,),
    zones: Sequence[str] = ZONES,
    projects: Sequence[str] = (PROJECT,),
) -> OpenStack:
    """Make a cloud that is empty."""
    cloud = FakeCloud(pace=pace, birth=birth, seed=seed, now=now, token_life=token_life)
    network = Network(
        networks if networks is not None else {NETWORK: "10.0.0.0/16"},
        project=lambda request: cloud.token_of(request).project,
        now=lambda: isotime(cloud.timeline.now()),
        owner=project_id(projects[0]),
    )
    image = Image(images)
    whole = OpenStack(
        cloud=cloud,
        identity=Identity(cloud, projects),
        network=network,
        image=image,
        compute=Compute(cloud, network, image, zones=zones),
        balancers=LoadBalancers(cloud, network),
    )
    for service in (whole.identity, network, image, whole.compute, whole.balancers):
        cloud.join(service)
    return whole


def clouds_yaml(port: int, *, project: str = PROJECT, password: str = PASSWORD) -> str:
    """Write the clouds.yaml of a cloud on loopback; JSON is YAML, too."""
    auth = {
        "auth_url": f"http://127.0.0.1:{port}/identity/v3",
        "username": USER,
        "password": password,
        "project_name": project,
        "user_domain_id": "default",
        "project_domain_id": "default",
    }
    entry: dict[str, Any] = {"auth": auth, "region_name": REGION, "interface": "public"}
    return json.dumps({"clouds": {"fake": entry}}, indent=2) + "\n"


def write_clouds_yaml(directory: Path, port: int, *, project: str = PROJECT, password: str = PASSWORD) -> Path:
    """Write that file, and give its path."""
    path = directory / "clouds.yaml"
    path.write_text(clouds_yaml(port, project=project, password=password))
    return path
