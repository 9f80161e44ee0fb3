"""Runs a plugin host on its standard streams: `python -m floe_core.host`, perhaps with the nonce of marks."""

from __future__ import annotations

import sys

from floe_core.host.streams import isolate


def main() -> None:
    """Answer calls until the end of input."""
    calls, answers, log = isolate()
    nonce = sys.argv.pop(1) if len(sys.argv) > 1 else ""  # plugins might read arguments as their own

    # Imported only now that the streams are safe, because any of these modules might print.
    import os
    import platform

    # When pydantic looks for its own plugins, it reads every entry_points.txt and fails on the first that is
    # not text; and any plugin it found would see configurations.
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"

    from floe_core._version import __version__
    from floe_core.host.channel import Channel
    from floe_core.host.marks import Marks
    from floe_core.host.protocol import PROTOCOL_VERSION, Handshake
    from floe_core.host.server import Server
    from floe_core.version_compat import FLOE_PLUGIN_API_VERSION

    marks = Marks(nonce, log)
    marks.name_printed()
    Server(Channel(calls, answers), marks).serve(
        Handshake(
            protocol=PROTOCOL_VERSION,
            floe_core=__version__,
            python=platform.python_version(),
            platform_api_version=FLOE_PLUGIN_API_VERSION,
        )
    )


if __name__ == "__main__":
    if not getattr(sys.flags, "safe_path", False):
        del sys.path[0]  # the working directory, which must not provide plugins
    main()
