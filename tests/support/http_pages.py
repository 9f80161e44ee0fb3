"""Reads pages of the operator's HTTP port."""

from __future__ import annotations

from urllib.error import HTTPError
from urllib.request import urlopen


def page(port: int, path: str) -> tuple[int, str]:
    """Return the HTTP code and the text of a page of the operator.

    Raises:
        AssertionError: The operator does not serve pages yet.
    """
    try:
        with urlopen(f"http://127.0.0.1:{port}/{path}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError as error:
        raise AssertionError(str(error)) from None
