"""Stands in for the Open vSwitch agents of the compute hosts: `agents.py HOST… -- OPTIONS of neutron`.

Neutron's server, plugin and driver run unchanged; this speaks the agents' side of their RPC with neutron's own client:
it reports one live agent a host, and says "up" of each port that is bound there, so that the port turns ACTIVE.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

import oslo_messaging
from neutron.agent import rpc as agent_rpc
from neutron.common import config
from neutron.conf.agent import common as agent_conf
from neutron_lib import constants, context
from neutron_lib.agent import topics
from oslo_config import cfg

_split = sys.argv.index("--")
HOSTS = sys.argv[1:_split]
OPTIONS = sys.argv[_split + 1 :]


class PortUpdates:
    """What the plugin tells agents."""

    target = oslo_messaging.Target(version="1.4")

    def __init__(self, plugin: Any) -> None:
        self._plugin = plugin

    def port_update(self, _context: Any, *, port: dict[str, Any], **_more: Any) -> None:
        """Say that a port that is bound to one of our hosts is up."""
        host = port.get("binding:host_id")
        if host in HOSTS and port.get("status") != "ACTIVE":
            nobody = context.get_admin_context_without_session()
            self._plugin.update_device_up(nobody, port["id"], f"ovs-agent-{host}", host=host)


def report(state: Any, host: str) -> None:
    """Report an agent until the plugin has heard it: its RPC server may still be starting."""
    agent = {
        "binary": "neutron-openvswitch-agent",
        "host": host,
        "topic": constants.L2_AGENT_TOPIC,
        "agent_type": constants.AGENT_TYPE_OVS,
        "start_flag": True,
        "availability_zone": "nova",
        "configurations": {"bridge_mappings": {}, "tunnel_types": [], "datapath_type": "system"},
    }
    while True:
        try:
            state.report_state(context.get_admin_context_without_session(), dict(agent), use_call=True)
        except oslo_messaging.MessagingException:
            continue
        return


def main() -> None:
    """Report all agents and listen."""
    config.register_common_config_options()
    agent_conf.register_agent_state_opts_helper(cfg.CONF)
    config.init(OPTIONS)
    config.setup_logging()
    state = agent_rpc.PluginReportStateAPI(topics.REPORTS)
    state.timeout = 3
    updates = PortUpdates(agent_rpc.PluginApi(topics.PLUGIN))
    topic = [[topics.PORT, topics.UPDATE]]
    agent_rpc.create_consumers([updates], topics.AGENT, topic, start_listening=False).consume_in_threads()
    for host in HOSTS:
        report(state, host)
    threading.Event().wait()


main()
