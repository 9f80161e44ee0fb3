"""The commands of `floe-operator` that need no cluster, in an environment with real plugins."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from floe_core.plugin_types import PluginType
from tests.support.distributions import Distribution, Environment, members_source, plugin_distribution

MARK = "hunter2-hunter2"
KEYCLOAK = """
realm: str
client_secret: SecretStr
pool: Pool = Pool()
pools: list[Pool] = []
hosts: list[str] = []
"""
BEFORE = """
from pydantic import ConfigDict, model_validator

class Pool(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int = 5
    password: SecretStr | None = None
    name: str = ""

    @model_validator(mode="after")
    def named(self):
        if self.password is not None and not self.name or self.name == "refused":
            raise ValueError(f"{self.password} {self.name}")
        return self
"""
ODD = f"""
from floe_core import PluginMetadata
class Plugin(PluginMetadata):
    name, version, floe_api_version = "strange", "0.0.9", "1.0"
    {members_source(PluginType.DBT)}
    async def startup(self): ...
"""
STRICT = 'model_config = {"extra": "forbid"}\npath: str = ""\nthreads: int = 1\n'


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    created = Environment.create(tmp_path_factory.mktemp("plugins") / "venv")
    created.install(
        plugin_distribution("keycloak", PluginType.IDENTITY, before=BEFORE, config=KEYCLOAK),
        plugin_distribution("duckdb", PluginType.COMPUTE, version="1.2.3", config=STRICT),
        plugin_distribution("plain", PluginType.DBT),
        plugin_distribution("odd", PluginType.DBT, source=ODD),
        plugin_distribution("future", PluginType.DBT, api_version="2.0"),
        plugin_distribution("broken", PluginType.STORAGE, source="import nothing_of_this_name\n"),
        plugin_distribution("twice", PluginType.CATALOG, distribution="floe-catalog-one"),
        plugin_distribution("twice", PluginType.CATALOG, distribution="floe-catalog-two"),
        plugin_distribution("x" * 64, PluginType.SECRETS, distribution="floe-secrets-long"),
        Distribution("damaged", entry_points={"floe.computes": {"hidden": "hidden:Plugin"}}),
        Distribution("floe-typo", entry_points={"floe.compute": {"hidden": "hidden:Plugin"}}),
    )
    # pip would refuse to install this, but a disk or an editor can damage it later.
    (created.site_packages / "damaged-0.1.0.dist-info" / "entry_points.txt").write_bytes(b"\xff\xfe[x]\n")
    return created


def run_cli(
    environment: Environment, folder: Path, *arguments: str, stdin: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("FLOE_", "KUBE"))}
    return subprocess.run(
        [sys.executable, "-m", "floe_operator", *arguments],
        env={**own, "FLOE_PLUGIN_PYTHON": str(environment.python), **variables},
        cwd=folder,
        input=stdin,
        text=True,
        capture_output=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def cli(environment: Environment, tmp_path: Path) -> Any:
    """Return a function that runs `floe-operator` in the test's folder."""
    return functools.partial(run_cli, environment, tmp_path)


def manifest(plugin: str, spec: str = "", **metadata: str) -> str:
    type_, _, name = plugin.partition("/")
    more = "".join(f", {key}: {value}" for key, value in metadata.items())
    inside = f"type: {type_}, name: {name}{', ' + spec if spec else ''}"
    head = "---\napiVersion: floe.dev/v1alpha1\nkind: FloePlugin\n"
    return f"{head}metadata: {{name: {type_}-{name}{more}}}\nspec: {{{inside}}}\n"


FROM_SECRET = "secretKeyRef: {name: keycloak, key: client-secret}"
CLIENT_SECRET = f"configFrom: [{{{FROM_SECRET}, path: client_secret}}]"


GOOD = {
    "a complete configuration with its secret in a Secret": manifest(
        "identity/keycloak", f"config: {{realm: floe}}, {CLIENT_SECRET}"
    ),
    "a mapping from a Secret that may contain all missing fields": manifest(
        "identity/keycloak", f"configFrom: [{{{FROM_SECRET}}}]"
    ),
    "a mapping with its own rule that gets a value from a Secret": manifest(
        "identity/keycloak",
        f"config: {{realm: floe, pool: {{}}}}, configFrom: [{{{FROM_SECRET}, path: client_secret}}, "
        f"{{{FROM_SECRET}, path: pool.password}}, {{{FROM_SECRET}, path: pool.name}}]",
    ),
    "a number from a Secret": manifest("compute/duckdb", f"configFrom: [{{{FROM_SECRET}, path: threads}}]"),
    "a version within its range": manifest("compute/duckdb", "version: '>=1.2,<2'"),
    "no configuration, and none needed": manifest("dbt/plain"),
    "a ConfigMap among the files": manifest(
        "compute/duckdb", "configFrom: [{configMapKeyRef: {name: a, key: b}}]"
    )
    + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {b: 'threads: 4'}\n",
    "a Secret among the files, which is ignored": manifest(
        "identity/keycloak", f"config: {{realm: floe}}, {CLIENT_SECRET}"
    )
    + f"---\napiVersion: v1\nkind: Secret\nmetadata: {{name: keycloak}}\nstringData: {{other: {MARK}}}\n",
    "the same plugin in two namespaces": manifest("dbt/plain", namespace="a")
    + manifest("dbt/plain", namespace="b"),
}
BAD = {
    "a missing field": (
        manifest("identity/keycloak", CLIENT_SECRET),
        [("spec.config.realm", "ValidationFailed/missing")],
    ),
    "no configuration although fields are required": (
        manifest("identity/keycloak"),
        [("spec.config.realm", "ConfigRequired"), ("spec.config.client_secret", "ConfigRequired")],
    ),
    "a plaintext secret and the next fault in the same run": (
        manifest("identity/keycloak", f"config: {{client_secret: {MARK}, realm: [{MARK}]}}"),
        [
            ("spec.config.client_secret", "PlaintextSecret"),
            ("spec.config.realm", "ValidationFailed/string_type"),
        ],
    ),
    "a plaintext secret beside its reference": (
        manifest("identity/keycloak", f"config: {{realm: a, client_secret: {MARK}}}, {CLIENT_SECRET}"),
        [("spec.config.client_secret", "PlaintextSecret")],
    ),
    "a secret from a ConfigMap that is not among the files": (
        manifest(
            "identity/keycloak",
            "config: {realm: a}, configFrom: [{configMapKeyRef: {name: a, key: b}, path: client_secret}]",
        ),
        [("spec.configFrom[0]", "PlaintextSecret")],
    ),
    "a validator that quotes its input": (
        manifest("identity/keycloak", f"config: {{realm: a, pool: {{name: refused}}}}, {CLIENT_SECRET}"),
        [("spec.config.pool", "ValidationFailed/value_error")],
    ),
    "a wrong item in a list": (
        manifest("identity/keycloak", f"config: {{realm: a, hosts: [a, {{b: {MARK}}}]}}, {CLIENT_SECRET}"),
        [("spec.config.hosts.1", "ValidationFailed/string_type")],
    ),
    "a field that the plugin does not have": (
        manifest("compute/duckdb", "config: {thread: 1}"),
        [("spec.config.thread", "ValidationFailed/extra_forbidden")],
    ),
    "a path to a field that does not exist": (
        manifest("compute/duckdb", f"configFrom: [{{{FROM_SECRET}, path: treads}}]"),
        [("spec.configFrom[0]", "ValidationFailed/extra_forbidden")],
    ),
    "a wrong value in a ConfigMap among the files": (
        manifest("compute/duckdb", "configFrom: [{configMapKeyRef: {name: a, key: b}}]")
        + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {b: 'threads: many'}\n",
        [("spec.configFrom[0]", "ValidationFailed/int_parsing")],
    ),
    "a ConfigMap among the files without the key": (
        manifest("compute/duckdb", "configFrom: [{configMapKeyRef: {name: a, key: b}}]")
        + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {c: ''}\n",
        [("spec.configFrom[0]", "ConfigMapKeyMissing")],
    ),
    "configuration for a plugin that takes none": (
        manifest("dbt/plain", "config: {a: 1}"),
        [("spec.config", "ConfigNotAccepted")],
    ),
    "a Secret for a plugin that takes no configuration": (
        manifest("dbt/plain", CLIENT_SECRET),
        [("spec.configFrom", "ConfigNotAccepted")],
    ),
    "a version outside its range": (
        manifest("compute/duckdb", "version: '<1'"),
        [("spec.version", "OutsideVersionRange")],
    ),
    "an invalid version range": (
        manifest("compute/duckdb", "version: latest"),
        [("spec.version", "InvalidVersionRange")],
    ),
    "a plugin for another plugin API version": (manifest("dbt/future"), [("spec.name", "IncompatibleApi")]),
    "a plugin that cannot be imported": (manifest("storage/broken"), [("spec.name", "ImportFailed")]),
    "a plugin that two distributions claim": (
        manifest("catalog/twice"),
        [("spec.name", "DuplicateEntryPoint")],
    ),
    "a plugin that is not installed": (manifest("compute/duckdc"), [("spec.name", "NotInstalled")]),
    "the same object twice": (
        manifest("dbt/plain") + manifest("dbt/plain"),
        [("metadata.name", "DuplicateObject")],
    ),
    "a manifest that the API server refuses": (
        manifest("dbt/plain", "configs: {}"),
        [("spec.configs", "UnknownField")],
    ),
}


@pytest.fixture(scope="module")
def judged(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the findings on each manifest, from one run in which each has its own file and namespace."""
    folder = tmp_path_factory.mktemp("manifests")
    texts = {**GOOD, **{what: row[0] for what, row in BAD.items()}}
    for number, text in enumerate(texts.values()):
        objects = list(filter(None, yaml.safe_load_all(text)))
        for each in objects:
            each["metadata"].setdefault("namespace", f"n{number}")
        (folder / f"{number}.yaml").write_text(yaml.safe_dump_all(objects))
    outcome = run_cli(environment, folder, "validate", "-f", ".", "--output", "json")
    assert outcome.returncode == 1, outcome.stderr
    assert MARK not in outcome.stdout + outcome.stderr
    found: dict[str, Any] = {what: [] for what in texts}
    for finding in json.loads(outcome.stdout)["findings"]:
        what = list(texts)[int(finding["file"].removesuffix(".yaml"))]
        found[what].append((finding["path"], finding["rule"]))
    return found


@pytest.mark.parametrize("what", GOOD)
def test_a_good_manifest_has_no_findings(what: str, judged: dict[str, Any]) -> None:
    assert judged[what] == []


@pytest.mark.parametrize("what", BAD)
def test_a_bad_manifest_has_its_findings(what: str, judged: dict[str, Any]) -> None:
    assert sorted(judged[what]) == sorted(BAD[what][1])


def test_validate_exits_with_0_if_there_are_no_findings(cli: Any) -> None:
    outcome = cli("validate", "-f", "-", "--output", "json", stdin=manifest("dbt/plain"))
    assert outcome.returncode == 0, outcome.stderr
    assert json.loads(outcome.stdout)["valid"] is True


def test_every_finding_names_file_document_line_path_rule_and_fix(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "a.yaml").write_text(
        manifest("dbt/plain")
        + "---\napiVersion: floe.dev/v1alpha1\nkind: FloePlugin\nmetadata:\n  name: compute-duckdb\n"
        "spec:\n  type: compute\n  name: duckdb\n  config:\n    thread: 1\n"
    )
    outcome = cli("validate", "--filename", "apps")
    assert outcome.returncode == 1
    assert outcome.stdout == (
        "apps/a.yaml:15: document 2, compute-duckdb: spec.config.thread: it is not a field of the plugin's "
        "schema; did you mean threads? [ValidationFailed/extra_forbidden]\n"
    )
    assert outcome.stderr.splitlines()[-1] == "2 FloePlugins in 1 file: 1 finding"


def test_github_output_annotates_the_line(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(manifest("dbt/missing"))
    outcome = cli("validate", "-f", "a.yaml", "--output", "github")
    assert outcome.stdout.startswith("::error file=a.yaml,line=5,title=NotInstalled::document 1, dbt-missing")


def test_several_files_may_follow_one_flag_or_several(cli: Any, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.yaml").write_text(manifest("dbt/plain", namespace=name))
    for arguments in (
        ("-f", "a.yaml", "b.yaml", "-f", "c.yaml"),
        ("-f", "a.yaml,b.yaml", "--filename", "c.yaml"),
    ):
        outcome = cli("validate", *arguments)
        assert (outcome.returncode, outcome.stdout) == (0, "")
        assert "3 FloePlugins in 3 files: no findings" in outcome.stderr


def test_a_flag_allows_plugins_that_are_not_installed(cli: Any) -> None:
    text = manifest("compute/other") + manifest("dbt/another", "version: latest")
    outcome = cli("validate", "-f", "-", "--allow-missing-plugins", "--output", "json", stdin=text)
    assert outcome.returncode == 1
    found = [(finding["path"], finding["rule"]) for finding in json.loads(outcome.stdout)["findings"]]
    assert found == [("spec.version", "InvalidVersionRange")]


def test_the_finding_on_a_missing_plugin_names_the_flags_that_help(cli: Any) -> None:
    said = cli("validate", "-f", "-", stdin=manifest("compute/other")).stdout
    assert "--plugin-python" in said
    assert "--allow-missing-plugins" in said


@pytest.fixture(scope="module")
def without_plugins(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return interpreters without plugins, by what they lack."""
    folder = tmp_path_factory.mktemp("without")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "bare"], check=True)
    # PYTHONPATH could lead to this repository's floe_core.
    alone = folder / "python"
    alone.write_text(f'#!/bin/sh\nunset PYTHONPATH\nexec "{folder}/bare/bin/python" "$@"\n')
    alone.chmod(0o755)
    return {"plugins": Environment.create(folder / "empty").python, "floe-core": alone}


