"""The plugin host: a process that finds, imports and runs plugins, asked in JSON-RPC on its standard streams.

`python -m floe_core.host` starts one. It needs floe_core and nothing else, so it runs in any environment that
has the plugins. `protocol` is what both ends agree on.
"""
