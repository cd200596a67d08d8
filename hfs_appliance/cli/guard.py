"""Commands for when a guard has stopped something: look at what is held, and decide."""

from __future__ import annotations

import getpass

import click

from hfs_appliance.cli.change import ask
from hfs_appliance.cli.client import Api, segment
from hfs_appliance.config import durations
from hfs_appliance.model.instants import SECOND
from hfs_appliance.model.reports import Adopted, HoldCard


def adopt(api: Api, *, is_sure: bool, is_json: bool) -> None:
    """Take over the fleet that the cloud lists. Errors: Failure."""
    status = api.status()
    for hold in status.holds:
        if hold.scope == "environment" and not is_json:
            click.echo(f"held: {hold.words} ({hold.rule})", err=True)
    ask(f"adopt what the cloud lists for {status.environment}, as it is?", is_sure=is_sure)
    answer = api.call("POST", "/adopt", {"author": getpass.getuser()})
    if is_json:
        click.echo(answer)
        return
    adopted = api.read(Adopted, answer)
    recorded = f"{adopted.recorded} of them recorded anew" if adopted.recorded else "all of them recorded already"
    click.echo(f"adopted {adopted.servers} servers in {adopted.project}, {recorded}")


def holds(api: Api, *, is_json: bool) -> None:
    """Show the cards of what is held. Errors: Failure."""
    text = api.call("GET", "/holds")
    if is_json:
        click.echo(text)
        return
    cards = api.read(list[HoldCard], text)
    click.echo("\n\n".join(map(_card, cards)) if cards else "nothing is held")


def _card(card: HoldCard) -> str:
    until = f", until {card.until}" if card.until is not None else ""
    return "\n".join(
        [f"{card.scope}  {card.rule}{until}", f"  {card.words}", *(f"  - {each}" for each in card.choices)]
    )


def hold(api: Api, target: str, reason: str, lasts: str | None, *, is_json: bool) -> None:
    """Have nothing of a target taken away. Errors: Failure, BadParameter."""
    try:
        lasts_s = durations.read(lasts) // SECOND if lasts is not None else None
    except ValueError as error:
        raise click.BadParameter(f"{error}: like 30m, 2h or 1d", param_hint="--for") from None
    body = {"reason": reason, "author": getpass.getuser(), "lasts_s": lasts_s}
    answer = api.call("POST", f"/holds/{segment(target)}/hold", body)
    click.echo(answer if is_json else f"nothing of {target} is taken away any more; to end that: hfs release {target}")


def release(api: Api, target: str, *, is_json: bool) -> None:
    """End a hold. Errors: Failure."""
    answer = api.call("POST", f"/holds/{segment(target)}/release", {})
    click.echo(answer if is_json else f"{target} is released")


def approve(api: Api, target: str, *, is_sure: bool, is_json: bool) -> None:
    """Have done what guards hold back. Errors: Failure."""
    found = api.ask(list[HoldCard], "GET", "/holds")
    for card in found:
        if target in (card.scope, card.scope.partition("/")[2]) and not is_json:
            click.echo(_card(card), err=True)
    ask(f"let hfs do what is held back of {target}?", is_sure=is_sure)
    answer = api.call("POST", f"/holds/{segment(target)}/approve", {"author": getpass.getuser()})
    click.echo(answer if is_json else f"approved, for an hour; to take it back: hfs release {target}")
