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


def metric(port: int, sample: str) -> float:
    """Return the value of a sample on the page of metrics, given its name with its labels, if it has any."""
    lines = page(port, "metrics")[1].splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(f"{sample} "))
