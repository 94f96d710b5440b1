"""Logs, the filters that wait for them, and subscriptions."""

from __future__ import annotations

from typing import Any

from infernet.vm.rpc.client import Client
from infernet.vm.rpc.errors import exceeds, invalid, refuse
from infernet.vm.rpc.format import Json, format_log, measure_logs
from infernet.vm.rpc.requests import LogQuery, decode_log_query
from infernet.vm.rpc.subscriptions import Topic
from infernet.vm.rpc.table import Methods, Param
from infernet.vm.rpc.values import Tag, decode_boolean, decode_text, show

methods = Methods()

QUERY = Param("filter", decode_log_query)
_ASK_LESS = "ask for fewer blocks at once, or name an address or a topic"

FILTER_ID = Param("filter id", decode_text)


@methods.add("eth_getLogs", QUERY)
def get_logs(client: Client, query: LogQuery) -> list[Json]:
    first, last = _read_range(client, query)
    limits, chosen = client.node.limits, (first, last, query.addresses, query.topics)
    count, data_bytes = client.chain.measure_logs(*chosen, limits.logs + 1)
    if count > limits.logs:
        raise exceeds(f"query returned more than {limits.logs} results: {_ASK_LESS}")
    if measure_logs(count, data_bytes) > limits.answer_bytes:
        raise exceeds(f"query returned more than {limits.answer_bytes} bytes: {_ASK_LESS}")
    found = client.chain.logs(*chosen, count) if count else []
    timestamps = {number: client.chain.ledger.timestamp(number) for number in {log.block_number for log in found}}
    return [format_log(log, timestamps[log.block_number]) for log in found]


@methods.add("eth_newFilter", QUERY)
def new_log_filter(client: Client, query: LogQuery) -> str:
    if query.block_hash is not None:
        raise invalid("invalid argument 0 (filter): a filter waits for blocks to come, and takes no blockHash")
    return client.node.filters.install(query)


@methods.add("eth_newBlockFilter")
def new_block_filter(client: Client) -> str:
    return client.node.filters.install("blocks")


@methods.add("eth_newPendingTransactionFilter")
def new_pending_filter(client: Client) -> str:
    return client.node.filters.install("pending")


@methods.add("eth_getFilterChanges", FILTER_ID)
def get_filter_changes(client: Client, filter_id: str) -> list[Any]:
    return client.node.filters.take_changes(filter_id)


@methods.add("eth_getFilterLogs", FILTER_ID)
def get_filter_logs(client: Client, filter_id: str) -> list[Json]:
    return get_logs(client, client.node.filters.read_query(filter_id))


@methods.add("eth_uninstallFilter", FILTER_ID)
def uninstall_filter(client: Client, filter_id: str) -> bool:
    return client.node.filters.uninstall(filter_id)


def _decode_option(value: Any) -> bool | LogQuery:
    return decode_boolean(value) if isinstance(value, bool) else decode_log_query(value)


@methods.add("eth_subscribe", Param("subscription", decode_text), Param("options", _decode_option, None))
def subscribe(client: Client, name: str, option: bool | LogQuery | None) -> str:
    return client.subscribe(_read_topic(name, option))


@methods.add("eth_unsubscribe", Param("subscription id", decode_text))
def unsubscribe(client: Client, name: str) -> bool:
    client.unsubscribe(name)
    return True


def _read_topic(name: str, option: bool | LogQuery | None) -> Topic:
    if name == "logs":
        query = option if isinstance(option, LogQuery) else decode_log_query({})
        if query.block_hash is not None:
            raise invalid(
                "invalid argument 1 (options): a subscription waits for blocks to come, and takes no blockHash"
            )
        return query
    if name == "newPendingTransactions":
        return "fullPendingTransactions" if option is True else "newPendingTransactions"
    if name in ("newHeads", "syncing"):
        return name  # type: ignore[return-value]
    raise refuse(f"no {show(name)} subscription in eth namespace")


def _read_range(client: Client, query: LogQuery) -> tuple[int, int]:
    """First and last block; an empty range where the first has not come yet."""
    if query.block_hash is not None:
        block = client.chain.block_by_hash(query.block_hash)
        if block is None:
            raise refuse("unknown block")
        return block.number, block.number
    first, last = _read_number(client, query.from_block), _read_number(client, query.to_block)
    if first > last:
        if isinstance(query.from_block, int) and isinstance(query.to_block, int):
            raise invalid(f"invalid block range params: fromBlock {first} is after toBlock {last}")
        return first, last
    return first, min(last, client.chain.head.number)


def _read_number(client: Client, block: int | Tag) -> int:
    if isinstance(block, int):
        return block
    return client.find_number(block)