@pytest.mark.parametrize("lacking", ["plugins", "floe-core"])
def test_an_environment_without_plugins_is_one_error_and_not_a_finding_for_each_manifest(
    lacking: str, without_plugins: dict[str, Path], cli: Any
) -> None:
    python = str(without_plugins[lacking])
    text = manifest("compute/other") + manifest("dbt/another")
    outcome = cli("validate", "-f", "-", stdin=text, FLOE_PLUGIN_PYTHON=python)
    assert (outcome.returncode, outcome.stdout) == (2, "")
    (said,) = outcome.stderr.splitlines()
    assert said.startswith("floe-operator validate: ")
    assert python in said
    assert said.endswith("; or pass --allow-missing-plugins to check only what the API server would")


@pytest.mark.parametrize("lacking", ["plugins", "floe-core"])
def test_an_environment_without_plugins_can_be_allowed(
    lacking: str, without_plugins: dict[str, Path], cli: Any
) -> None:
    python = str(without_plugins[lacking])
    for more, code in (("", 0), ("version: latest", 1), ("unknown: 1", 1)):
        text = manifest("compute/other", more)
        outcome = cli("validate", "-f", "-", "--allow-missing-plugins", stdin=text, FLOE_PLUGIN_PYTHON=python)
        assert outcome.returncode == code, outcome.stderr
        assert ("needs floe-core" in outcome.stderr) is (lacking == "floe-core" and "unknown" not in more)


