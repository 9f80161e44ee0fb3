"""dbt plugins: what compiles and runs dbt projects, such as dbt Core or dbt Fusion."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from floe_core.plugin_metadata import PluginMetadata


@dataclass
class DBTRunResult:
    """What a dbt run left behind, and its counts."""

    success: bool
    manifest_path: Path
    run_results_path: Path
    catalog_path: Path | None = None
    execution_time_seconds: float = 0.0
    models_run: int = 0
    tests_run: int = 0
    failures: int = 0
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass
class LintResult:
    """What a linter found."""

    success: bool
    issues: list[Any] = field(default_factory=list)
    files_checked: int = 0
    files_fixed: int = 0


class DBTPlugin(PluginMetadata):
    """A dbt implementation; `select` and `exclude` are dbt's node selection syntax."""

    @abstractmethod
    def compile_project(self, project_dir: Path, profiles_dir: Path, target: str) -> Path:
        """Compiles a project and returns the path of its manifest.json."""

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
        """Runs models; with `full_refresh` incremental ones are built anew."""

    @abstractmethod
    def test_models(
        self, project_dir: Path, profiles_dir: Path, target: str, select: str | None = None
    ) -> DBTRunResult:
        """Runs the tests of models."""

    @abstractmethod
    def lint_project(
        self, project_dir: Path, profiles_dir: Path, target: str, fix: bool = False
    ) -> LintResult:
        """Lints the project's SQL; with `fix` mends what can be mended in place."""

    @abstractmethod
    def get_manifest(self, project_dir: Path) -> dict[str, Any]:
        """The content of the project's manifest.json."""

    @abstractmethod
    def get_run_results(self, project_dir: Path) -> dict[str, Any]:
        """The content of the project's run_results.json."""

    @abstractmethod
    def supports_parallel_execution(self) -> bool:
        """Whether several runs may go on in one process."""

    @abstractmethod
    def supports_sql_linting(self) -> bool:
        """Whether `lint_project` does anything."""

    @abstractmethod
    def get_runtime_metadata(self) -> dict[str, Any]:
        """What the runtime is: its versions and adapters."""
