"""The one table that translates what endpoints say into our errors.

Endpoints agree on the shape of an error (`code`, `message`, perhaps `data`) and on little else, so the rows match
text. The phrases come from geth, erigon, nethermind, besu, reth, anvil and the large hosted endpoints. The first row
that matches wins: the narrow rows stand above the wide ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from infernet.chain.reverts import build_revert_error
from infernet.errors import InfernetError, JobRejected, NodeMisconfigured, RetryLater


class _Row(NamedTuple):
    pattern: re.Pattern[str]
    kind: type[InfernetError]
    code: str
    advice: str


def _row(kind: type[InfernetError], code: str, advice: str, *phrases: str) -> _Row:
    return _Row(re.compile("|".join(phrases), re.IGNORECASE), kind, code, advice)


ALREADY_KNOWN = "tx.already_known"

_TABLE: tuple[_Row, ...] = (
    _row(
        RetryLater,
        "chain.batch_too_large",
        "the endpoint takes fewer requests at once",
        r"batch.*(too (large|big|many)|limit|more than|exceed|not (allowed|supported))|in (a|one|the) batch",
    ),
    # What eth_sendRawTransaction is refused for.
    _row(
        RetryLater,
        ALREADY_KNOWN,
        "the endpoint has this transaction already",
        r"already ?known|already imported|already in mempool",
        r"known transaction|existing tx with same hash",
    ),
    _row(
        RetryLater,
        "tx.replacement_underpriced",
        "a replacement must pay at least 10 % more in both fees",
        r"replacement (transaction|fee|tx).*(underpriced|too low)|ReplacementNotAllowed",
        r"could not replace existing|transaction with the same nonce|gas price too low to replace",
    ),
    _row(
        RetryLater,
        "tx.nonce_too_low",
        "a transaction with this nonce is already in a block",
        r"nonce (is )?too low|OldNonce|nonce has already been used|stale nonce",
    ),
    _row(
        RetryLater,
        "tx.nonce_too_high",
        "an earlier transaction of this account is missing",
        r"nonce (is )?too (high|far)|nonce ?gap|nonce.*distant|future transaction",
    ),
    _row(
        RetryLater,
        "tx.insufficient_funds",
        "the account cannot pay for gas and value: send it some of the chain's coin",
        r"insufficient ?(funds|balance)|doesn't have enough funds|lack of funds|balance too low",
        r"upfront cost exceeds|overall balance",
    ),
    _row(
        JobRejected,
        "tx.tip_above_max_fee",
        "the priority fee must not exceed the max fee",
        r"(priority fee|tip).*(higher|greater|above).*(max fee|fee cap|max ?fee ?per ?gas)",
    ),
    _row(
        RetryLater,
        "tx.fee_below_base_fee",
        "the base fee rose above this transaction's max fee",
        r"(max ?fee ?per ?gas|fee ?cap|gas price).*(less|below|lower|under).*base ?fee",
    ),
    _row(
        RetryLater,
        "tx.underpriced",
        "the endpoint wants a higher fee",
        r"underpriced|fee ?too ?low|min gas price|gas price (is )?(too low|below)|gas tip cap.*(below|minimum)",
    ),
    _row(
        RetryLater,
        "tx.pool_full",
        "the endpoint's transaction pool is full",
        r"(tx|transaction) ?pool (is )?(full|overflow)|too many (pending )?transactions|queue.*full",
        r"in-flight transaction limit",
    ),
    _row(
        JobRejected,
        "tx.fee_above_endpoint_cap",
        "the endpoint refuses transactions that cost this much",
        r"exceeds the configured cap",
    ),
    _row(
        JobRejected,
        "tx.intrinsic_gas_too_low",
        "the gas limit does not even cover the transaction itself",
        r"intrinsic gas (is )?too low|IntrinsicGas|insufficient gas for floor data|floor data gas",
        r"gas ?floor|CallGasCostMoreThanGasLimit",
    ),
    _row(
        JobRejected,
        "tx.gas_limit_too_high",
        "the gas limit is above what a block or the endpoint allows",
        r"exceeds? (the )?(block |transaction |tx |block's )?gas ?limit|intrinsic gas too high|GasLimitExceeded",
        r"gas limit (is )?too high|gas limit reached|max transaction gas",
    ),
    _row(
        NodeMisconfigured,
        "tx.wrong_chain_id",
        "this transaction was signed for another chain",
        r"(invalid|wrong|incorrect) chain ?id|chain ?id.*(mismatch|does not match)|InvalidTxChainId",
    ),
    _row(
        JobRejected,
        "tx.too_large",
        "the transaction carries more bytes than the chain accepts",
        r"oversized data|max(imum)? (init ?)?code ?size|transaction (size )?(is )?too (large|big)",
    ),
    _row(
        JobRejected,
        "tx.malformed",
        "the endpoint could not read the transaction",
        r"failed to decode.*transaction|invalid sender|invalid (transaction )?(signature|rlp)|rlp: ",
    ),
    # What eth_getLogs is refused for.
    _row(
        RetryLater,
        "chain.range_too_large",
        "ask for fewer blocks at once",
        r"more than [\d,]+ (results|logs)|too many (results|logs|blocks)|query exceeds|query timeout",
        r"response (size )?(is )?(exceed|too (big|large))",
        r"block range|ranges? .*(too (large|wide|big)|exceed|limit|not supported)",
        r"(exceed|limited to|maximum).{0,40}(range|blocks)",
    ),
    # What the endpoint does not have (yet, or any more).
    _row(
        RetryLater,
        "chain.block_unknown",
        "the endpoint does not have this block's state",
        r"(header|block|resource|hash|state).{0,20} not found|unknown block|BlockOutOfRange|not yet (available|synced)",
        r"missing trie node|historical state|state (is )?(not available|already pruned|pruned)|canonical hash",
    ),
    _row(
        RetryLater,
        "chain.rate_limited",
        "the endpoint asks to slow down: use a bigger plan or another endpoint",
        r"rate.?limit|too many requests|request limit|daily request count|limit exceeded|quota",
        r"(throughput|capacity|compute units)",
    ),
    _row(
        RetryLater,
        "chain.unauthorized",
        "the endpoint refused the credentials in its URL",
        r"unauthorized|forbidden|authenticat|invalid project id|(invalid|missing|wrong) (api|access) ?(key|token)",
    ),
    _row(
        NodeMisconfigured,
        "chain.method_unsupported",
        "this endpoint does not serve the method: use a full Ethereum JSON-RPC endpoint",
        r"method.{0,40}(not found|not (available|supported|allowed|enabled)|does not exist|is disabled)",
        r"unsupported method",
    ),
    # How a call can fail without a reason.
    _row(
        JobRejected,
        "revert.OutOfGas",
        "the call ran out of gas",
        r"out ?of ?gas|gas required exceeds allowance",
    ),
    _row(
        JobRejected,
        "revert.InvalidCode",
        "the contract ran into code that cannot run",
        r"invalid ?(fe)? ?opcode|InvalidFE|bad instruction|opcode 0x\w+ not defined",
        r"stack ?(under|over)flow|invalid ?jump",
    ),
    _row(RetryLater, "chain.timeout", "the endpoint took too long", r"time(d)? ?out|deadline exceeded"),
)

_REVERT_TEXT = re.compile(r"revert|vm execution error|VM Exception", re.IGNORECASE)
_HEX_DATA = re.compile(r"^(?:Reverted )?(0x(?:[0-9a-fA-F]{2})*)$")


def translate_error(error: object, method: str, endpoint: str) -> InfernetError:
    """The error of ours that stands for a JSON-RPC `error` member.

    Args:
        error: the member as parsed; anything but an object with `code` and `message` is a malformed answer.
        method: the JSON-RPC method asked for.
        endpoint: a name of the endpoint without its secrets.
    """
    if not isinstance(error, Mapping):
        return bad_answer(endpoint, f"an error that is no object: {_shorten(error)}")
    message, data = str(error.get("message", "")), error.get("data")
    hex_data = _find_revert_data(data)
    if (
        error.get("code") == 3
        or _REVERT_TEXT.search(message)
        or (hex_data and method in ("eth_call", "eth_estimateGas"))
    ):
        return build_revert_error(hex_data or b"", message)
    text = message if hex_data is not None or data is None else f"{message}: {_shorten(data)}"
    for row in _TABLE:
        if row.pattern.search(text):
            return row.kind(row.code, f"{row.advice} ({_shorten(text)}, says {endpoint})", method=method)
    return RetryLater(
        "chain.endpoint_error", f"{endpoint} answered {method} with: {_shorten(text)}", rpc_code=error.get("code")
    )


def translate_status(status: int, body: bytes, endpoint: str) -> InfernetError | None:
    """The error for an HTTP status that carries no JSON-RPC answer; None where the body decides."""
    if status < 400:
        return None
    said = f"HTTP {status} from {endpoint}: {_shorten(_to_text(body))}"
    if status == 429:
        return RetryLater("chain.rate_limited", f"the endpoint asks to slow down ({said})")
    if status in (401, 403):
        return RetryLater("chain.unauthorized", f"the endpoint refused the credentials in its URL ({said})")
    if status in (404, 405):
        return RetryLater("chain.bad_answer", f"nothing there speaks JSON-RPC: check the URL's path ({said})")
    if status == 413:
        return RetryLater("chain.request_too_large", f"the endpoint takes no request of this size ({said})")
    return RetryLater("chain.unreachable", f"the endpoint is not well ({said})")


def unreachable(endpoint: str, reason: BaseException | str) -> RetryLater:
    """The endpoint could not be talked to at all."""
    said = str(reason) or type(reason).__name__
    return RetryLater("chain.unreachable", f"cannot reach the chain at {endpoint}: {_shorten(said)}")


def timed_out(endpoint: str, timeout_s: float) -> RetryLater:
    """No whole answer came in time."""
    return RetryLater("chain.timeout", f"the chain at {endpoint} did not answer within {timeout_s:g} s")


def bad_answer(endpoint: str, what: str) -> RetryLater:
    """An answer came that is not JSON-RPC."""
    return RetryLater(
        "chain.bad_answer", f"{endpoint} answered with {what}: is this the URL of an Ethereum JSON-RPC endpoint?"
    )


def describe_junk(body: bytes) -> str:
    """What an answer that is not JSON looks like, for a person."""
    text = _to_text(body).lstrip()
    if not text:
        return "nothing"
    return ("an HTML page: " if text[:1] == "<" else "something that is no JSON: ") + _shorten(text)


def _find_revert_data(data: object) -> bytes | None:
    if isinstance(data, Mapping):  # some endpoints wrap it once more
        data = data.get("data", data.get("result"))
    found = _HEX_DATA.match(data) if isinstance(data, str) else None
    return bytes.fromhex(found[1][2:]) if found else None


def _to_text(body: bytes) -> str:
    return body[:400].decode("utf-8", "replace")


def _shorten(what: object, limit: int = 160) -> str:
    text = " ".join(str(what).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
