"""The objects that requests carry: calls and transactions, what a call is to assume, which logs are asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infernet.vm.request import AccountOverride, BlockOverride, CallRequest
from infernet.vm.rpc.errors import Malformed
from infernet.vm.rpc.values import (
    Tag,
    decode_address,
    decode_block_number,
    decode_data,
    decode_field,
    decode_hash,
    decode_list,
    decode_object,
    decode_quantity,
    decode_slot,
    decode_uint8,
    decode_uint64,
)
from infernet.vm.transaction import ACCESS_LIST, FEE_MARKET, LEGACY, SET_CODE, Access, Authorization

MAX_TOPICS = 4
MAX_ALTERNATIVES = 1_000
_UNSERVED = ("blobVersionedHashes", "maxFeePerBlobGas", "blobs")


@dataclass(frozen=True, slots=True)
class TxRequest:
    """A transaction that the node is to complete and sign.

    Attributes:
        kind: its type, None where the request leaves it open.
    """

    call: CallRequest
    kind: int | None


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which logs are asked for.

    Attributes:
        block_hash: the one block; None for the range.
        topics: by position, the values that will do; none for any.
    """

    from_block: int | Tag
    to_block: int | Tag
    block_hash: bytes | None
    addresses: tuple[bytes, ...]
    topics: tuple[tuple[bytes, ...], ...]


def decode_call(value: Any) -> CallRequest:
    """The first parameter of `eth_call` and its like."""
    source = decode_object(value)
    if any(source.get(name) is not None for name in _UNSERVED):
        raise Malformed("this chain has no blobs")
    max_fee, tip = _decode_fees(source)
    return CallRequest(
        sender=decode_field(source, "from", decode_address) or bytes(20),
        to=decode_field(source, "to", _decode_to) or None,
        data=_decode_input(source),
        value=decode_field(source, "value", decode_quantity) or 0,
        gas=decode_field(source, "gas", decode_uint64),
        nonce=decode_field(source, "nonce", decode_uint64),
        max_fee=max_fee,
        max_priority_fee=tip,
        access_list=decode_field(source, "accessList", _decode_access_list) or (),
        authorizations=decode_field(source, "authorizationList", _decode_authorizations) or (),
    )


def decode_tx_request(value: Any) -> TxRequest:
    """The parameter of `eth_sendTransaction`."""
    source = decode_object(value)
    if source.get("from") is None:
        raise Malformed("from: it is missing, and says who sends the transaction")
    call = decode_call(value)
    kind = decode_field(source, "type", decode_uint64)
    if kind is None and source.get("gasPrice") is not None:
        kind = ACCESS_LIST if call.access_list else LEGACY
    if kind is None and call.authorizations:
        kind = SET_CODE
    if kind not in (None, LEGACY, ACCESS_LIST, FEE_MARKET, SET_CODE):
        raise Malformed(f"type: this chain takes the types 0, 1, 2 and 4, not {kind}")
    return TxRequest(call, kind)


def decode_overrides(value: Any) -> dict[bytes, AccountOverride]:
    """Accounts as a call is to see them, by address."""
    overrides = {}
    for address, account in decode_object(value).items():
        try:
            overrides[decode_address(address)] = _decode_account(decode_object(account))
        except Malformed as error:
            raise Malformed(f"{address[:42]}: {error}") from None
    return overrides


def decode_block_override(value: Any) -> BlockOverride:
    """The block as a call is to see it; the older names of its members are taken too."""
    source = decode_object(value)
    return BlockOverride(
        number=decode_field(source, "number", decode_uint64),
        timestamp=decode_field(source, "time", decode_uint64),
        gas_limit=decode_field(source, "gasLimit", decode_uint64),
        coinbase=_decode_either(source, "feeRecipient", "coinbase", decode_address),
        prev_randao=_decode_either(source, "prevRandao", "random", decode_hash),
        base_fee=_decode_either(source, "baseFeePerGas", "baseFee", decode_quantity),
    )


def decode_log_query(value: Any) -> LogQuery:
    """The parameter of `eth_getLogs`, of filters and of subscriptions to logs."""
    source = decode_object(value)
    block_hash = decode_field(source, "blockHash", decode_hash)
    from_block = decode_field(source, "fromBlock", decode_block_number)
    to_block = decode_field(source, "toBlock", decode_block_number)
    if block_hash is not None and (from_block is not None or to_block is not None):
        raise Malformed("cannot specify both blockHash and fromBlock/toBlock, choose one or the other")
    return LogQuery(
        "latest" if from_block is None else from_block,
        "latest" if to_block is None else to_block,
        block_hash,
        decode_field(source, "address", _decode_addresses) or (),
        decode_field(source, "topics", _decode_topics) or (),
    )


