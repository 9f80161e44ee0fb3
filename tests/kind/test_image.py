"""The image by itself: what is in it, what is not, and how plugins are added to it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.kind.commands import CommandError
from tests.kind.conftest import Note
from tests.kind.images import Images, add_plugins
from tests.kind.machine import Machine
from tests.support.distributions import Distribution
from tests.support.operator import manifest

ADDED_BYTES = 75_000_000
"""What the operator may add to a slim Python image of about 125 MB, for a total of 200 MB."""
WHOLE_BYTES = 200_000_000


def test_the_image_runs_as_a_numeric_user_other_than_root(images: Images) -> None:
    """The kubelet can check runAsNonRoot only if the user is a number."""
    assert images.bare.inspect()["Config"]["User"] == "65532:65532"


def test_the_image_has_the_oci_labels(images: Images) -> None:
    labels = images.bare.inspect()["Config"]["Labels"]
    named = {key.removeprefix("org.opencontainers.image."): value for key, value in labels.items()}
    assert (
        named.items()
        >= {
            "title": "floe-operator",
            "licenses": "Apache-2.0",
            "version": "0.0.0+test",
            "revision": "none",
        }.items()
    )
    assert named["description"]


def test_the_image_stays_below_its_size_limits(images: Images, machine: Machine, note: Note) -> None:
    added = int(images.bare.shell("du -sxb /opt/floe").split()[0])
    whole = images.bare.inspect()["Size"]
    note(f"image: {whole / 1e6:.0f} MB, of which the operator's {added / 1e6:.0f} MB")
    assert added < ADDED_BYTES
    # If the base is a stand-in for the default one, only what is added is meaningful.
    assert machine.base_image or whole < WHOLE_BYTES


@pytest.mark.parametrize("program", ["gcc", "cc", "make", "git", "go"])
def test_no_build_tool_is_left_inside(images: Images, program: str) -> None:
    assert images.examples.shell(f"command -v {program} || true") == ""


def test_nothing_of_the_build_is_left_inside(images: Images) -> None:
    left = "-name '*.whl' -not -path '/usr/*' -o -path '*/.cache/*' -o -path '/src/*' -o -path '/tmp/*'"
    assert images.examples.shell(f"find / -xdev \\( {left} \\) 2>/dev/null || true") == ""


def test_pip_and_python_are_those_of_the_plugins_environment(images: Images) -> None:
    assert "/opt/floe/plugins/" in images.bare.shell("pip --version")
    assert images.bare.shell("command -v python").strip() == "/opt/floe/plugins/bin/python"


def test_the_operators_environment_has_no_pip(images: Images) -> None:
    assert images.bare.shell("/opt/floe/operator/bin/python -m pip 2>&1 || true").endswith(
        "No module named pip\n"
    )


def test_the_plugins_environment_has_floe_core_without_the_operator(images: Images) -> None:
    ask = "import importlib.util as u; print([bool(u.find_spec(n)) for n in ('floe_core', 'floe_operator')])"
    assert images.bare.shell(f'python -c "{ask}"') == "[True, False]\n"


def test_the_process_cannot_change_its_own_code(images: Images) -> None:
    script = "find /opt/floe -writable -not -type l; touch /opt/floe/plugins/x 2>&1 || true"
    assert "denied" in images.bare.run("-c", script, entrypoint="sh", options=["--read-only=false"])


def test_the_requirements_of_plugins_and_those_of_the_operator_are_kept_apart(images: Images) -> None:
    """So they can conflict: the plugins' botocore may need any release of what the operator needs, too."""
    ask = "import importlib.util as u; print([bool(u.find_spec(n)) for n in ('botocore', 'aiohttp')])"
    has = {
        name: images.examples.shell(f'/opt/floe/{name}/bin/python -c "{ask}"').strip()
        for name in ("plugins", "operator")
    }
    assert has == {"plugins": "[True, False]", "operator": "[False, True]"}
    listed = json.loads(images.examples.run("list", "--output", "json"))
    assert {row["name"]: row["status"] for row in listed}["s3"] == "Loaded"


def test_an_image_without_plugins_says_so(images: Images) -> None:
    said = images.bare.shell("floe-operator list 2>&1")
    assert "No plugins are installed in the environment of /opt/floe/plugins/bin/python" in said


def test_the_image_validates_manifests_for_pipelines(images: Images) -> None:
    plugin = manifest("storage", "s3", config={"buckett": "x"})
    with pytest.raises(CommandError, match="did you mean bucket"):
        images.examples.shell(f"echo '{json.dumps(plugin)}' | floe-operator validate -f -")


def test_plugins_for_another_floe_core_are_refused_when_the_image_is_built(
    images: Images, tmp_path: Path
) -> None:
    ahead = Distribution("floe-compute-ahead", requires=["floe-core>=99"])
    with pytest.raises(CommandError, match="floe-core"):
        add_plugins(images.bare, "test-refused", tmp_path, [ahead])
