"""The plugin host: a process that finds, imports and runs plugins, driven by JSON-RPC over stdin and stdout.

`python -m floe_core.host` starts a host. It needs nothing but floe_core, so it runs in any environment that
has the plugins. `protocol` defines what both ends agree on.
"""