def test_an_interpreter_that_is_not_there_is_an_error_whatever_is_allowed(cli: Any) -> None:
    arguments = ("validate", "-f", "-", "--allow-missing-plugins", "--plugin-python", "/nothing/python")
    outcome = cli(*arguments, stdin=manifest("dbt/plain"))
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert "/nothing/python does not exist" in outcome.stderr


@pytest.mark.parametrize(
    "data", ["{b: 'threads: 0x" + "f" * 4000 + "'}", "{b: 'threads: " + "1" * 5000 + "'}"], ids=["hex", "dec"]
)
def test_a_number_with_too_many_digits_is_a_finding(data: str, cli: Any) -> None:
    config_map = f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {data}\n"
    text = manifest("compute/duckdb", "configFrom: [{configMapKeyRef: {name: a, key: b}}]") + config_map
    outcome = cli("validate", "-f", "-", "--output", "json", stdin=text)
    assert outcome.returncode == 1, outcome.stderr
    (finding,) = json.loads(outcome.stdout)["findings"]
    assert (finding["path"], finding["rule"].split("/")[0]) == ("spec.configFrom[0]", "ValidationFailed")
    assert "Traceback" not in outcome.stderr


def test_an_unknown_field_from_a_config_map_gets_a_suggestion(cli: Any) -> None:
    config_map = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {b: 'treads: 4'}\n"
    text = manifest("compute/duckdb", "configFrom: [{configMapKeyRef: {name: a, key: b}}]") + config_map
    said = cli("validate", "-f", "-", stdin=text).stdout
    assert "spec.configFrom[0]: treads is not a field of the plugin's schema; did you mean threads?" in said


