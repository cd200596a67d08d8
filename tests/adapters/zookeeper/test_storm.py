"""The wire rung: the real adapter against real servers over a network that breaks at every moment of a call.

Whatever is drawn, what the adapter answered must be what happened: done means done, refused and `Transient` mean not
done, and only `Ambiguous` leaves both open.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import trio

from hfs_appliance.ports.errors import Ambiguous, Conflict, Fenced, Missing, Transient
from hfs_appliance.ports.registry import Registry, SessionState, SetOp
from sim.streams import Stream, Streams
from tests.support.registries import connected, find, wait_state
from tests.support.tcp_proxy import TcpProxy, tcp_proxy
from tests.support.zookeeper import Servers, prepare_embedded, prepare_standalone

CALLS = 60
KEYS = tuple(f"/storm/{number}" for number in range(4))
Value = bytes | None
Change = Callable[[], Awaitable[object]]


@pytest.fixture(
    params=[
        pytest.param(prepare_embedded, id="embedded"),
        pytest.param(prepare_standalone, id="zookeeper", marks=pytest.mark.zookeeper),
    ]
)
def servers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Servers]:
    prepared: Servers = request.param(tmp_path / "servers")
    yield prepared
    prepared.kill()


@pytest.mark.parametrize("seed", [1, 2])
async def test_answers_are_what_happened(servers: Servers, seed: int) -> None:
    stream = Streams(seed).named("storm")
    with trio.fail_after(60):
        await servers.start()
        address = servers.members[0].address
        async with tcp_proxy(address) as network, connected(address) as witness, connected(network.address) as registry:
            possible: dict[str, set[Value]] = {key: {None} for key in KEYS}
            outcomes: set[str] = set()
            for number in range(CALLS):
                await wait_state(registry, SessionState.CONNECTED)
                await weather(stream, network)
                outcomes.add(await change(stream, registry, possible, f"{seed}/{number}".encode()))
                network.heal()
                if stream.chance(300):
                    await compare(witness, possible)
            await compare(witness, possible)
            assert {"done", "Ambiguous"} <= outcomes, "the weather was too good to prove anything"


async def weather(stream: Stream, network: TcpProxy) -> None:
    """Let the network be good, or break at a moment of the next call that nobody can foresee."""
    network.dribble(is_on=stream.chance(200))
    match stream.below(8):
        case 0:
            network.cut()
            network.heal()
        case 1 | 2:
            network.break_after(stream.between(0, 120))
        case 3:
            network.hold_answers()


async def change(stream: Stream, registry: Registry, possible: dict[str, set[Value]], value: bytes) -> str:
    """Make one change, and keep the books on what may be true after it."""
    key = stream.choice(KEYS)
    match stream.below(3):
        case 0:
            call: Change = lambda: registry.create(key, value)  # noqa: E731
            after: Value = value
        case 1:
            call, after = (lambda: registry.transact((SetOp(path=key, value=value),))), value
        case _:
            call, after = (lambda: registry.delete(key)), None
    try:
        with trio.fail_after(0.3):
            await call()
    except (Conflict, Missing, Transient, Fenced) as error:
        return type(error).__name__
    except (Ambiguous, trio.TooSlowError) as error:
        possible[key].add(after)
        return type(error).__name__
    possible[key] = {after}
    return "done"


async def compare(witness: Registry, possible: dict[str, set[Value]]) -> None:
    """Demand that what is there is what may be true; from now on it is known."""
    for key in KEYS:
        found = await find(witness, key)
        value = found.value if found is not None else None
        assert value in possible[key], key
        # A call that nobody waits for any more may still arrive: what it would leave stays possible.
        possible[key].add(value)
