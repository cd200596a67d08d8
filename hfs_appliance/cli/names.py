"""Names of servers and services on the command line, completed by the shell as the running hfs knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from hfs_appliance.cli.client import Api


class _Name(click.ParamType[str]):
    """A name that the appliance knows; what is typed is not checked here, the appliance does it better."""

    def __init__(self, name: str, *, is_server: bool = False, is_service: bool = False, is_path: bool = False) -> None:
        self.name = name
        self._is_server = is_server
        self._is_service = is_service
        self._is_path = is_path

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer what begins like it; nothing when no hfs answers, for a shell is no place for an error."""
        del param
        from hfs_appliance.cli.client import Api

        try:
            with Api(ctx.find_root().params["url"]) as api:
                names = self._names(api)
        except click.ClickException:
            return []
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]

    def _names(self, api: Api) -> list[str]:
        services = sorted(api.status().services) if self._is_service or self._is_path else []
        servers = [one.server for one in api.servers()] if self._is_server else []
        paths = [f"/{name}/" for name in services] if self._is_path else []
        return [*services, *servers, *paths]


SERVER: Final = _Name("server", is_server=True)
SERVICE: Final = _Name("service", is_service=True)
TARGET: Final = _Name("target", is_server=True, is_service=True, is_path=True)
