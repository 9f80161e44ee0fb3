"""The first words of a host, and what to tell people where there are none. Pure."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from pydantic import ValidationError

from floe_core.host.protocol import PROTOCOL_VERSION, Handshake
from floe_core.version_compat import FLOE_PLUGIN_API_VERSION
from floe_operator.plugin_host.rpc import MalformedLineError, parse_message


class HostStartError(Exception):
    """No host can be had from the interpreter; the message names what would mend it."""


def handshake(python: str, line: bytes) -> Handshake:
    """The host's first message; HostStartError for another one, another protocol or another plugin API.

    Its registry decides which plugins fit by the API of its own floe-core, so that must be the operator's.
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
            f"floe-core {said.floe_core} of {python} speaks protocol {said.protocol} and this operator "
            f"protocol {PROTOCOL_VERSION}: install the floe-core there that the operator has"
        )
    if said.platform_api_version != FLOE_PLUGIN_API_VERSION:
        raise HostStartError(
            f"floe-core {said.floe_core} of {python} offers plugin API {said.platform_api_version} and this "
            f"operator {FLOE_PLUGIN_API_VERSION}: install the floe-core there that the operator has"
        )
    return said


def why_not_executed(python: str, error: OSError) -> str:
    """Why the interpreter did not become a process."""
    setting = "--plugin-python must name the Python of an environment that has floe-core and the plugins"
    if error.errno == errno.ENOENT:
        return f"The interpreter {python} does not exist; {setting}"
    return f"The interpreter {python} cannot be executed ({error.strerror}); {setting}"


def why_not_ready(python: str, how_it_ended: str, last_lines: Sequence[str]) -> str:
    """Why the process ended before its handshake."""
    if any("No module named" in line and "floe_core" in line for line in last_lines):
        return (
            f"The environment of {python} has no floe-core with a plugin host: install it there "
            f"({python} -m pip install floe-core)"
        )
    said = f": {last_lines[-1][:300]}" if last_lines else ""
    return f"{python} -m floe_core.host did not get ready; {how_it_ended}{said}"
