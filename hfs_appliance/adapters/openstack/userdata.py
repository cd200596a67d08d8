"""User data: what cloud-init on a new server is told, so that an agent comes up there with its identity. Pure.

A cloud-config of a few files: JSON, which is YAML too, so nothing has to be escaped. The image needs cloud-init,
systemd and python3, no more; one with hfs in it (the one that is meant, by its sha256) starts without fetching.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Final

from hfs_appliance.model.identity import Identity
from hfs_appliance.model.instants import MILLISECOND, Duration
from hfs_appliance.model.recipe import Recipe
from hfs_appliance.ports.cloud import ServerSpec
from hfs_appliance.registry import formats

IDENTITY_FILE: Final = "/var/lib/hfs/identity.json"

_HEAD: Final = "#cloud-config\n"
_UNIT: Final = "/etc/systemd/system/hfs-agent.service"
FETCH: Final = "/usr/local/sbin/hfs-fetch"

_SERVICE: Final = f"""[Unit]
Description=hfs agent
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
{{fetch}}ExecStart=/usr/local/bin/hfs agent --identity {IDENTITY_FILE}
StandardOutput=append:/var/lib/hfs/agent.log
StandardError=inherit
Restart=on-failure
RestartSec=1
# What the agent has started outlives it: a crash of the agent takes no instance out of traffic.
KillMode=process

[Install]
WantedBy=multi-user.target
"""

_FETCHER: Final = """#!/bin/sh
# Puts hfs in place, the very file that is meant or none.
set -eu
hfs=/usr/local/bin/hfs
is_meant() {{ echo "{sha256}  $1" | sha256sum --check --status; }}
[ ! -e "$hfs" ] || ! is_meant "$hfs" || exit 0
# Whoever serves it may die in the midst of it: then this ends, and is begun again.
python3 -c 'import socket, sys, urllib.request
socket.setdefaulttimeout(20)
urllib.request.urlretrieve(sys.argv[1], sys.argv[2])' '{url}' "$hfs.new"
is_meant "$hfs.new"
chmod 755 "$hfs.new"
mv "$hfs.new" "$hfs"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """What a new server fetches before its agent starts: hfs itself."""

    url: str
    sha256: str


def user_data(spec: ServerSpec, download: Download | None) -> str:
    """Give the user data of a server, encoded as nova wants it; None: it has hfs already."""
    fetch = "" if download is None else f"ExecStartPre={FETCH}\n"
    files = [
        _file(IDENTITY_FILE, formats.write(identity(spec)).decode(), "0600"),
        _file(_UNIT, _SERVICE.format(fetch=fetch)),
    ]
    if download is not None:
        script = _FETCHER.format(sha256=download.sha256, url=download.url)
        files.append(_file(FETCH, script, "0755"))
    start = [["systemctl", "daemon-reload"], ["systemctl", "enable", "--now", "--no-block", "hfs-agent.service"]]
    config: dict[str, object] = {"write_files": files, "runcmd": start}
    if packages := _packages(spec.recipe):
        config |= {"package_update": True, "packages": packages}
    return base64.b64encode((_HEAD + json.dumps(config)).encode()).decode()


def _packages(recipe: Recipe) -> list[str]:
    """Name the Debian packages that the agent's stages need; cloud-init installs what is missing, before the agent."""
    if recipe.puppet is None:
        return []
    return ["puppet-agent"] if recipe.puppet.repository is None else ["puppet-agent", "git"]


def identity(spec: ServerSpec) -> Identity:
    """Give what the agent starts from; its address is its own to find."""
    nothing = Duration(0)
    return Identity(
        environment=spec.environment,
        server=spec.server,
        nonce=spec.nonce,
        pool=spec.pool,
        az=spec.az,
        address="",
        registry_hosts=spec.registry_hosts,
        session_timeout=Duration(spec.session_timeout_ms * MILLISECOND),
        updates=nothing,
        configuration=nothing,
        recipe=spec.recipe,
    )


def _file(path: str, text: str, permissions: str = "0644") -> dict[str, str]:
    return {"path": path, "content": text, "permissions": permissions}
