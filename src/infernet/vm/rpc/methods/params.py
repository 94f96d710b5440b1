"""The parameters that many methods take."""

from __future__ import annotations

from typing import Any

from infernet.vm.rpc.requests import decode_block_override, decode_call, decode_overrides
from infernet.vm.rpc.table import Param
from infernet.vm.rpc.values import (
    decode_address,
    decode_block_id,
    decode_block_number,
    decode_boolean,
    decode_hash,
    decode_uint64,
)

ADDRESS = Param("address", decode_address)
BLOCK = Param[Any]("block", decode_block_id, "latest")
BLOCK_HASH = Param("block hash", decode_hash)
BLOCK_NUMBER = Param("block number", decode_block_number)
CALL = Param("transaction", decode_call)
INDEX = Param("index", decode_uint64)
IS_FULL = Param("full transactions", decode_boolean, False)
OVERRIDES = Param("state overrides", decode_overrides, None)
BLOCK_OVERRIDE = Param("block overrides", decode_block_override, None)
TX_HASH = Param("transaction hash", decode_hash)