def test_a_source_without_effect_is_a_warning_and_no_finding(cli: Any) -> None:
    text = manifest("compute/duckdb", f"config: {{path: a}}, configFrom: [{{{FROM_SECRET}, path: path}}]")
    outcome = cli("validate", "-f", "-", stdin=text)
    assert (outcome.returncode, outcome.stdout) == (0, "")
    assert (
        "warning: <stdin>:5: document 1, compute-duckdb: "
        "spec.configFrom[0] has no effect: spec.config.path replaces it\n"
    ) in outcome.stderr
    answer = json.loads(cli("validate", "-f", "-", "-o", "json", stdin=text).stdout)
    assert (answer["valid"], [each["rule"] for each in answer["warnings"]]) == (True, ["HasNoEffect"])
    annotations = cli("validate", "-f", "-", "-o", "github", stdin=text).stdout
    assert annotations.startswith("::warning file=<stdin>,line=5,title=HasNoEffect::")


def test_a_secret_for_a_field_that_the_items_of_a_list_do_not_have_is_found(cli: Any) -> None:
    text = manifest(
        "identity/keycloak",
        f"config: {{realm: a, pools: [{{size: 1}}]}}, configFrom: [{{{FROM_SECRET}, path: client_secret}}, "
        f"{{{FROM_SECRET}, path: 'pools[0].pasword'}}, {{{FROM_SECRET}, path: 'pools[1].name'}}]",
    )
    said = cli("validate", "-f", "-", stdin=text).stdout
    assert "spec.configFrom[2]: path pools[1].name needs 2 items at pools, which has 1; " in said
    said = cli("validate", "-f", "-", stdin=text.replace("pools[1]", "pools[0]")).stdout
    assert (
        "spec.configFrom[1]: pools.0.pasword is not a field of the plugin's schema; did you mean password?"
    ) in said
    assert said.count("\n") == 1


