"""The one door to eth_account, which signs and encrypts keys."""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eth_account import Account


@cache
def load_accounts() -> Account:
    """eth_account, when the first key is used: it takes half a second, most of it for pairings that nobody needs.

    The package behind those (`py_ecc`) raises the interpreter's recursion limit to 100,000. From then on any deeply
    nested JSON from outside would crash the process instead of raising an error, so the limit is put back.
    """
    limit = sys.getrecursionlimit()
    try:
        from eth_account import Account  # noqa: PLC0415

        return Account()
    finally:
        sys.setrecursionlimit(limit)
