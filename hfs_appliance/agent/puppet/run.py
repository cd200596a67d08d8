"""Runs the real Puppet on this server, in the factory and once more when the server gets its role.

All its state lies below `puppet/` of the server's directory, so that it needs no privileges beyond those that its
manifests need. It learns who the server is by facts: `hfs_environment`, `hfs_server`, `hfs_pool`, `hfs_az`,
`hfs_address`, `hfs_directory` and `hfs_role`; with a role also `hfs_service`, `hfs_version` and `hfs_slot`.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import trio

from hfs_appliance.adapters.marks import kill_marked
from hfs_appliance.agent.log import Log
from hfs_appliance.agent.puppet.modules import fetch
from hfs_appliance.agent.puppet.report import Report, last_error, read_report
from hfs_appliance.agent.site import Site
from hfs_appliance.agent.tool import StepError, status_of
from hfs_appliance.model.assignment import Assignment
from hfs_appliance.model.instants import format_duration, to_seconds
from hfs_appliance.model.recipe import Puppet, PuppetServer

_MARK: Final = "HFS_PUPPET"
_GOOD: Final = frozenset({0, 2})
"""Nothing to change, or changes made; 4 and 6: resources failed; 1: there was no run (`--detailed-exitcodes`)."""
_WORDS_MAX: Final = 1000
_PACKAGED_BY_PUPPETLABS: Final = "/opt/puppetlabs/bin/puppet"
_ENVIRONMENT: Final = "hfs"


async def build(site: Site, puppet: Puppet, log: Log) -> str:
    """Run Puppet as a stage of the factory; say how it went. Errors: StepError."""
    return await _run(site, puppet, puppet.role or "", {}, log)


async def configure(site: Site, assignment: Assignment, log: Log) -> None:
    """Run Puppet for the role that the server was given, if it is one of Puppet's. Errors: StepError."""
    puppet = site.identity.recipe.puppet
    if assignment.puppet_role is None:
        return
    if puppet is None:
        raise StepError(f"Puppet role {assignment.puppet_role}: the pool of this server was built without Puppet")
    facts = {"service": assignment.service, "version": assignment.version, "slot": str(assignment.slot)}
    await _run(site, puppet, assignment.puppet_role, facts, log)


async def _run(site: Site, puppet: Puppet, role: str, facts: Mapping[str, str], log: Log) -> str:
    place = site.puppet
    tree = place / "environments" / _ENVIRONMENT
    tree.parent.mkdir(parents=True, exist_ok=True)
    if puppet.server is None and not tree.exists():
        log.say("fetching Puppet modules")
        await fetch(puppet, tree)
    # One that an agent before this one had begun goes on without it, on the same files.
    await trio.to_thread.run_sync(kill_marked, _MARK, site.mark)
    for left in (_report(place), _log(place)):
        left.unlink(missing_ok=True)
    asked = _apply(place, tree, role) if puppet.server is None else _ask_server(site, puppet.server)
    argv = [_program(), *asked]
    log.say(f"Puppet begins{f' with role {role}' if role else ''}")
    environment = {**_facts(site, role), **{f"FACTER_hfs_{name}": value for name, value in facts.items()}}
    status = None
    with trio.move_on_after(to_seconds(puppet.within)):
        status = await status_of(argv, extra={**environment, _MARK: site.mark})
    if status is None:
        raise StepError(f"Puppet was ended: it took longer than {format_duration(puppet.within)}")
    report = await trio.to_thread.run_sync(_read, _report(place), str(tree))
    if status not in _GOOD:
        raise _failure(status, report, _text(_log(place)), str(tree))
    words = report.words if report is not None else "no report"
    log.say(f"Puppet is done: {words}")
    return words


def _failure(status: int, report: Report | None, log: str, root: str) -> StepError:
    if report is not None and report.failures:
        first = str(report.failures[0])
        return StepError(f"Puppet: {report.words}; {first}"[:_WORDS_MAX], [str(failed) for failed in report.failures])
    words = last_error(log, root) or "its own words stand in the log"
    return StepError(f"Puppet ended with status {status}: {words}"[:_WORDS_MAX])


def _apply(place: Path, tree: Path, role: str) -> list[str]:
    what = ["-e", f"include {role}"] if role else [str(tree / "manifests")]
    return ["apply", *_options(place), f"--environmentpath={tree.parent}", f"--environment={_ENVIRONMENT}", *what]


def _ask_server(site: Site, server: PuppetServer) -> list[str]:
    host, _, port = server.host.rpartition(":")
    me = site.identity
    return [
        "agent",
        *_options(site.puppet),
        "--onetime",
        "--no-daemonize",
        "--no-usecacheonfailure",
        f"--server={host}",
        f"--serverport={port}",
        f"--environment={server.environment}",
        f"--ssldir={site.puppet / 'ssl'}",  # Debian's lies elsewhere
        # Its name is never used again, as a certificate must not be (P6).
        f"--certname={me.environment}-{me.server}-{me.nonce}",
    ]


def _options(place: Path) -> list[str]:
    return [
        "--detailed-exitcodes",
        "--color=false",
        f"--confdir={place / 'conf'}",
        f"--vardir={place / 'var'}",
        f"--logdest=console,{_log(place)}",
    ]


def _facts(site: Site, role: str) -> Mapping[str, str]:
    me = site.identity
    facts = {
        "environment": me.environment,
        "server": me.server,
        "pool": me.pool,
        "az": me.az,
        "address": me.address,
        "directory": str(site.directory),
        "role": role,
    }
    return {f"FACTER_hfs_{name}": value for name, value in facts.items()}


def _program() -> str:
    found = shutil.which("puppet") or shutil.which(_PACKAGED_BY_PUPPETLABS)
    if found is None:
        raise StepError("there is no puppet on this server (Debian: the package puppet-agent)")
    return found


def _report(place: Path) -> Path:
    return place / "var" / "state" / "last_run_report.yaml"


def _log(place: Path) -> Path:
    return place / "last-run.json"


def _read(path: Path, root: str) -> Report | None:
    return read_report(text, root) if (text := _text(path)) else None


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""