def test_a_folder_without_floe_plugins_is_valid_and_reported(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: Other\n")
    outcome = cli("validate", "-f", ".")
    assert outcome.returncode == 0
    assert "there is no FloePlugin" in outcome.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["validate"], "--filename, -f is required: files, folders"),
        (["validate", "-f", "nothing.yaml"], "nothing.yaml does not exist"),
        (
            ["validate", "-f", "."],
            ". has no manifests: no *.yaml, *.yml or *.json that is not hidden; is this",
        ),
        (
            ["validate", "a.yaml", "b.yaml"],
            "unrecognized arguments: a.yaml b.yaml; name files and folders with -f: -f a.yaml b.yaml",
        ),
        (
            ["validate", "--output", "json", "a.yaml", "-f", "b.yaml"],
            "; name files and folders with -f: -f a.yaml",
        ),
        (["validate", "-f", "-", "--strict"], "--strict; floe-operator validate --help shows the flags"),
        (["validate", "-f", "-", "--plugin_pyton", "x"], "--plugin_pyton x; did you mean --plugin-python?"),
        (
            ["list", "compute"],
            "floe-operator list: unrecognized arguments: compute; floe-operator list --help",
        ),
        (["validate", "-f", "-", "--output", "yaml"], "must be 'text', 'json' or 'github'"),
        (["validate", "-f", "-", "--plugin-python", "/nothing/python"], "/nothing/python does not exist"),
        (["list", "--plugin-python", "/nothing/python"], "/nothing/python does not exist"),
        (["schema"], "give TYPE and NAME"),
        (["schema", "identity"], "give TYPE and NAME"),
        (["schema", "idenity", "keycloak"], "did you mean identity?"),
        (["schema", "nonsense", "keycloak"], "the types are compute, orchestrator"),
        (["schema", "--all"], "--all needs --dir"),
        (["schema", "dbt", "plain", "--all"], "either TYPE and NAME, or --all"),
        (["schema", "dbt", "plain", "--dir", "x"], "--dir works only with --all"),
        ([], "validate "),
        (["lst"], "invalid choice: 'lst'"),
    ],
)
def test_a_wrong_call_exits_with_2_and_says_what_is_wrong(arguments: list[str], said: str, cli: Any) -> None:
    outcome = cli(*arguments, stdin=manifest("dbt/plain"))
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert said in " ".join(outcome.stderr.split())


