"""What operators do, by mistake or on purpose (H1 to H16 of the catalogue): always through the product's own control.

What is undone at the end is undone to what the file said that the story began with, when the last such fault ends.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from hfs_appliance.model.ids import ServerId, ServiceName, Version
from hfs_appliance.model.instants import MINUTE, SECOND, Duration
from hfs_appliance.runtime.control import ApplianceControl
from sim.asking import AUTHOR, Request, block_of, changing, confirmed
from sim.faults import places
from sim.faults.menu import Struck, kind
from sim.faults.places import machines_of, service_of

if TYPE_CHECKING:
    from sim.fleet import Simulation
    from sim.scenario import Fault

WHILE = (SECOND, Duration(30 * MINUTE))
SOME = (1, 8)
CHURN: Final = SECOND
_BAD_IMAGE: Final = "debian-bad"
WRONG: Final[Sequence[Callable[[str], str]]] = (
    lambda _: "",
    lambda source: source[: len(source) // 2],
    lambda source: source.replace('pool = "small"', 'pool = "smal"'),
    lambda source: re.sub(r"max_servers = \d+", "max_servers = 0", source),
    lambda source: re.sub(r"^\[service\.", "[servise.", source, flags=re.MULTILINE),
)
"""H3, H6, H7, X7: nothing, half of it, a name that is none, a limit of nothing, a misspelt table."""


@kind("scale-out", "H1", words="a service gets `amount` more instances; target: which", amounts=SOME, spans=WHILE)
def scale_out(sim: Simulation, fault: Fault) -> Struck:
    """Ask for more, and later for as many as the file says."""
    return _rescale(sim, fault, lambda count: count + fault.amount)


@kind("scale-in", "H1", words="a service gets `amount` fewer, one at least; target: which", amounts=SOME, spans=WHILE)
def scale_in(sim: Simulation, fault: Fault) -> Struck:
    """Ask for fewer, and later for as many as the file says."""
    return _rescale(sim, fault, lambda count: max(1, count - fault.amount))


@kind(
    "scale-to-zero",
    "H2",
    words="a service is scaled to 0; target: which; amount: 1 if that is confirmed, 0 by mistake",
    amounts=(0, 1),
    spans=WHILE,
)
def scale_to_zero(sim: Simulation, fault: Fault) -> Struck:
    """Ask for nothing, and later for as many as the file says."""
    return _rescale(sim, fault, lambda _: 0, is_sure=bool(fault.amount))


@kind(
    "service-removed",
    "H3",
    words="a service is taken out of the file; target: which; amount: 1 if that is confirmed, 0 by mistake",
    amounts=(0, 1),
    spans=WHILE,
)
def service_removed(sim: Simulation, fault: Fault) -> Struck:
    """Apply a file without a service, and later one with it again."""
    service = service_of(sim, fault)
    block = block_of(service)
    whole = "".join(found.group() for found in block.finditer(sim.source))
    end = sim.overlaps.during(
        ("removed", service),
        lambda: sim.ask(
            f"remove {service}", changing(lambda source: block.sub("", source), is_sure=bool(fault.amount))
        ),
        lambda: sim.ask(f"bring {service} back", changing(lambda source: block.sub("", source) + whole), insists=True),
    )
    return Struck(words=f"somebody takes {service} out of the file", end=end)


@kind("fleet-adopted", words="an operator adopts the fleet into the registry as it is (hfs adopt)", is_drawn=False)
def fleet_adopted(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Ask for what only a person may decide: that registry and fleet belong together."""
    sim.ask("adopt the fleet", lambda control: control.adopt(AUTHOR), insists=True)
    return Struck(words="an operator adopts the fleet")


@kind("version-changed", "H4", words="a service gets another version, a good one, for good; target: which")
def version_changed(sim: Simulation, fault: Fault) -> Struck:
    """Apply a file with another version."""
    service = service_of(sim, fault)
    version = f"1.0.{sim.clock.now() // SECOND}"
    sim.ask(f"change {service} to {version}", changing(lambda source: _with_version(source, service, version)))
    return Struck(words=f"{service} is changed to {version}")


@kind("version-bad", "H8", words="a service gets a version that never comes up; target: which", spans=WHILE)
def version_bad(sim: Simulation, fault: Fault) -> Struck:
    """Apply a file with a broken version, and later the version that the file began with."""
    service = service_of(sim, fault)
    good, bad = next(iter(sim.desired.services[service].versions)), Version("0.0.0-bad")
    sim.service_faults.broken_versions.add(bad)
    end = sim.overlaps.during(
        ("bad", service),
        lambda: sim.ask(f"change {service} to {bad}", changing(lambda source: _with_version(source, service, bad))),
        lambda: sim.ask(
            f"change {service} back", changing(lambda source: _with_version(source, service, good)), insists=True
        ),
    )
    return Struck(words=f"{service} is changed to {bad}, which never comes up", end=end)


