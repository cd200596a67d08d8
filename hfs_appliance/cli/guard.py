"""Commands for when a guard has stopped something: look at what is held, and decide."""

from __future__ import annotations

import getpass

import click

from hfs_appliance.cli.change import ask
from hfs_appliance.cli.client import Api
from hfs_appliance.model.reports import Adopted


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
