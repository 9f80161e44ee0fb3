"""Whether a plugin's declared versions fit the platform's plugin API and the range in spec.version."""

from __future__ import annotations

import json

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from floe_core.host.protocol import Description, DistributionRef
from floe_core.version_compat import is_compatible, parse_api_version
from floe_operator.rules.conclusions import Decided
from floe_operator.rules.conditions import VersionCompatible, bounded
from floe_operator.rules.sentences import sentence

_SHOWN_BYTES = 128
_RELEASE_PARTS = 3


def check_versions(
    description: Description,
    distribution: DistributionRef | None,
    *,
    accepted: str | None,
    platform: str,
    minimum: str,
) -> Decided:
    """Check the API version first: a plugin that cannot be called needs no check of its own version.

    The version that counts is what the class declares. That of the distribution only helps to say who must
    act.
    """
    needs = description.floe_api_version
    try:
        fits, too_old = is_compatible(needs, platform), parse_api_version(needs) < parse_api_version(minimum)
    except ValueError:
        return _invalid("floe_api_version", needs, "X.Y")
    if not fits or too_old:
        return _incompatible(needs, platform, older=too_old or _is_older(needs, platform))
    version = _parse(description.version)
    if version is None:
        return _invalid("version", description.version, "X.Y.Z")
    if accepted is None:
        return Decided(
            VersionCompatible.COMPATIBLE,
            f"The plugin's API {needs} is compatible with the platform's API {platform}",
        )
    try:
        specifiers = SpecifierSet(accepted)
    except InvalidSpecifier:
        wrong = f"spec.version {_quoted(accepted)} is not a version range"
        mend = "write it as Python packaging does, for example >=0.1,<0.2"
        return Decided(VersionCompatible.INVALID_VERSION_RANGE, sentence(wrong, mend))
    if not specifiers.contains(version, prereleases=True):
        return _outside(specifiers, description.version, distribution, _quoted(accepted))
    return Decided(
        VersionCompatible.COMPATIBLE,
        f"The plugin's API {needs} is compatible with the platform's API {platform}, "
        "and its version is within spec.version",
    )


def versions_differ(one: str, other: str) -> bool:
    """Return True if both texts are versions, but not the same one."""
    left, right = _version(one), _version(other)
    return left is not None and right is not None and left != right


def named(distribution: DistributionRef) -> str:
    """Return the name and version of a distribution, cut to what fits in a sentence."""
    name, version = bounded(distribution.name, _SHOWN_BYTES), bounded(distribution.version, _SHOWN_BYTES)
    return f"{name} {version}"


def _outside(
    accepted: SpecifierSet, declared: str, distribution: DistributionRef | None, shown: str
) -> Decided:
    wrong = f"The plugin's version {declared} is outside spec.version {shown}"
    mend = "install a release within it, or change spec.version"
    if distribution is not None and versions_differ(declared, distribution.version):
        if accepted.contains(distribution.version, prereleases=True):
            wrong = (
                f"The plugin's class declares version {declared}, which is outside spec.version {shown}, but "
                f"{named(distribution)}, which is within it, is installed"
            )
            mend = (
                "the plugin's author must correct the class, and until then spec.version must admit "
                f"{declared}"
            )
        else:
            wrong = f"{wrong}, as is that of the installed {named(distribution)}"
    return Decided(VersionCompatible.OUTSIDE_VERSION_RANGE, sentence(wrong, mend))


def _version(text: str) -> Version | None:
    if len(text) > _SHOWN_BYTES:
        return None
    try:
        return Version(text)
    except ValueError:
        return None


def _parse(text: str) -> Version | None:
    """Return the version if it is X.Y.Z (pre-, post-, development and local parts may follow), else None."""
    version = _version(text)
    return version if version is not None and len(version.release) == _RELEASE_PARTS else None


def _incompatible(needs: str, platform: str, *, older: bool) -> Decided:
    wrong = f"The plugin needs plugin API {needs}, but the platform offers {platform}"
    release = f"install a release of the plugin for API {platform}"
    mend = release if older else f"upgrade the platform, or {release}"
    return Decided(VersionCompatible.INCOMPATIBLE_API, sentence(wrong, mend))


def _is_older(needs: str, platform: str) -> bool:
    return parse_api_version(needs) < parse_api_version(platform)


def _invalid(what: str, declared: str, form: str) -> Decided:
    wrong = f"The plugin declares the {what} {_quoted(declared)}, which does not have the form {form}"
    return Decided(
        VersionCompatible.INVALID_VERSION, sentence(wrong, "install a release of the plugin that corrects it")
    )


def _quoted(text: str) -> str:
    return json.dumps(bounded(text, _SHOWN_BYTES), ensure_ascii=False)
