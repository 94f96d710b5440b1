"""The two names of a published model: `namespace/name:version`, and an alias `namespace/name@alias` that may move."""

from __future__ import annotations

import re
from typing import NamedTuple

from infernet.errors import InvalidInput

_PART = r"[a-z0-9][a-z0-9._-]*"
_LAST = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_PUBLISHED = re.compile(rf"(?P<namespace>{_PART})/(?P<name>{_PART})(?P<separator>[:@])(?P<last>{_LAST})")
_MAX_LENGTH = 200


class PublishedName(NamedTuple):
    """`last` is a version, or an alias where `is_alias`."""

    namespace: str
    name: str
    last: str
    is_alias: bool

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}{'@' if self.is_alias else ':'}{self.last}"


def parse_published_name(text: str) -> PublishedName:
    """Raises InvalidInput, `model.name`."""
    found = _PUBLISHED.fullmatch(text)
    if not found or len(text) > _MAX_LENGTH:
        raise InvalidInput(
            "model.name", f"{text!r} names no model: write namespace/name:version or namespace/name@alias"
        )
    return PublishedName(found["namespace"], found["name"], found["last"], found["separator"] == "@")
