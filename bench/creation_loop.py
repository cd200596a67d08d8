"""What somebody would write who needs servers and has openstacksdk: a process for bench/creation.py."""

from __future__ import annotations

import sys
from typing import Any

import openstack

ZONES = ("az1", "az2", "az3")


def main(entry: str, image: str, flavor: str, network: str, count: str) -> None:
    """Ask for servers one by one, then wait for each."""
    cloud: Any = openstack.connect(cloud=entry)
    what = {
        "image_id": cloud.image.find_image(image).id,
        "flavor_id": cloud.compute.find_flavor(flavor).id,
        "networks": [{"uuid": cloud.network.find_network(network).id}],
    }
    servers = [
        cloud.compute.create_server(name=f"loop-{number}", availability_zone=ZONES[number % len(ZONES)], **what)
        for number in range(int(count))
    ]
    for server in servers:
        cloud.compute.wait_for_server(server, wait=1800)


if __name__ == "__main__":
    main(*sys.argv[1:])
