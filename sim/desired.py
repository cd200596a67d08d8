"""Desired states for simulations, as an operator would write them: TOML that goes through the real config room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PORT: Final = 9000


def configuration(
    services: Mapping[str, Mapping[str, int]],
    *,
    pool_size: int = 2,
    pool_max: int | None = None,
    image_canary: int = 0,
    zones: int = 3,
    max_servers: int = 100_000,
    at_once: int = 50,
    destroys: int | None = None,
    poll: str = "5s",
    session_timeout: str = "6s",
    autoscale: str = "",
    balancer: bool = False,
) -> str:
    """Write an environment: instances by service and version, one pool called `small`.

    `autoscale` is what stands in that table of every service.
    """
    canary = f", image_canary = {image_canary}" if image_canary else ""
    azs = ", ".join(f'"az{number}"' for number in range(1, zones + 1))
    lines = [
        "schema = 1",
        'environment = { name = "sim" }',
        f'registry = {{ session_timeout = "{session_timeout}" }}',
        f'cloud = {{ provider = "local", azs = [{azs}], poll = "{poll}", local = {{ network = "127.0.0.0/8" }} }}',
        'endpoint = { listen = "127.0.0.1:8080" }',
        f"quota = {{ max_servers = {max_servers}, max_creating = {at_once}, max_deleting = {at_once} }}",
        f"pool = {{ small = {{ size = {pool_size}{'' if pool_max is None else f', max = {pool_max}'}{canary} }} }}",
        *([f"guard = {{ destroy_budget = {{ max = {destroys} }} }}"] if destroys is not None else []),
        *(['balancer = { drain = "30s" }'] if balancer else []),
    ]
    for name, versions in services.items():
        counts = ", ".join(f'"{version}" = {{ instances = {count} }}' for version, count in versions.items())
        lines += [
            f"[service.{name}]",
            'pool = "small"',
            f"port = {PORT}",
            'run = { command = ["serve"] }',
            f"version = {{ {counts} }}",
            *([f"autoscale = {{ {autoscale} }}"] if autoscale else []),
        ]
    return "\n".join(lines) + "\n"


def even(servers: int, *, per_service: int = 50) -> str:
    """Write an environment of so many instances, in services of `per_service` each."""
    full, rest = divmod(servers, per_service)
    counts = [per_service] * full + ([rest] if rest else [])
    return configuration({f"service-{number:04d}": {"1.0.0": count} for number, count in enumerate(counts)})