def _decode_fees(source: dict[str, Any]) -> tuple[int | None, int | None]:
    price = decode_field(source, "gasPrice", decode_quantity)
    max_fee = decode_field(source, "maxFeePerGas", decode_quantity)
    tip = decode_field(source, "maxPriorityFeePerGas", decode_quantity)
    if price is not None and (max_fee is not None or tip is not None):
        raise Malformed("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified")
    if max_fee is not None and tip is not None and max_fee < tip:
        raise Malformed(f"maxFeePerGas ({max_fee}) < maxPriorityFeePerGas ({tip})")
    return (max_fee, tip) if price is None else (price, price)


def _decode_to(value: Any) -> bytes:
    """Of a deployment it is null, or by some clients `0x`."""
    return b"" if value in ("", "0x") else decode_address(value)


def _decode_input(source: dict[str, Any]) -> bytes:
    data, alias = decode_field(source, "input", decode_data), decode_field(source, "data", decode_data)
    if data is not None and alias is not None and data != alias:
        raise Malformed('both "data" and "input" are set and not equal: use "input" to pass calldata')
    return data if data is not None else alias or b""


def _decode_access_list(value: Any) -> tuple[Access, ...]:
    return tuple(decode_list(value, _decode_access))


def _decode_access(value: Any) -> Access:
    source = decode_object(value)
    address = decode_field(source, "address", decode_address)
    if address is None:
        raise Malformed("address: it is missing")
    slots = decode_field(source, "storageKeys", lambda keys: decode_list(keys, decode_hash)) or []
    return Access(address, tuple(slots))


def _decode_authorizations(value: Any) -> tuple[Authorization, ...]:
    return tuple(decode_list(value, _decode_authorization))


def _decode_authorization(value: Any) -> Authorization:
    source = decode_object(value)
    chain_id, r, s = (decode_field(source, name, decode_quantity) for name in ("chainId", "r", "s"))
    nonce, parity = decode_field(source, "nonce", decode_uint64), decode_field(source, "yParity", decode_uint8)
    address = decode_field(source, "address", decode_address)
    if address is None or chain_id is None or nonce is None or parity is None or r is None or s is None:
        raise Malformed("want chainId, address, nonce, yParity, r and s")
    return Authorization(chain_id, address, nonce, parity, r, s)


def _decode_account(source: dict[str, Any]) -> AccountOverride:
    if source.get("movePrecompileToAddress") is not None:
        raise Malformed("movePrecompileToAddress: precompiles stay where they are on this chain")
    storage = decode_field(source, "state", _decode_slots)
    diff = decode_field(source, "stateDiff", _decode_slots)
    if storage is not None and diff is not None:
        raise Malformed("account has both 'state' and 'stateDiff'")
    return AccountOverride(
        balance=decode_field(source, "balance", decode_quantity),
        nonce=decode_field(source, "nonce", decode_uint64),
        code=decode_field(source, "code", decode_data),
        storage=storage,
        storage_diff=diff or {},
    )


def _decode_slots(value: Any) -> dict[bytes, bytes]:
    return {decode_slot(slot): decode_slot(word) for slot, word in decode_object(value).items()}


def _decode_either(source: dict[str, Any], name: str, older: str, decode: Any) -> Any:
    value = decode_field(source, name, decode)
    return decode_field(source, older, decode) if value is None else value


def _decode_addresses(value: Any) -> tuple[bytes, ...]:
    return _decode_alternatives(value, decode_address) if isinstance(value, list) else (decode_address(value),)


def _decode_topics(value: Any) -> tuple[tuple[bytes, ...], ...]:
    topics = decode_list(value, _decode_topic)
    if len(topics) > MAX_TOPICS:
        raise Malformed(f"a log has at most {MAX_TOPICS} topics")
    return tuple(topics)


def _decode_topic(value: Any) -> tuple[bytes, ...]:
    """Null is any; within a list it makes the whole position any."""
    if value is None:
        return ()
    if not isinstance(value, list):
        return (decode_hash(value),)
    return () if None in value else _decode_alternatives(value, decode_hash)


def _decode_alternatives(value: list[Any], decode: Callable[[Any], bytes]) -> tuple[bytes, ...]:
    if len(value) > MAX_ALTERNATIVES:
        raise Malformed(f"at most {MAX_ALTERNATIVES} alternatives, not {len(value)}")
    return tuple(decode_list(value, decode))
