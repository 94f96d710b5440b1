"""A delegated request as JSON: what a client posts to a node, and the node reads.

Field names are Solidity's. Integers of more than 48 bits travel as decimal strings, since JavaScript rounds those above
2**53; both forms are read for any integer. Bytes are hex with 0x.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from infernet.errors import InvalidInput
from infernet.protocol.abi import UINT256, AbiType, Uint
from infernet.protocol.hashing import to_address
from infernet.protocol.subscription import FIELDS, DelegateRequest, Mode, Subscription
from infernet.types import Address, ChainId, Timestamp

_TOP_FIELDS = ("chainId", "coordinator", "nonce", "expiry", "subscription", "container", "features", "signature")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,77}")
_HEX = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_WIDEST_JSON_BITS = 48


def encode_delegate_json(chain_id: ChainId, coordinator: Address, request: DelegateRequest) -> dict[str, Any]:
    """The body to post."""
    values = request.subscription.as_tuple()
    return {
        "chainId": int(chain_id),
        "coordinator": str(coordinator),
        "nonce": request.nonce,
        "expiry": int(request.expiry),
        "subscription": {name: _encode(kind, value) for (_, name, kind), value in zip(FIELDS, values, strict=True)},
        "container": request.container,
        "features": "0x" + request.features.hex(),
        "signature": "0x" + request.signature.hex(),
    }


def decode_delegate_json(parsed: object) -> tuple[ChainId, Address, DelegateRequest]:
    """The chain, the Coordinator and the request of a parsed body.

    Neither the signature nor the hashes are checked: that takes the chain.

    Raises:
        InvalidInput: `request.malformed`, `abi.out_of_range`, `address.invalid`, `nonce.out_of_range`: the message
            names the field.
    """
    body = _read_object(parsed, "the body", _TOP_FIELDS)
    terms = _read_object(body["subscription"], "subscription", tuple(name for _, name, _ in FIELDS))
    fields = {ours: _decode(kind, terms[name], f"subscription.{name}") for ours, name, kind in FIELDS}
    subscription = Subscription(**{**fields, "mode": Mode(fields["mode"])})
    request = DelegateRequest(
        nonce=_read_integer(body["nonce"], "nonce"),
        expiry=Timestamp(_read_integer(body["expiry"], "expiry")),
        subscription=subscription,
        container=_read_text(body["container"], "container"),
        features=_read_bytes(body["features"], "features"),
        signature=_read_bytes(body["signature"], "signature"),
    )
    return (
        ChainId(_decode(UINT256, body["chainId"], "chainId")),
        _read_address(body["coordinator"], "coordinator"),
        request,
    )


def _encode(kind: AbiType, value: Any) -> int | str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(kind, Uint):
        return int(value) if kind.bits <= _WIDEST_JSON_BITS else str(int(value))
    return str(value)


def _decode(kind: AbiType, value: object, name: str) -> Any:
    if isinstance(kind, Uint):
        number = _read_integer(value, name)
        kind.check(number, name)
        return number
    return _read_address(value, name) if kind.abi == "address" else _read_bytes(value, name)


def _read_object(value: object, name: str, fields: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _malformed(f"{name} must be an object")
    missing = [field for field in fields if field not in value]
    unknown = sorted(str(field) for field in value if field not in fields)
    if missing:
        raise _malformed(f"{name} lacks {', '.join(missing)}")
    if unknown:
        raise _malformed(f"{name} has unknown fields: {', '.join(unknown)[:100]}")
    return value


def _read_integer(value: object, name: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        return int(value)
    raise _malformed(f"{name} must be an integer, as a number or a decimal string")


def _read_text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise _malformed(f"{name} must be a string")
    return value


def _read_bytes(value: object, name: str) -> bytes:
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise _malformed(f"{name} must be bytes as hex with 0x")
    return bytes.fromhex(value[2:])


def _read_address(value: object, name: str) -> Address:
    try:
        return to_address(_read_text(value, name))
    except InvalidInput as error:
        raise InvalidInput(error.code, f"{name}: {error.message}") from None


def _malformed(what: str) -> InvalidInput:
    return InvalidInput("request.malformed", f"this is no delegated request: {what}")