def test_empty_standard_input_is_an_error_because_a_pipe_hides_those_before_it(cli: Any) -> None:
    outcome = cli("validate", "-f", "-", stdin="\n")
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert "standard input is empty; did the command before it fail?" in outcome.stderr


def test_a_wrong_flag_of_a_command_does_not_print_the_help_of_all(cli: Any) -> None:
    assert len(cli("validate", "a.yaml").stderr.splitlines()) == 1


def test_without_a_command_every_command_is_shown(cli: Any) -> None:
    shown = cli().stderr
    assert all(f"    {command} " in shown for command in ("run", "list", "validate", "schema"))


def test_list_shows_every_plugin_and_what_is_wrong_with_it(cli: Any) -> None:
    outcome = cli("list", "--output", "json")
    assert outcome.returncode == 0
    rows = {(row["type"], row["name"]): row for row in json.loads(outcome.stdout)}
    assert {key: row["status"] for key, row in rows.items()} == {
        ("catalog", "twice"): "DuplicateEntryPoint",
        ("compute", "duckdb"): "Loaded",
        ("dbt", "future"): "IncompatibleApi",
        ("dbt", "odd"): "Loaded",
        ("dbt", "plain"): "Loaded",
        ("identity", "keycloak"): "Loaded",
        ("secrets", "x" * 64): "Unnameable",
        ("storage", "broken"): "ImportFailed",
    }
    assert "nothing_of_this_name" in rows["storage", "broken"]["message"]
    assert rows["dbt", "odd"]["message"] == (
        'it calls itself "strange", but the name of its entry point is used; it declares version "0.0.9", '
        "but floe-dbt-odd 0.1.0 is installed: its author must make the two equal; it inherits from "
        "PluginMetadata, not from DBTPlugin, but has all its members: derive it from DBTPlugin; its "
        "startup() is async, but nobody awaits it: define it without async"
    )
    assert rows["dbt", "plain"]["message"] == ""
    duckdb = rows["compute", "duckdb"]
    assert (duckdb["version"], duckdb["api"], duckdb["distribution"]) == (
        "1.2.3",
        "1.0",
        "floe-compute-duckdb 1.2.3",
    )


def test_list_shows_long_messages_in_full(cli: Any) -> None:
    rows = json.loads(cli("list", "--output", "json").stdout)
    shown = cli("list").stdout.splitlines()
    messages = [" ".join(row["message"].split()) for row in rows if row["message"]]
    assert max(map(len, messages)) > 100
    assert all(any(line.endswith(message) for line in shown) for message in messages)


def test_the_flags_of_a_command_have_no_environment_variables(cli: Any) -> None:
    outcome = cli("list", FLOE_OUTPUT="github", FLOE_ALL="x", FLOE_FILENAME="a", FLOE_DIR="b")
    assert (outcome.returncode, outcome.stdout.startswith("TYPE ")) == (0, True)


def test_list_warns_of_what_it_could_not_read(cli: Any) -> None:
    outcome = cli("list")
    assert outcome.stdout.startswith("TYPE ")
    assert "warning: " in outcome.stderr
    assert "damaged" in outcome.stderr
    assert "warning: floe-typo 0.1.0 declares entry points in the group [floe.compute], " in outcome.stderr
    assert "if [floe.computes] is meant" in outcome.stderr


