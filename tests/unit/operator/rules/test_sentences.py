"""How sentences for people are put together."""

from __future__ import annotations

import pytest

from floe_operator.rules.sentences import with_detail


@pytest.mark.parametrize(
    ("wrong", "detail", "said"),
    [
        ("startup raised OSError", "", "startup raised OSError"),
        ("startup raised OSError", "OSError", "startup raised OSError"),
        ("startup raised OSError", "OSError: no disk", "startup raised OSError: no disk"),
        ("startup raised OSError", "TypeError: no disk", "startup raised OSError: TypeError: no disk"),
        ("The plugin crashed.", "it was\n killed", "The plugin crashed: it was killed"),
    ],
)
def test_a_detail_does_not_repeat_the_type_of_an_exception(wrong: str, detail: str, said: str) -> None:
    assert with_detail(wrong, detail) == said