@kind("image-bad", "V1", words="the pool gets an image on which nothing is ever built", spans=WHILE, is_drawn=False)
def image_bad(sim: Simulation, fault: Fault) -> Struck:  # noqa: ARG001  # every kind has this signature
    """Apply a file with a bad image, and later the one without it."""
    sim.service_faults.broken_images.add(_BAD_IMAGE)
    named = f'small = {{ image = "{_BAD_IMAGE}", '
    end = sim.overlaps.during(
        "image",
        lambda: sim.ask("take another image", changing(lambda source: source.replace("small = { ", named))),
        lambda: sim.ask(
            "go back to the image", changing(lambda source: source.replace(named, "small = { ")), insists=True
        ),
    )
    return Struck(words=f"the pool's image is changed to {_BAD_IMAGE}", end=end)


@kind(
    "config-churns",
    "H13",
    words="somebody changes a service's count every second; target: which",
    spans=(SECOND, Duration(5 * MINUTE)),
)
def config_churns(sim: Simulation, fault: Fault) -> Struck:
    """Change the desired state every second, up and down by one; at the end it is as the file says."""
    struck = _rescale(sim, fault, lambda count: count + 1)
    service, number, is_over = service_of(sim, fault), 0, False

    def churn() -> None:
        nonlocal number
        if not is_over:
            number += 1
            by = 1 if number % 2 else -1
            sim.ask(f"change {service} again", _scaling(service, lambda count: max(1, count + by)))
            sim.clock.after(CHURN, churn)

    def end() -> None:
        nonlocal is_over
        is_over = True
        assert struck.end is not None
        struck.end()

    sim.clock.after(CHURN, churn)
    return Struck(words=f"somebody changes {service} every second", end=end)


@kind(
    "config-broken",
    "H3",
    "H6",
    "H7",
    "X7",
    words="somebody applies a file that is wrong; amount: in which way",
    amounts=(0, len(WRONG) - 1),
)
def config_broken(sim: Simulation, fault: Fault) -> Struck:
    """Apply a file that must be refused."""
    sim.ask("apply a wrong file", changing(WRONG[fault.amount % len(WRONG)]))
    return Struck(words="somebody applies a wrong file")


@kind("two-operators", "H5", words="two operators change one service at the same moment; target: which", spans=WHILE)
def two_operators(sim: Simulation, fault: Fault) -> Struck:
    """Apply two changes at once, and later as many as the file says."""
    struck = _rescale(sim, fault, lambda count: count + 1)
    service = service_of(sim, fault)
    sim.ask(f"scale {service} as well", _scaling(service, lambda count: count + 2))
    return struck


@kind(
    "server-killed",
    "H10",
    words="somebody kills a server through hfs; target: which",
    hits=places.machines,
)
def server_killed(sim: Simulation, fault: Fault) -> Struck:
    """Ask hfs to break a server."""
    servers = tuple(machine.spec.server for machine in machines_of(sim, fault, 1))
    for server in servers:
        sim.ask(f"kill {server}", _killing(server))
    return Struck(words=f"somebody kills {', '.join(servers) or 'no server'} through hfs", victims=servers)


def _rescale(sim: Simulation, fault: Fault, change: Callable[[int], int], *, is_sure: bool = True) -> Struck:
    service = service_of(sim, fault)
    written = sum(sim.desired.services[service].versions.values())
    sim.ask(f"scale {service}", _scaling(service, change, is_sure=is_sure))
    end = sim.overlaps.during(
        ("scaled", service),
        lambda: None,
        lambda: sim.ask(f"scale {service} back", _scaling(service, lambda _: written), insists=True),
    )
    return Struck(words=f"{service} is scaled", end=end)


def _scaling(service: ServiceName, change: Callable[[int], int], *, is_sure: bool = True) -> Request:
    async def scale(control: ApplianceControl) -> object:
        counts = control.status().services.get(service, {})
        version, count = max(((v, n.desired) for v, n in counts.items() if n.desired), default=(None, 0))

        async def once(confirm: str | None) -> object:
            return await control.scale(service, version, change(count), AUTHOR, confirm=confirm)

        return await confirmed(once, is_sure=is_sure)

    return scale


def _killing(server: ServerId) -> Request:
    return lambda control: control.kill(server)


def _with_version(source: str, service: str, version: str) -> str:
    """Give the source with another name for the service's first version."""

    def renamed(block: re.Match[str]) -> str:
        return re.sub(r'"[^"]+"( = \{ instances)', rf'"{version}"\1', block.group(), count=1)

    return block_of(service).sub(renamed, source)