def test_what_breaks_the_crds_rules_is_reported_although_there_is_no_plugin(tmp_path: Path, cli: Any) -> None:
    empty = Environment.create(tmp_path / "empty")
    text = manifest("compute/duckdb", "config: {}") + manifest("dbt/core", "probe: {periodSeconds: 0}")
    outcome = cli("validate", "-f", "-", stdin=text, FLOE_PLUGIN_PYTHON=str(empty.python))
    assert outcome.returncode == 2
    assert outcome.stdout == (
        "<stdin>:10: document 2, dbt-core: spec.probe.periodSeconds: it must be at least 1 "
        "[FieldValueInvalid]\n"
    )
    assert outcome.stderr.count("No plugins are installed") == 1


def test_list_reports_an_environment_without_plugins(tmp_path: Path, cli: Any) -> None:
    empty = Environment.create(tmp_path / "empty")
    outcome = cli("list", FLOE_PLUGIN_PYTHON=str(empty.python))
    assert (outcome.returncode, outcome.stdout) == (0, "")
    assert f"No plugins are installed in the environment of {empty.python}" in outcome.stderr
    assert "--plugin-python" in outcome.stderr


@pytest.mark.parametrize(
    "arguments", [("compute", "duckdb"), ("--all", "--dir", "schemas")], ids=["one", "all"]
)
def test_schema_names_the_flag_that_helps_if_no_plugin_is_installed(
    arguments: tuple[str, ...], tmp_path: Path, cli: Any
) -> None:
    empty = Environment.create(tmp_path / "empty")
    outcome = cli("schema", *arguments, FLOE_PLUGIN_PYTHON=str(empty.python))
    assert outcome.returncode == 1
    assert f"No plugins are installed in the environment of {empty.python}" in outcome.stderr
    assert "--plugin-python" in outcome.stderr


def test_schema_prints_the_document_schema_of_one_plugin(cli: Any) -> None:
    outcome = cli("schema", "identity", "KeyCloak")
    assert outcome.returncode == 0
    schema = json.loads(outcome.stdout)
    Draft7Validator.check_schema(schema)
    properties = schema["properties"]["spec"]["properties"]["config"]["properties"]
    assert properties.keys() == {"realm", "client_secret", "pool", "pools", "hosts"}


def test_schemas_are_the_same_in_each_run(cli: Any) -> None:
    first, *others = (cli("schema", "identity", "keycloak", PYTHONHASHSEED=seed).stdout for seed in "123")
    assert others == [first, first]


@pytest.mark.parametrize(
    ("plugin", "said"),
    [
        (("identity", "xyz"), "the installed plugins are compute/duckdb"),
        (("Identity", "keyclok"), "did you mean identity/keycloak?"),
        (("identity", "keyclok"), "did you mean identity/keycloak?"),
        (("compute", "keycloak"), "did you mean identity/keycloak?"),
        (("storage", "broken"), "storage/broken has no schema: Cannot load storage/broken: importing"),
        (("catalog", "twice"), "catalog/twice has no schema: claimed by floe-catalog-one"),
        (("secrets", "x" * 64), f"secrets/{'x' * 64} has no schema: no object can have this name"),
    ],
)
def test_schema_of_an_unknown_or_broken_plugin_exits_with_1(
    plugin: tuple[str, str], said: str, cli: Any
) -> None:
    outcome = cli("schema", *plugin)
    assert (outcome.returncode, outcome.stdout) == (1, "")
    assert said in outcome.stderr


def test_schema_writes_one_file_for_the_kind_and_one_for_each_plugin(cli: Any, tmp_path: Path) -> None:
    outcome = cli("schema", "--all", "--dir", "schemas")
    assert outcome.returncode == 1
    folder = tmp_path / "schemas" / "floe.dev"
    assert {path.name for path in folder.iterdir()} == {
        "floeplugin_v1alpha1.json",
        "compute-duckdb.json",
        "dbt-future.json",
        "dbt-odd.json",
        "dbt-plain.json",
        "identity-keycloak.json",
    }
    assert outcome.stderr.count("has no schema") == 2
    assert "storage/broken has no schema" in outcome.stderr
    assert "catalog/twice has no schema" in outcome.stderr
    for path in folder.iterdir():
        Draft7Validator.check_schema(json.loads(path.read_text()))
