"""The first message of a host, and what to tell users if there is none or another is needed. Pure."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from pydantic import ValidationError

from floe_core.host.protocol import PROTOCOL_VERSION, Handshake
from floe_core.version_compat import FLOE_PLUGIN_API_VERSION
from floe_operator._version import __version__
from floe_operator.installed_core import InstalledCore, how_to_install, shown, unmet_need
from floe_operator.plugin_host.rpc import MalformedLineError, parse_message


class HostStartError(Exception):
    """No host can be started; the message says how to fix it, in one line."""

    def __init__(self, message: str, *, lacks_core: bool = False) -> None:
        self.lacks_core = lacks_core
        """Whether the interpreter works but has no floe-core with a plugin host, so no plugins either."""
        super().__init__(shown(message))


def handshake(python: str, line: bytes) -> Handshake:
    """Return the host's first message.

    Raises:
        HostStartError: The first message is not a handshake.
    """
    try:
        message = parse_message(line)
        if message.get("method") != "ready":
            raise HostStartError(f"{python} -m floe_core.host does not begin with a handshake")
        return Handshake.model_validate(message.get("params"))
    except (MalformedLineError, ValidationError):
        raise HostStartError(f"{python} -m floe_core.host does not begin with a handshake") from None


def is_usable(said: Handshake) -> bool:
    """Return True if this operator can use the host.

    The host's registry uses the plugin API version of its own floe-core to decide which plugins fit, so that
    version must be the operator's.
    """
    return said.protocol == PROTOCOL_VERSION and said.platform_api_version == FLOE_PLUGIN_API_VERSION


def why_not_usable(python: str, said: Handshake, core: InstalledCore | None) -> str:
    """Return why this operator cannot use the host; `core` is what its environment has, if known."""
    if said.protocol != PROTOCOL_VERSION:
        offers = f"speaks protocol {said.protocol}, but this operator speaks protocol {PROTOCOL_VERSION}"
    else:
        offers = (
            f"offers plugin API {said.platform_api_version}, "
            f"but this operator offers {FLOE_PLUGIN_API_VERSION}"
        )
    found = f"; {core}" if core else ""
    fix = how_to_install(python, __version__, core)
    return f"floe-core {said.floe_core} of {python} {offers}{found}: {fix}"


def why_doubtful(python: str, said: Handshake) -> str:
    """Return a warning if a usable host is of another release than the operator, else an empty text."""
    if said.floe_core == __version__:
        return ""
    fix = how_to_install(python, __version__, None)
    return shown(f"{python} has floe-core {said.floe_core}, but this is floe-operator {__version__}: {fix}")


def why_not_executed(python: str, error: OSError) -> str:
    """Return why the interpreter could not be started."""
    setting = "--plugin-python must name the Python of an environment that has floe-core and the plugins"
    if error.errno == errno.ENOENT:
        return f"The interpreter {python} does not exist; {setting}"
    return f"The interpreter {python} cannot be executed ({error.strerror}); {setting}"


def why_no_host(python: str, how_it_failed: str, core: InstalledCore | None) -> str:
    """Return why an environment has no plugin host; `core` is what it has, if known."""
    if core is None or (core.has_host and core.is_only(__version__)):
        return how_it_failed
    needs = unmet_need(python, __version__, core)
    if not core.has_host:
        return f"The plugin host of {python} {needs}"
    return f"{how_it_failed}; it {needs}"


def why_not_ready(python: str, how_it_ended: str, last_lines: Sequence[str]) -> str:
    """Return why the process ended before its handshake."""
    said = f": {last_lines[-1][:300]}" if last_lines else ""
    return f"{python} -m floe_core.host did not become ready; {how_it_ended}{said}"
