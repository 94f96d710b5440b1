"""JSON of strangers."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from infernet.errors import InvalidInput

MAX_NESTING = 256
_TOKENS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]', re.DOTALL)  # each character is looked at once


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_decode = json.JSONDecoder(parse_constant=_refuse_constant).decode


def decode_json(body: bytes | str) -> Any:
    """The value in a text of UTF-8.

    Raises:
        InvalidInput: `request.not_json`, also for NaN and infinities; `request.too_deep`.
    """
    try:
        text = body if isinstance(body, str) else body.decode()
        if text.count("[") + text.count("{") > MAX_NESTING:
            _check_nesting(text)
        return _decode(text)
    except ValueError as error:
        raise InvalidInput("request.not_json", "the body is no JSON: send one JSON object") from error


def _check_nesting(text: str) -> None:
    """Python's parser calls itself for each level, and packages (`py_ecc`, `ethereum`) raise the limit of that so far
    that a text of brackets ends the process.
    """
    depth = 0
    for token in _TOKENS.finditer(text):
        first = token[0][0]
        if first in "[{":
            depth += 1
            if depth > MAX_NESTING:
                raise InvalidInput("request.too_deep", f"JSON nested more than {MAX_NESTING} deep is not read")
        elif first in "]}":
            depth -= 1
