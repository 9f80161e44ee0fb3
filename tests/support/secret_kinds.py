"""Secrets of the kinds that people keep, random in every part."""

from __future__ import annotations

import base64
import json
import random
import secrets
import textwrap
import uuid
from urllib.parse import quote


def token() -> str:
    """Return what a cloud hands out, of letters and digits."""
    return f"{secrets.choice('stgh')}k{secrets.token_hex(20)}"


def mixed() -> str:
    """Return a password of upper-case and lower-case letters and digits."""
    return _letters(32)


def words() -> str:
    """Return a passphrase with all the punctuation that programs escape."""
    return _interleaved([*"\\\"'<&/%+=~?$ {", "it's ", "~?~", "?~?"])


def foreign() -> str:
    """Return a passphrase with characters beyond ASCII."""
    return _interleaved([*"éö€😀ñ漢", "ßé", "😀€"])


def accented() -> str:
    """Return a password without any ASCII character."""
    return "".join(secrets.choice("éèêàâáîìíôòóûùúñçäöü") for _ in range(24))


def lines() -> str:
    """Return a secret of several lines."""
    return "".join(f"  {secrets.token_hex(10)} {secrets.token_hex(10)}\n" for _ in range(4))


def hexadecimal() -> str:
    """Return a key in hex."""
    return secrets.token_hex(32)


def short_hexadecimal() -> str:
    """Return a UUID without dashes."""
    return secrets.token_hex(16)


def a_uuid() -> str:
    """Return a UUID."""
    return str(uuid.uuid4())


def url() -> str:
    """Return the URL of a database, with its password percent-encoded."""
    return f"postgresql://{mixed()[:20]}:{quote(words(), safe='')}@db.example:5432/floe"


def percent_encoded() -> str:
    """Return a password that is percent-encoded already."""
    return quote(words(), safe="")


def in_base64() -> str:
    """Return a secret in base64, as people store them twice encoded."""
    return base64.b64encode(mixed().encode()).decode()


def json_in_base64() -> str:
    """Return credentials in JSON in base64."""
    return base64.b64encode(document().encode()).decode()


def text_in_hex() -> str:
    """Return a password in hex."""
    return mixed().encode().hex()


def document() -> str:
    """Return credentials in JSON, as clouds hand them out."""
    return json.dumps({"type": "service_account", "id": mixed(), "private_key": f"{words()}\n{mixed()}\n"})


def docker_config() -> str:
    """Return the credentials of a registry, as kubectl stores them."""
    auth = base64.b64encode(f"{mixed()}:{mixed()}".encode()).decode()
    return json.dumps({"auths": {"registry.example": {"auth": auth}}})


def pem() -> str:
    """Return a private key as OpenSSL writes it."""
    body = "\n".join(textwrap.wrap(base64.b64encode(secrets.token_bytes(600)).decode(), 64))
    return f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"


def _interleaved(others: list[str]) -> str:
    random.SystemRandom().shuffle(others)
    return _letters(4) + "".join(other + _letters(4) for other in others)


def _letters(count: int) -> str:
    return "".join(
        secrets.choice("abcdefghkmnpqrstuvwxyzABCDEFGHKLMNPQRSTUVWXYZ23456789") for _ in range(count)
    )
