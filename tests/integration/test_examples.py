"""The example plugins, installed by pip into their own environment, and the example manifests."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import locked

REPOSITORY = Path(__file__).resolve().parents[2]
PLUGINS = sorted((REPOSITORY / "examples" / "plugins").iterdir())
MANIFESTS = sorted((REPOSITORY / "examples" / "manifests").glob("*.yaml"))

# What `get()` returns or raises for each before anything is configured.
UNCONFIGURED = {
    "CATALOG:iceberg": "IcebergCatalogPlugin",
    "COMPUTE:duckdb": "DuckDBComputePlugin",
    "COMPUTE:future": "PluginIncompatibleError",
    "IDENTITY:jwt": "ConfigurationRequiredError",
    "STORAGE:local": "LocalStoragePlugin",
    "STORAGE:s3": "ConfigurationRequiredError",
    "TELEMETRY_BACKEND:broken": "PluginImportError",
}

# What each does once it is configured and started; `config`, `registry` and `folder` are available.
AT_WORK = {
    "COMPUTE:duckdb": """
        from floe_core.plugins import ComputeConfig
        config("COMPUTE:duckdb", path=f"{folder}/db", threads=2, memory_limit="512MB")
        plugin = started("COMPUTE:duckdb")
        assert plugin.generate_dbt_profile(ComputeConfig())["threads"] == 2
        assert plugin.validate_connection(ComputeConfig()).success
        refused = plugin.validate_connection(ComputeConfig(database=f"{folder}/missing/db"))
        assert not refused.success and "missing" in refused.message
    """,
    "STORAGE:local": """
        config("STORAGE:local", root=f"{folder}/warehouse")
        plugin = started("STORAGE:local")
        location = plugin.get_warehouse_uri("sales") + "/orders.csv"
        files = plugin.get_pyiceberg_fileio()
        with files.new_output(location).create() as output:
            output.write(b"1;2")
        with files.new_input(location).open() as source:
            assert source.read() == b"1;2"
        files.delete(location)
        assert not files.new_input(location).exists()
    """,
    "CATALOG:iceberg": """
        from pyiceberg.schema import Schema
        from pyiceberg.types import LongType, NestedField
        config("STORAGE:local", root=f"{folder}/warehouse")
        config("CATALOG:iceberg", database=f"{folder}/catalog.db", warehouse=f"file://{folder}/warehouse")
        outcome = registry.activate_all()
        assert list(outcome).index("STORAGE:local") < list(outcome).index("CATALOG:iceberg"), outcome
        plugin = started("CATALOG:iceberg")
        plugin.create_namespace("sales", {"owner": "ada"})
        catalog = plugin.connect({})
        assert catalog.list_namespaces() == [("sales",)] and catalog.list_tables("sales") == []
        schema = Schema(NestedField(1, "id", LongType(), required=True))
        catalog._catalog.create_table("sales.orders", schema)
        assert catalog.list_tables("sales") == ["sales.orders"]
        assert catalog.load_table("sales.orders").location().startswith(f"file://{folder}/warehouse")
    """,
    "IDENTITY:jwt": """
        clients = {"etl": "pass-word"}
        config("IDENTITY:jwt", issuer="https://floe.example", signing_key="k" * 32, clients=clients)
        plugin = started("IDENTITY:jwt")
        token = plugin.authenticate({"client_id": "etl", "client_secret": "pass-word"})
        result = plugin.validate_token(token)
        assert result.valid and result.user_info.subject == "etl" and result.expires_at
        assert plugin.authenticate({"client_id": "etl", "client_secret": "guess"}) is None
        assert plugin.authenticate({}) is None
        forged = plugin.validate_token(token[:-4] + "AAAA")
        assert not forged.valid and forged.error and plugin.get_user_info("nonsense") is None
    """,
    "STORAGE:s3": """
        import threading
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
        objects = {"/floe-warehouse": b""}

        class S3(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            def answer(self, status, content=b""):
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)
            def do_GET(self):
                path = self.path.partition("?")[0]
                self.answer(200, objects[path]) if path in objects else self.answer(404)
            do_HEAD = do_GET
            def do_PUT(self):
                content = self.rfile.read(int(self.headers["Content-Length"]))
                assert "aws-chunked" not in self.headers.get("Content-Encoding", "")
                objects[self.path.partition("?")[0]] = content
                self.answer(200)
            def do_DELETE(self):
                objects.pop(self.path.partition("?")[0], None)
                self.answer(204)
            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), S3)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        config(
            "STORAGE:s3", bucket="floe-warehouse", prefix="data", access_key_id="demo-access",
            secret_access_key="demo-secret", endpoint_url=f"http://127.0.0.1:{server.server_port}",
        )
        plugin = started("STORAGE:s3")
        location = plugin.get_warehouse_uri("sales") + "/orders.csv"
        assert location == "s3://floe-warehouse/data/sales/orders.csv"
        files = plugin.get_pyiceberg_fileio()
        with files.new_output(location).create() as output:
            output.write(b"1;2")
        assert files.new_input(location).open().read() == b"1;2" and len(files.new_input(location)) == 3
        files.delete(location)
        assert not files.new_input(location).exists()
    """,
}

WORKBENCH = """
    import sys
    from floe_core import HealthState, PluginType, get_registry

    folder = sys.argv[1]
    registry = get_registry()

    def config(key, **values):
        kind, name = key.split(":")
        registry.configure(PluginType[kind], name, values)

    def started(key):
        kind, name = key.split(":")
        registry.activate_plugin(PluginType[kind], name)
        health = registry.health_check_all()[key]
        assert health.state is HealthState.HEALTHY, health
        return registry.get(PluginType[kind], name)
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an environment with floe_core and all examples, as a user installs them."""
    folder = tmp_path_factory.mktemp("examples") / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    interpreter = folder / "bin" / "python"
    locked.install(interpreter, "plugins", REPOSITORY, *PLUGINS)
    return interpreter


def run(python: Path, code: str, *arguments: str) -> str:
    command = [str(python), "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_examples_can_be_installed_together(python: Path) -> None:
    locked.pip("--python", str(python), "check")


def test_the_registry_knows_each_example_and_what_is_wrong_with_it(python: Path) -> None:
    code = """
        import json
        from floe_core import PluginError, get_registry

        found = {}
        registry = get_registry()
        for kind, names in registry.list_all().items():
            for name in names:
                try:
                    found[f"{kind.name}:{name}"] = type(registry.get(kind, name)).__name__
                except PluginError as error:
                    found[f"{kind.name}:{name}"] = type(error).__name__
        print("FOUND", json.dumps(found))
    """

    answer = run(python, textwrap.dedent(code))

    assert json.loads(answer.rpartition("FOUND ")[2]) == UNCONFIGURED


@pytest.mark.parametrize("plugin", AT_WORK)
def test_an_example_does_its_work_once_it_is_configured(plugin: str, python: Path, tmp_path: Path) -> None:
    steps = [
        WORKBENCH,
        AT_WORK[plugin],
        "faults = registry.shutdown_all()\nassert not any(faults.values()), faults",
    ]

    run(python, "\n".join(map(textwrap.dedent, steps)), str(tmp_path))


def test_the_manifests_configure_all_examples_except_one_that_is_wrong_on_purpose(python: Path) -> None:
    configs = {f"{spec['type']}:{spec['name']}": resolve(spec) for spec in floe_plugins()}
    code = """
        import json, sys
        from floe_core import PluginConfigurationError, PluginType, get_registry

        verdicts = {}
        for key, config in json.loads(sys.argv[1]).items():
            kind, name = key.split(":")
            try:
                get_registry().configure(PluginType.from_slug(kind), name, config)
                verdicts[key] = []
            except PluginConfigurationError as error:
                verdicts[key] = sorted([fault["field"], fault["type"]] for fault in error.errors)
        print("VERDICTS", json.dumps(verdicts))
    """

    answer = run(python, textwrap.dedent(code), json.dumps(configs))

    wrong = [["bucket", "missing"], ["buckett", "extra_forbidden"], ["max_attempts", "int_parsing"]]
    good: dict[str, list[list[str]]] = {
        key: [] for key in ("catalog:iceberg", "compute:duckdb", "identity:jwt", "storage:local")
    }
    assert json.loads(answer.rpartition("VERDICTS ")[2]) == {**good, "storage:s3": wrong}


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_a_manifest_file_has_one_object_and_is_named_after_it(path: Path) -> None:
    [manifest] = yaml.safe_load_all(path.read_text())

    if manifest["kind"] == "FloePlugin":
        spec = manifest["spec"]
        assert path.stem == manifest["metadata"]["name"] == f"{spec['type']}-{spec['name']}"


def test_the_examples_pass_strict_type_checks_except_the_broken_one(python: Path, tmp_path: Path) -> None:
    for plugin in PLUGINS:  # away from the settings and the modules of this repository
        [module] = plugin.glob("*.py")
        (tmp_path / module.name).write_text(module.read_text())
    options = [
        "--strict",
        f"--python-executable={python}",
        "--config-file=",
        "--disable-error-code=import-untyped",
    ]
    command = [sys.executable, "-m", "mypy", *options, "--no-error-summary", "."]

    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)

    [error] = [line for line in checked.stdout.splitlines() if ": error: " in line]
    assert error.startswith("floe_telemetry_broken.py:")
    assert "floe_telemetry_broken_exporters" in error


def floe_plugins() -> list[dict[str, Any]]:
    objects = [yaml.safe_load(path.read_text()) for path in MANIFESTS]
    return [each["spec"] for each in objects if each["kind"] == "FloePlugin"]


def resolve(spec: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration as the operator would merge it from these files."""
    objects = [yaml.safe_load(path.read_text()) for path in MANIFESTS]
    secrets = {each["metadata"]["name"]: each["stringData"] for each in objects if each["kind"] == "Secret"}
    config = dict(spec.get("config", {}))
    for source in spec.get("configFrom", []):
        reference = source["secretKeyRef"]
        config[source["path"]] = secrets[reference["name"]][reference["key"]]
    return config
