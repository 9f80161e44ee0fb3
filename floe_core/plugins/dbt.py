"""dbt plugins: tools that compile and run dbt projects, such as dbt Core or dbt Fusion."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from floe_core.plugin_metadata import PluginMetadata


@dataclass
class DBTRunResult:
    """The result of a dbt run: the files it wrote, its duration and its counts."""

    success: bool
    manifest_path: Path
    run_results_path: Path
    catalog_path: Path | None = None
    execution_time_seconds: float = 0.0
    models_run: int = 0
    tests_run: int = 0
    failures: int = 0
    metadata: dict[str, Any] = field(default_factory=dict)
    """Further facts about the run, such as `{"dbt_version": "1.10.1", "target": "dev"}`."""


@dataclass
class LintResult:
    """What a linter found."""

    success: bool
    issues: list[Any] = field(default_factory=list)
    """One entry per issue, such as `{"file": "models/orders.sql", "line": 10, "rule": "LT01"}`."""
    files_checked: int = 0
    files_fixed: int = 0


class DBTPlugin(PluginMetadata):
    """A dbt implementation; `select` and `exclude` use dbt's node selection syntax."""

    @abstractmethod
    def compile_project(self, project_dir: Path, profiles_dir: Path, target: str) -> Path:
        """Compile a project and return the path of its manifest.json."""

    @abstractmethod
    def run_models(
        self,
        project_dir: Path,
        profiles_dir: Path,
        target: str,
        select: str | None = None,
        exclude: str | None = None,
        full_refresh: bool = False,
    ) -> DBTRunResult:
        """Run models; with `full_refresh`, rebuild incremental models from scratch."""

    @abstractmethod
    def test_models(
        self, project_dir: Path, profiles_dir: Path, target: str, select: str | None = None
    ) -> DBTRunResult:
        """Run the models' tests."""

    @abstractmethod
    def lint_project(
        self, project_dir: Path, profiles_dir: Path, target: str, fix: bool = False
    ) -> LintResult:
        """Lint the project's SQL; with `fix`, fix in place what can be fixed."""

    @abstractmethod
    def get_manifest(self, project_dir: Path) -> dict[str, Any]:
        """Return the content of the project's manifest.json, in the schema that dbt defines.

        Example:
            {"metadata": {"dbt_version": "1.10.1"}, "nodes": {"model.shop.orders": {...}}, "sources": {}}
        """

    @abstractmethod
    def get_run_results(self, project_dir: Path) -> dict[str, Any]:
        """Return the content of the project's run_results.json, in the schema that dbt defines.

        Example:
            {"results": [{"unique_id": "model.shop.orders", "status": "success"}], "elapsed_time": 4.2}
        """

    @abstractmethod
    def supports_parallel_execution(self) -> bool:
        """Return True if several runs can execute at the same time in one process."""

    @abstractmethod
    def supports_sql_linting(self) -> bool:
        """Return True if `lint_project` does anything."""

    @abstractmethod
    def get_runtime_metadata(self) -> dict[str, Any]:
        """Return facts about the runtime: its versions and adapters.

        Example:
            {"runtime": "dbt-core", "dbt_version": "1.10.1", "adapters": ["duckdb"]}
        """
