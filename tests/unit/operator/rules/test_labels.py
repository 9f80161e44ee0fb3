"""Labels that the operator may set on its mirrors, and those that it must not."""

from __future__ import annotations

import pytest

from floe_operator.rules.labels import label_fault


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("team", "data"),
        ("team", ""),
        ("a.b_c-d", "A.b_c-9"),
        ("example.com/cost-centre", "7"),
        ("x" * 63, "y" * 63),
        ("app.kubernetes.io/part-of", "floe"),
        ("notfloe.dev/x", "y"),
    ],
)
def test_a_label_of_the_users_own_is_fine(name: str, value: str) -> None:
    assert label_fault(name, value) == ""


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("", "x", "the name of a label"),
        ("-a", "x", "the name of a label"),
        ("a b", "x", "the name of a label"),
        ("a/b/c", "x", "the name of a label"),
        ("Example.com/a", "x", "the name of a label"),
        ("x" * 64, "y", "the name of a label"),
        (f"{'x' * 254}/a", "y", "the name of a label"),
        ("team", "a b", "a value that no label can have"),
        ("team", "ä", "a value that no label can have"),
        ("team", "x" * 64, "a value that no label can have"),
        ("team", "a\n", "a value that no label can have"),
        ("floe.dev/plugin-type", "x", "of the operator's own"),
        ("sub.floe.dev/x", "x", "of the operator's own"),
        ("app.kubernetes.io/managed-by", "Helm", "Helm, Flux, Argo CD"),
        ("app.kubernetes.io/instance", "x", "Helm, Flux, Argo CD"),
        ("kustomize.toolkit.fluxcd.io/name", "x", "Helm, Flux, Argo CD"),
        ("argocd.argoproj.io/instance", "x", "Helm, Flux, Argo CD"),
        ("applyset.kubernetes.io/part-of", "x", "kubectl's --prune"),
        ("applyset.kubernetes.io/id", "x", "kubectl's --prune"),
    ],
)
def test_what_no_label_can_be_and_what_others_decide_by_is_refused(name: str, value: str, words: str) -> None:
    assert words in label_fault(name, value)
