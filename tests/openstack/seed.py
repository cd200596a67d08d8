"""Fills the empty cloud, and waits until it can make servers: `seed.py accounts|hosts|things HOST:ZONE…`, as admin.

Everything may be repeated. The tenant whom tests and people use is `demo`, in project `demo`.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import amqp
import openstack

PLACES = dict(place.split(":") for place in sys.argv[2:])
PASSWORD = os.environ["OS_PASSWORD"]
ENDPOINTS = (
    ("placement", "placement", "http://127.0.0.1:8778"),
    ("glance", "image", "http://127.0.0.1:9292"),
    ("nova", "compute", "http://127.0.0.1:8774/v2.1"),
    ("neutron", "network", "http://127.0.0.1:9696"),
    ("octavia", "load-balancer", "http://127.0.0.1:9876"),
)
FLAVORS = (("m1.tiny", 1, 64, 1), ("m1.small", 1, 2048, 20), ("too.big", 4096, 64, 1))
"""Name, processors, MiB of memory, GiB of disk; nothing has room for the last one."""
cloud: Any = openstack.connect()


def wait(what: str, condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + 180
    while True:
        try:
            if condition():
                return
            words = ""
        except Exception as error:  # noqa: BLE001  # services that are still starting say it in many ways
            words = repr(error)
        if time.monotonic() > end:
            sys.exit(f"timeout: {what} {words}")
        time.sleep(0.5)


def accounts() -> None:
    """Make the services' account, the tenant and the catalogue."""
    identity = cloud.identity
    for role in ("service", "load-balancer_member"):
        identity.find_role(role) or identity.create_role(name=role)
    for name, roles in (("service", ("admin", "service")), ("demo", ("member", "load-balancer_member"))):
        project = identity.find_project(name) or identity.create_project(name=name, domain_id="default")
        user = identity.find_user(name) or identity.create_user(name=name, password=PASSWORD, domain_id="default")
        for role in roles:
            identity.assign_project_role_to_user(project, user, identity.find_role(role))
    known = {service.type for service in identity.services()}
    for name, kind, url in ENDPOINTS:
        if kind not in known:
            service = identity.create_service(name=name, type=kind)
            for interface in ("public", "internal", "admin"):
                identity.create_endpoint(service_id=service.id, interface=interface, region_id="RegionOne", url=url)


def hosts() -> None:
    """Wait until every host is up and every RPC server listens: after a restart the books say so too early."""
    queues = {"conductor", "scheduler", "q-plugin", "q-reports-plugin", "octavia_provisioning_v2"}
    queues |= {f"compute.{host}" for host in PLACES}
    wait("RPC servers", lambda: all(map(_is_listened_to, sorted(queues))))
    names = set(PLACES)
    wait("computes", lambda: names <= {s.host for s in cloud.compute.services() if s.state == "up"})
    wait("agents", lambda: names <= {agent.host for agent in cloud.network.agents() if agent.is_alive})


def _is_listened_to(queue: str) -> bool:
    with amqp.Connection("127.0.0.1:5672") as connection:
        return bool(connection.channel().queue_declare(queue, passive=True).consumer_count)


def things() -> None:
    """Make zones, flavors, an image and the tenant's network."""
    wait("hypervisors", lambda: len(list(cloud.compute.hypervisors())) >= len(PLACES))
    for former in cloud.compute.aggregates():
        for host in former.hosts or []:
            if PLACES.get(host) != former.name:  # of a start with more hosts: it does not run, and must get no servers
                cloud.compute.remove_host_from_aggregate(former, host)
    for host, zone in PLACES.items():
        found = cloud.compute.find_aggregate(zone) or cloud.compute.create_aggregate(name=zone, availability_zone=zone)
        if host not in (found.hosts or []):
            cloud.compute.add_host_to_aggregate(found, host)
    for name, processors, memory, disk in FLAVORS:
        cloud.compute.find_flavor(name) or cloud.compute.create_flavor(
            name=name, vcpus=processors, ram=memory, disk=disk
        )
    if not cloud.image.find_image("debian-12"):
        image = {"disk_format": "raw", "container_format": "bare", "visibility": "public"}
        cloud.image.create_image("debian-12", data=io.BytesIO(bytes(65_536)), wait=True, **image)
    if not cloud.network.find_network("private"):
        owner = cloud.identity.find_project("demo").id
        network = cloud.network.create_network(name="private", project_id=owner)
        cloud.network.create_subnet(
            network_id=network.id, project_id=owner, ip_version=4, cidr="10.0.0.0/16", is_dhcp_enabled=False
        )


{"accounts": accounts, "hosts": hosts, "things": things}[sys.argv[1]]()
