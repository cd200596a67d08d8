"""The cells of the matrix of faults and phases: which there are, and which can never be filled, and why.

Beside the phases of servers and rollouts there is a column for each strategy by which a rollout goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from hfs_appliance.model.plan import Phase
from sim.believed import AIMABLE, OF_ROLLOUTS, OF_SERVERS, OF_STRATEGIES
from sim.coverage import Matrix
from sim.faults import MENU

_UNBORN: Final = frozenset({Phase.CREATING, Phase.BOOTING, Phase.CONFIGURING})

ANSWERING: Final = frozenset(
    {
        *("registrations-flap", "registrations-wrong", "service-crashes", "service-crash-loops", "service-hangs"),
        *("services-leak", "slow-instance", "wrong-answers"),
    }
)
"""Kinds that hit services which answer."""

IMPOSSIBLE: Final[Mapping[str, tuple[frozenset[Phase], str]]] = {
    **{
        kind: (_UNBORN | {Phase.WARM}, "it hits services that answer, and none runs where hfs knows of no role")
        for kind in sorted(ANSWERING)
    },
    "pool-rots": (
        frozenset({Phase.CREATING, Phase.BOOTING, Phase.AMBIGUOUS, Phase.SERVING, Phase.DRAINING}),
        "it hits servers that wait for a role: built, which the cloud lists by then, and registered as no instance",
    ),
    "record-removed-by-hand": (
        frozenset({Phase.AMBIGUOUS}),
        "it hits servers that have a record; who is in doubt has none, or the registry was set back, as in no seed",
    ),
    "build-interrupted": (
        frozenset(OF_SERVERS) - _UNBORN - {Phase.LOST, Phase.DELETING},
        "it hits servers that are being built, of which none has announced itself",
    ),
}
"""By kind: phases in which what it hits is never found, and why."""


COLUMNS: Final = (*AIMABLE, *OF_STRATEGIES)


def is_possible(kind: str, column: str) -> bool:
    """Tell whether a cell can be filled."""
    return kind not in IMPOSSIBLE or column not in IMPOSSIBLE[kind][0]


def empty(matrix: Matrix) -> Iterator[tuple[str, str]]:
    """Give the cells that could have been filled and were not."""
    for name in drawn():
        met = matrix.get(name, {})
        yield from ((name, column) for column in COLUMNS if is_possible(name, column) and column not in met)


def mistaken(matrix: Matrix) -> Iterator[tuple[str, str]]:
    """Give the cells that are said to be impossible and were filled."""
    for name, (phases, _) in IMPOSSIBLE.items():
        yield from ((name, phase) for phase in OF_SERVERS if phase in phases and phase in matrix.get(name, {}))


def drawn() -> Iterator[str]:
    """Name the kinds that a swarm draws, sorted: the rows."""
    return (name for name, kind in sorted(MENU.items()) if kind.is_drawn)


def table(matrix: Matrix) -> Iterator[str]:
    """Lay the matrix out in Markdown: a row for each kind that a swarm draws, a column for each phase."""
    of_rollouts = (*OF_ROLLOUTS, *OF_STRATEGIES)
    for title, columns in (
        ("Phases of servers", OF_SERVERS),
        ("Phases of rollouts, and their strategies", of_rollouts),
    ):
        yield f"{title}:"
        yield ""
        yield f"| fault | {' | '.join(columns)} |"
        yield f"|---|{'---:|' * len(columns)}"
        for name in drawn():
            yield f"| `{name}` | {' | '.join(_cell(matrix, name, column) for column in columns)} |"
        yield ""
    yield "What cannot be, marked `—`:"
    yield ""
    for why in dict.fromkeys(why for _, why in IMPOSSIBLE.values()):
        kinds = ", ".join(f"`{kind}`" for kind, (_, reason) in sorted(IMPOSSIBLE.items()) if reason == why)
        yield f"- {kinds}: {why}."


def _cell(matrix: Matrix, name: str, column: str) -> str:
    count = matrix.get(name, {}).get(column)
    return str(count) if count is not None else "" if is_possible(name, column) else "—"
