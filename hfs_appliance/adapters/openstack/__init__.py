"""Servers of an OpenStack cloud, over openstacksdk.

`session` is the only file that knows the SDK: it logs in and sends. `door` stands before it: threads, deadlines,
permits, pace. `failures`, `pace`, `servers`, `listing` and `userdata` are pure: what answers mean. `names` and `cloud`
put them together to the port. The SDK is imported when the first call is made, so that nothing else pays for it.
"""

from __future__ import annotations
