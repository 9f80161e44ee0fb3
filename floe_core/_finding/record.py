"""Compares installed modules with the RECORD of a distribution, which lists the hash of each of its files."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from floe_core._finding.files import read


def record_matches(folder: str, location: str, modules: Collection[str]) -> bool:
    """Return True if each of these modules that the RECORD in `folder` lists is unchanged below `location`.

    Modules are dotted names. A RECORD that is missing, damaged or lists none of them does not match.
    """
    files = {f"{module.replace('.', '/')}{end}" for module in modules for end in (".py", "/__init__.py")}
    try:
        listed = dict(_hashes(read(f"{folder}/RECORD") or b"", files))
        return bool(listed) and all(
            _hash(f"{location or '.'}/{file}") == known for file, known in listed.items()
        )
    except (OSError, ValueError):
        return False


def _hashes(record: bytes, files: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield each of the files that a RECORD lists, with its hash."""
    import csv

    for row in csv.reader(record.decode().splitlines()):
        if len(row) > 1 and row[0] in files:
            yield row[0], row[1]


def _hash(file: str) -> str:
    """Return the SHA-256 of a file as a RECORD writes it."""
    import base64
    import hashlib

    content = read(file)
    if content is None:
        return ""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"sha256={digest}"
