"""The first message of a host, and what to tell users if there is none. Pure."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from pydantic import ValidationError

from floe_core.host.protocol import PROTOCOL_VERSION, Handshake
from floe_core.version_compat import FLOE_PLUGIN_API_VERSION
from floe_operator.plugin_host.rpc import MalformedLineError, parse_message


class HostStartError(Exception):
    """No host can be started; the message says how to fix it."""


def handshake(python: str, line: bytes) -> Handshake:
    """Return the host's first message.

    The host's registry uses the plugin API version of its own floe-core to decide which plugins fit, so that
    version must be the operator's.

    Raises:
        HostStartError: The first message is not a handshake, or has another protocol or plugin API version.
    """
    try:
        message = parse_message(line)
        if message.get("method") != "ready":
            raise HostStartError(f"{python} -m floe_core.host does not begin with a handshake")
        said = Handshake.model_validate(message.get("params"))
    except (MalformedLineError, ValidationError):
        raise HostStartError(f"{python} -m floe_core.host does not begin with a handshake") from None
    if said.protocol != PROTOCOL_VERSION:
        raise HostStartError(
            f"floe-core {said.floe_core} of {python} speaks protocol {said.protocol}, but this "
            f"operator speaks protocol {PROTOCOL_VERSION}: install the operator's version of floe-core there"
        )
    if said.platform_api_version != FLOE_PLUGIN_API_VERSION:
        raise HostStartError(
            f"floe-core {said.floe_core} of {python} offers plugin API {said.platform_api_version}, but "
            f"this operator offers {FLOE_PLUGIN_API_VERSION}: "
            "install the operator's version of floe-core there"
        )
    return said


def why_not_executed(python: str, error: OSError) -> str:
    """Return why the interpreter could not be started."""
    setting = "--plugin-python must name the Python of an environment that has floe-core and the plugins"
    if error.errno == errno.ENOENT:
        return f"The interpreter {python} does not exist; {setting}"
    return f"The interpreter {python} cannot be executed ({error.strerror}); {setting}"


def why_not_ready(python: str, how_it_ended: str, last_lines: Sequence[str]) -> str:
    """Return why the process ended before its handshake."""
    if any("No module named" in line and "floe_core" in line for line in last_lines):
        return (
            f"The environment of {python} has no floe-core with a plugin host: install it there "
            f"({python} -m pip install floe-core)"
        )
    said = f": {last_lines[-1][:300]}" if last_lines else ""
    return f"{python} -m floe_core.host did not become ready; {how_it_ended}{said}"
