"""Why an import failed, and how to fix it: sentences of ours, one for each cause.

The text of the exception is the plugin's, and is left to others. Nothing is imported to find the cause.
"""

from __future__ import annotations

import re
import sys
import traceback
from types import ModuleType
from typing import NamedTuple

from floe_core._class_names import error_name
from floe_core._version import __version__

_OURS = "floe_core"
_PATCHERS = ("gevent.monkey", "eventlet.patcher")
_IMPORT_SYSTEM = ("importlib._bootstrap", "_frozen_importlib")
_CANNOT_IMPORT_NAME = re.compile(r"cannot import name '([^']+)' from '")  # not "from partially initialized"
_STANDARD_LIBRARY = sys.stdlib_module_names | {
    # Removed in Python 3.12 and 3.13; what the package index has by these names is something else.
    *("asynchat", "asyncore", "distutils", "imp", "smtpd"),
    *("aifc", "audioop", "cgi", "cgitb", "chunk", "crypt", "imghdr", "lib2to3", "mailcap", "msilib", "nis"),
    *("nntplib", "ossaudiodev", "pipes", "sndhdr", "spwd", "sunau", "telnetlib", "uu", "xdrlib"),
}

_FIX_ENTRY_POINT = "install a release whose entry point names what is in it"
_FIX_CORE = "install another release of the plugin, or another release of floe-core and the platform"
_FIX_PYTHON = "install another release of the plugin, or use a Python that has it"
_FIX_REQUIREMENT = (
    "install the distribution that provides it in the same environment, or another release of the plugin"
)
_FIX_MISFIT = "install a release of that library that fits, or another release of the plugin"
_FIX_PATCH = (
    "a plugin must not patch a running process at import; install a release that does so in a process of its "
    "own"
)
FIX_OTHER = "resolve what the error says, or install another release of the plugin"


class ImportFault(NamedTuple):
    """Why an import failed, and how to fix it."""

    reason: str
    fix: str


def not_imported(module: str, error: BaseException) -> ImportFault:
    """Return why the module of an entry point could not be imported."""
    if isinstance(error, ModuleNotFoundError) and error.name and is_within(error.name, module):
        return ImportFault(f"there is no module {error.name}", _FIX_ENTRY_POINT)
    return _fault(f"importing {module}", f"importing {module}", module, error)


def not_provided(value: str, module: str, error: BaseException) -> ImportFault:
    """Return why an imported module does not provide what the entry point names."""
    if isinstance(error, AttributeError):
        return ImportFault(f"{value} does not exist", _FIX_ENTRY_POINT)
    return _fault(value, f"getting {value}", module, error)  # some modules import attributes on demand


def is_within(missing: str, module: str) -> bool:
    """Return True if what is missing is the module itself or a package around it."""
    return module == missing or module.startswith(f"{missing}.")


def _fault(subject: str, doing: str, module: str, error: BaseException) -> ImportFault:
    lacking = lacking_name(error)
    library = lacking.partition(".")[0]
    if library == _OURS:
        reason = f"it is written for a {_OURS} that has {lacking}, but this is {__version__}"
        return ImportFault(reason, _FIX_CORE)
    if _patches(error) and not isinstance(error, ModuleNotFoundError):
        return ImportFault(f"{doing} raised {error_name(error)} after patching the process", _FIX_PATCH)
    if not lacking or _is_own(lacking, module):
        return ImportFault(f"{doing} raised {error_name(error)}", FIX_OTHER)
    if library in _STANDARD_LIBRARY:
        python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
        return ImportFault(f"{subject} needs {lacking}, which {python} does not have here", _FIX_PYTHON)
    if isinstance(error, ModuleNotFoundError) and not _has_file(lacking.rpartition(".")[0]):
        return ImportFault(f"{subject} needs {lacking}, which is not installed", _FIX_REQUIREMENT)
    return ImportFault(f"{subject} needs {lacking}, which the installed {library} does not have", _FIX_MISFIT)


def lacking_name(error: BaseException | None) -> str:
    """Return the dotted name of what is missing, or an empty text if the exception does not tell."""
    match error:
        case ModuleNotFoundError(name=str(name)):
            return name
        case ImportError(name=str(module), msg=str(text)) if named := _CANNOT_IMPORT_NAME.match(text):
            return f"{module}.{named[1]}"
        case AttributeError(name=str(name), obj=ModuleType() | type() as owner):
            # Only our own modules and classes: of others, it may be the plugin that is wrong.
            inside = (
                owner.__name__ if isinstance(owner, ModuleType) else f"{owner.__module__}.{owner.__name__}"
            )
            return f"{inside}.{name}" if is_within(_OURS, inside) else ""
    return ""


def _patches(error: BaseException) -> bool:
    """Return True if the exception comes from patching the process as gevent and eventlet do.

    Threads have other identities after gevent's patch, so that the import system cannot release the lock of
    the module that it is importing.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    names = [str(frame.f_globals.get("__name__")) for frame in frames]
    if any(
        is_within(patcher, name) and frame.f_code.co_name != "<module>"  # importing a patcher patches nothing
        for name, frame in zip(names, frames, strict=True)
        for patcher in _PATCHERS
    ):
        return True
    return (
        isinstance(error, RuntimeError)
        and bool(frames)
        and names[-1] in _IMPORT_SYSTEM
        and frames[-1].f_code.co_name == "release"
    )


def _is_own(name: str, module: str) -> bool:
    """Return True if both are in one package; a namespace package does not count, as many share it."""
    package = ""
    for one, other in zip(name.split("."), module.split("."), strict=False):
        if one != other:
            return False
        package = f"{package}.{one}" if package else one
        if package not in sys.modules or _has_file(package):
            return True
    return False


def _has_file(module: str) -> bool:
    """Return True if the module is imported and not a namespace package."""
    found = sys.modules.get(module)
    return isinstance(found, ModuleType) and vars(found).get("__file__") is not None
