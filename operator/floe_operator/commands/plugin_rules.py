"""Checks a FloePlugin in a manifest against its plugin: is it installed, compatible and correctly configured?

Expects manifests that match the CRD. Rules and messages are the reasons and messages of the object's
conditions, so that people see here what `kubectl get` would show them later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from floe_core.host.protocol import ConfigFault, Description, DistributionRef, Verdict
from floe_core.plugin_types import PluginId
from floe_core.version_compat import FLOE_PLUGIN_API_MIN_VERSION, FLOE_PLUGIN_API_VERSION
from floe_operator.commands.findings import Finding
from floe_operator.commands.given_config import ConfigMaps, GivenConfig, given_config, without
from floe_operator.commands.installed import InstalledPlugins
from floe_operator.commands.manifests import Document
from floe_operator.plugin_host import PluginHostError, ValidationCrashed
from floe_operator.rules.assess import load_fault_sentence
from floe_operator.rules.conditions import VersionCompatible
from floe_operator.rules.config_faults import explain
from floe_operator.rules.config_sentences import has_no_effect, schema_failed
from floe_operator.rules.facts import ConfigSourceFault
from floe_operator.rules.load_states import LoadFault
from floe_operator.rules.resource import FloePluginSpec
from floe_operator.rules.sentences import dotted
from floe_operator.rules.versions import check_versions


@dataclass(frozen=True)
class Checked:
    """The findings on one manifest, and warnings about what is no fault, each a line."""

    findings: list[Finding]
    warnings: list[Finding]


class PluginRules:
    """Assesses FloePlugins against the installed plugins and the ConfigMaps given with them."""

    def __init__(self, installed: InstalledPlugins, known: ConfigMaps, *, allow_missing: bool) -> None:
        self._installed = installed
        self._known = known
        self._allow_missing = allow_missing

    async def check(self, document: Document, spec: FloePluginSpec) -> Checked:
        """Return what would keep the object from becoming Ready, as far as files can show it."""
        found = _Findings(document, spec)
        given = given_config(spec, document.namespace, self._known)
        if isinstance(given, ConfigSourceFault):
            found.source_fault(given)
        description = await self._description(found)
        if isinstance(given, GivenConfig):
            found.hidden(given)
        if description is None:
            found.version_range()
            return found.checked
        found.versions(description, self._installed.found[spec.plugin].distribution)
        if isinstance(given, GivenConfig):
            try:
                await self._configuration(found, given, description)
            except ValidationCrashed as error:
                found.add(
                    ("spec", "config"),
                    "ValidationCrashed",
                    f"{error.detail}; install another release of the plugin",
                )
            except PluginHostError as error:
                found.add(("spec", "config"), "ValidationCrashed", f"{error}; try again")
        return found.checked

    async def _description(self, found: _Findings) -> Description | None:
        plugin = found.spec.plugin
        if plugin in self._installed.broken:
            claim = self._installed.broken[plugin]
            fix = "" if claim.reason == "DuplicateEntryPoint" else "; install a release that corrects it"
            found.add(("spec", "name"), claim.reason, claim.detail + fix)
        elif plugin not in self._installed.found:
            if not self._allow_missing:
                found.add(("spec", "name"), "NotInstalled", _not_installed(plugin, self._installed.found))
        else:
            state = (await self._installed.loaded([plugin]))[plugin]
            if not isinstance(state, LoadFault):
                return getattr(state, "description", None)
            found.add(("spec", "name"), state.reason, load_fault_sentence(state))
        return None

    async def _configuration(self, found: _Findings, given: GivenConfig, description: Description) -> None:
        for verdict in await self._verdicts(found.spec.plugin, given.config, given.plain):
            found.verdict(verdict, given, description)
        if given.unknown:
            # Pass everything as plain, so that an unknown field is named.
            for verdict in await self._verdicts(found.spec.plugin, given.shape, given.shape):
                found.shape(verdict, given, description)

    async def _verdicts(
        self, plugin: PluginId, config: dict[str, Any], plain: dict[str, Any]
    ) -> list[Verdict]:
        """Return the verdict; PlaintextSecret hides other faults, so then add the verdict on the rest."""
        verdict = await self._installed.validate(plugin, config, plain)
        if verdict.reason != "PlaintextSecret":
            return [verdict]
        secrets = [fault.field for fault in verdict.faults]
        other = await self._installed.validate(plugin, config, without(plain, secrets))
        if other.reason == "PlaintextSecret":
            return [verdict]
        # A secret that has to go need not be corrected.
        faults = [fault for fault in other.faults if not _is_within(fault.field, secrets)]
        return [verdict, other.model_copy(update={"faults": tuple(faults)})]


class _Findings:
    """The findings on one manifest, each with its place."""

    def __init__(self, document: Document, spec: FloePluginSpec) -> None:
        self._document = document
        self.spec = spec
        self.checked = Checked([], [])

    def add(self, path: Sequence[str | int], rule: str, message: str, *, shown: str = "") -> None:
        place = self._document.place(*path)
        self.checked.findings.append(Finding(place, shown or dotted(path), rule, message))

    def hidden(self, given: GivenConfig) -> None:
        for each in given.hidden:
            path = ("spec", "configFrom", each.entry)
            self.checked.warnings.append(
                Finding(self._document.place(*path), dotted(path), "HasNoEffect", has_no_effect([each]))
            )

    def source_fault(self, fault: ConfigSourceFault) -> None:
        entry = () if fault.entry is None else (fault.entry,)
        self.add(("spec", "configFrom", *entry), fault.reason, fault.message)

    def version_range(self) -> None:
        try:
            SpecifierSet(self.spec.version or "")
        except InvalidSpecifier:
            message = "it is not a version range; write it as Python packaging does, for example >=0.1,<0.2"
            self.add(("spec", "version"), "InvalidVersionRange", message)

    def versions(self, description: Description, distribution: DistributionRef) -> None:
        judged = check_versions(
            description,
            distribution,
            accepted=self.spec.version,
            platform=FLOE_PLUGIN_API_VERSION,
            minimum=FLOE_PLUGIN_API_MIN_VERSION,
        )
        if judged.reason is not VersionCompatible.COMPATIBLE:
            of_spec = (VersionCompatible.OUTSIDE_VERSION_RANGE, VersionCompatible.INVALID_VERSION_RANGE)
            field = "version" if judged.reason in of_spec else "name"
            self.add(("spec", field), judged.reason.text, judged.message)

    def verdict(self, verdict: Verdict, given: GivenConfig, description: Description) -> None:
        match verdict.reason:
            case "Valid" | "NothingToConfigure":
                pass
            case "SchemaFailed":
                detail = verdict.faults[0].message if verdict.faults else ""
                self.add(("spec", "name"), "SchemaFailed", schema_failed(detail))
            case "ConfigNotAccepted":
                self._not_accepted()
            case "PlaintextSecret":
                for fault in verdict.faults:
                    self._fault(verdict.reason, fault, description, given)
            case _:
                # If some values are unknown, it is not certain that nothing is configured.
                reason = "ValidationFailed" if given.unknown or given.unknown_root else verdict.reason
                for fault in filter(given.is_certain, verdict.faults):
                    self._fault(reason, fault, description, given)

    def shape(self, verdict: Verdict, given: GivenConfig, description: Description) -> None:
        """Add, from a verdict on stand-ins, only the faults about values not allowed at their paths."""
        if verdict.reason == "ConfigNotAccepted":
            self._not_accepted()
        for fault in verdict.faults:
            if verdict.reason == "ValidationFailed" and given.is_about_unknown(fault):
                self._fault(verdict.reason, fault, description, given)

    def _not_accepted(self) -> None:
        field = "config" if self.spec.config else "configFrom"
        finding = (
            ("spec", field),
            "ConfigNotAccepted",
            f"the plugin takes no configuration; remove spec.{field}",
        )
        if not any(each.rule == "ConfigNotAccepted" for each in self.checked.findings):
            self.add(*finding)

    def _fault(self, reason: str, fault: ConfigFault, description: Description, given: GivenConfig) -> None:
        explained = explain(fault, self.spec, description.config_schema, given.hidden)
        rule = reason if reason in ("ConfigRequired", "PlaintextSecret") else f"{reason}/{fault.type}"
        if explained.part == ("spec", "config"):
            message = f"{explained.alone}; {explained.mend}"
            steps = _steps(self.spec.config, explained.keys)
            self.add(steps, rule, message, shown=dotted(("spec", "config", *explained.keys)))
        else:
            about = explained.said_of(explained.field) if explained.keys else explained.alone
            self.add(explained.part, rule, f"{about}; {explained.mend}")


def _is_within(field: str, others: Iterable[str]) -> bool:
    return any(f"{field}.".startswith(f"{other}.") for other in others)


def _steps(config: Any, keys: Sequence[str]) -> list[str | int]:
    """Return the path into the manifest, with an index for each step into a list."""
    steps: list[str | int] = ["spec", "config"]
    for key in keys:
        step: str | int = int(key) if isinstance(config, list) and key.isdecimal() else key
        steps.append(step)
        try:
            config = config[step]
        except (KeyError, IndexError, TypeError):
            config = None
    return steps


def _not_installed(plugin: PluginId, found: Mapping[PluginId, Any]) -> str:
    names = {str(each.name): each for each in found if each.plugin_type is plugin.plugin_type}
    meant = get_close_matches(plugin.name, names, n=1)
    if meant:
        return f"{plugin.slug} is not installed; did you mean {meant[0]}?"
    others = "name its environment with --plugin-python, or pass --allow-missing-plugins"
    return f"{plugin.slug} is not installed; install its distribution, {others}"
