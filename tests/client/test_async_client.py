from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from client_network import Network
from eth_abi.abi import encode

from infernet.chain.abi import parse_abi
from infernet.chain.artifacts import load_artifact
from infernet.chain.child import ChildChain
from infernet.chain.local import DEV_ACCOUNTS
from infernet.chain.sending import Message
from infernet.client import AsyncClient
from infernet.errors import InvalidInput, JobRejected, NodeMisconfigured, RetryLater
from infernet.keys.keystore import create_key_file
from infernet.keys.signer import LocalSigner
from infernet.protocol.hashing import ZERO_ADDRESS
from infernet.protocol.subscription import PERPETUAL
from infernet.types import Gas, SubscriptionId, Timestamp, Wei

pytestmark = [pytest.mark.chain, pytest.mark.both_chains]


async def test_a_request_of_an_account_is_answered_by_event_and_calldata(network: Network) -> None:
    key = await network.asker.request("demo/echo:1", b"question")
    created = await network.find_created(key)
    assert (created.container, created.features) == ("demo/echo:1", b"question")
    waiting = asyncio.create_task(network.asker.wait_output(key))
    receipt = await network.deliver(key, encode(["int256[]"], [[7, -1]]), proof=b"proof")
    output = await waiting
    assert output.decode("int256[]") == (7, -1)
    assert (output.node, output.interval, output.redundancy) == (network.node.address, 1, 1)
    assert (output.tx_hash, output.block_hash, output.gas_used) == (
        receipt.tx_hash,
        receipt.block_hash,
        receipt.gas_used,
    )
    assert (output.proof, output.key) == (b"proof", key)
    with pytest.raises(InvalidInput):
        output.decode("string", "uint8[5]")


async def test_a_request_with_empty_features_is_no_pull(network: Network) -> None:
    key = await network.asker.request("demo/echo:1", b"")
    assert (await network.find_created(key)).subscription.mode == 0


async def test_each_of_several_answers_is_found_by_its_ordinal(network: Network) -> None:
    key = await network.asker.request("demo/echo:1", b"", redundancy=2)
    await network.deliver(key, b"one")
    async with await AsyncClient.connect(network.chain.rpc_url, DEV_ACCOUNTS[2].private_key) as second:
        network.node = second
        await network.deliver(key, b"two")
        reader = await AsyncClient.connect(network.chain.rpc_url)
        async with reader:
            outputs = [await reader.wait_output(key, redundancy=ordinal) for ordinal in (1, 2)]
        assert [output.output for output in outputs] == [b"one", b"two"]
        assert outputs[1].node == second.address


async def test_a_subscription_is_answered_interval_by_interval_until_it_is_cancelled(network: Network) -> None:
    key = await network.asker.subscribe("demo/echo:1", b"x", period=10)
    subscription = (await network.find_created(key)).subscription
    assert subscription.frequency == PERPETUAL
    for interval in (1, 3):
        await network.chain.set_next_timestamp(Timestamp(subscription.active_at + (interval - 1) * 10))
        await network.deliver(key, bytes([interval]), interval)
        assert (await network.asker.wait_output(key, interval)).output == bytes([interval])
    await network.asker.cancel(key)
    with pytest.raises(JobRejected) as caught:
        await network.asker.wait_output(key, 4)
    assert caught.value.code == "subscription.cancelled"
    assert (await network.asker.wait_output(key, 3)).output == b"\x03"
    with pytest.raises(JobRejected) as caught:
        await network.asker.cancel(key.id)
    assert caught.value.code == "revert.SubscriptionNotFound"
    with pytest.raises(InvalidInput):
        await network.node.cancel(key)


async def test_an_output_that_does_not_come_is_one_line(network: Network) -> None:
    key = await network.asker.request("demo/echo:1", b"")
    with pytest.raises(RetryLater, match="does a node run") as caught:
        await network.asker.wait_output(key, timeout_s=0.2)
    assert caught.value.code == "output.not_delivered"


async def test_an_output_of_long_ago_is_found(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    key = await network.asker.request("demo/echo:1", b"")
    await network.deliver(key, b"old")
    await network.chain.mine(70)
    monkeypatch.setattr("infernet.client.outputs._WINDOW_BLOCKS", 20)
    async with await AsyncClient.connect(network.chain.rpc_url) as reader:
        assert (await reader.wait_output(key)).output == b"old"
        cancelled = await network.asker.subscribe("demo/echo:1", b"x", period=10)
        await network.asker.cancel(cancelled)
        await network.chain.mine(70)
        with pytest.raises(JobRejected) as caught:
            await reader.wait_output(cancelled)
        assert caught.value.code == "subscription.cancelled"


async def test_ranges_are_halved_where_the_endpoint_wants_that(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await network.asker.request("demo/echo:1", b"")
    await network.chain.mine(40)
    await network.deliver(key, b"x")
    async with await AsyncClient.connect(network.chain.rpc_url) as reader:
        whole, asked = reader.chain.fetch_logs, []

        async def picky(addresses, first, last, topics=()):  # type: ignore[no-untyped-def]
            asked.append(last - first)
            if last - first > 8:
                raise RetryLater("chain.range_too_large", "fewer")
            return await whole(addresses, first, last, topics)

        monkeypatch.setattr(reader.chain, "fetch_logs", picky)
        assert (await reader.wait_output(key)).output == b"x"
        assert max(asked) > 8


async def test_a_consumers_request_and_its_answer(network: Network) -> None:
    asker = network.asker
    consumer = await asker.deploy("DigitsClassifier", network.coordinator, "demo/digits:1")
    receipt = await asker.transact(consumer, "DigitsClassifier", "classify(bytes)", bytes(64))
    (key,) = asker.read_created(receipt)
    assert key.owner == consumer
    await network.deliver(key, encode(["int256[]"], [[7]]))
    assert (await asker.wait_output(key)).decode("int256[]") == (7,)
    assert await asker.read(consumer, "DigitsClassifier", "answers", key.id) == (7, 1)
    assert await asker.read(consumer, "DigitsClassifier", "COORDINATOR") == network.coordinator


async def test_a_consumer_that_refuses_says_why_inside_the_coordinators_error(network: Network) -> None:
    asker = network.asker
    consumer = await asker.deploy("DigitsClassifier", network.coordinator, "demo/digits:1")
    receipt = await asker.transact(consumer, "DigitsClassifier", "classify(bytes)", bytes(64))
    (key,) = asker.read_created(receipt)
    with pytest.raises(JobRejected, match=r"CallbackFailed\(.*reason=NotALabel\(label=77\)\)") as caught:
        await network.deliver(key, encode(["int256[]"], [[77]]))
    assert caught.value.code == "revert.CallbackFailed"
    assert caught.value.fields["inner"] == "NotALabel"


async def test_many_transactions_at_once_take_different_nonces(network: Network) -> None:
    keys = await asyncio.gather(*(network.asker.request("demo/echo:1", bytes([n])) for n in range(10)))
    assert len({key.id for key in keys}) == 10


async def test_a_delegated_request_is_signed_and_created_by_anyone(network: Network) -> None:
    consumer = await network.asker.deploy("SignedDigits", network.coordinator, network.asker.address)
    first = await network.asker.sign_delegate(consumer, "demo/digits:1", b"x")
    second = await network.asker.sign_delegate(consumer, "demo/digits:1", b"x")
    assert (first.nonce, second.nonce) == (0, 1)
    key = await network.node.submit_delegate(first)
    assert key.owner == consumer
    assert key.id == first.id
    assert await network.node.submit_delegate(first) == key
    await network.deliver(key, encode(["int256[]"], [[4]]))
    with pytest.raises(JobRejected) as caught:
        await network.node.submit_delegate(first)
    assert caught.value.code == "revert.NonceUsed"
    assert (await network.asker.sign_delegate(consumer, "c", b"")).nonce == 2
    await network.node.transact(
        network.coordinator,
        "EIP712Coordinator",
        "deliverModelOutputDelegate",
        second,
        1,
        encode(["int256[]"], [[3]]),
        b"",
    )
    created = key._replace(id=second.id)
    assert (await network.asker.wait_output(created)).decode("int256[]") == (3,)


async def test_the_first_free_nonce_is_found_behind_those_used(network: Network) -> None:
    consumer = await network.asker.deploy("SignedDigits", network.coordinator, network.asker.address)
    for nonce in (0, 1, 3):
        await network.node.submit_delegate(await network.asker.sign_delegate(consumer, "c", b"", nonce=nonce))
    async with await AsyncClient.connect(
        network.chain.rpc_url, DEV_ACCOUNTS[0].private_key, coordinator=network.coordinator
    ) as other:
        assert (await other.sign_delegate(consumer, "c", b"")).nonce == 2


async def test_only_the_contracts_signer_may_sign_for_it(network: Network) -> None:
    consumer = await network.asker.deploy("SignedDigits", network.coordinator, network.asker.address)
    with pytest.raises(InvalidInput) as caught:
        await network.node.sign_delegate(consumer, "c", b"")
    assert caught.value.code == "delegate.wrong_signer"
    for owner in (network.coordinator, ZERO_ADDRESS):
        with pytest.raises(InvalidInput) as caught:
            await network.asker.sign_delegate(owner, "c", b"")
        assert caught.value.code == "delegate.no_delegator"


async def test_an_expired_request_reverts_by_name(network: Network) -> None:
    consumer = await network.asker.deploy("SignedDigits", network.coordinator, network.asker.address)
    request = await network.asker.sign_delegate(consumer, "c", b"", expiry=1)
    with pytest.raises(JobRejected) as caught:
        await network.node.submit_delegate(request)
    assert caught.value.code == "revert.SignatureExpired"


async def test_an_output_delivered_through_a_contract_says_so(network: Network) -> None:
    key = await network.asker.request("demo/echo:1", b"")
    created = await network.find_created(key)
    data = load_artifact("EIP712Coordinator").encode_call(
        "deliverModelOutput", [key.id, 1, created.subscription, b"hidden", b""]
    )
    # A contract that forwards its calldata: copy them to memory, call the Coordinator with them, stop.
    address = bytes.fromhex(network.coordinator[2:])
    runtime = bytes.fromhex("36600060003760006000366000600073") + address + bytes.fromhex("5af15000")
    init = bytes([0x60, len(runtime)]) + bytes.fromhex("80600b6000396000f3") + runtime
    receipt = await network.node._account.send(Message(None, init))
    assert receipt.contract_address is not None
    await network.node._account.send(Message(receipt.contract_address, data, gas=Gas(1_000_000)))
    with pytest.raises(JobRejected, match="not by a call to the Coordinator") as caught:
        await network.asker.wait_output(key)
    assert caught.value.code == "output.indirect"


async def test_errors_of_the_callers_own_contract_are_named(network: Network, tmp_path: Path) -> None:
    abi = [
        {"type": "error", "name": "Mine", "inputs": [{"name": "n", "type": "uint8"}]},
        {"type": "function", "name": "go", "inputs": [], "outputs": [], "stateMutability": "nonpayable"},
    ]
    selector = parse_abi(abi)[0].selector
    # mstore(0, selector << 224); mstore(4, 9); revert(0, 36)
    runtime = bytes.fromhex("63") + selector + bytes.fromhex("60e01b600052600960045260246000fd")
    init = bytes([0x60, len(runtime)]) + bytes.fromhex("80600b6000396000f3") + runtime
    path = tmp_path / "Own.json"
    path.write_text(json.dumps({"abi": abi, "bytecode": {"object": "0x" + init.hex()}}))
    address = await network.asker.deploy(path)
    for call in (network.asker.transact, network.asker.read):
        with pytest.raises(JobRejected, match=r"Mine\(n=9\)") as caught:
            await call(address, path, "go")
        assert caught.value.code == "revert.Mine"


async def test_a_mined_transaction_that_reverted_is_explained(network: Network) -> None:
    with pytest.raises(JobRejected) as caught:
        await network.asker.transact(network.coordinator, "EIP712Coordinator", "cancelSubscription", 77, gas=200_000)
    assert caught.value.code == "revert.SubscriptionNotFound"


# Bad input: one clear line each.


async def test_a_chain_that_is_not_there_is_one_line() -> None:
    with pytest.raises(RetryLater) as caught:
        await AsyncClient.connect("http://127.0.0.1:9")
    assert caught.value.code == "chain.unreachable"


async def test_another_chain_than_expected_is_one_line(local_chain: ChildChain) -> None:
    with pytest.raises(NodeMisconfigured, match="serves chain 31337, not 1") as caught:
        await AsyncClient.connect(local_chain.rpc_url, chain_id=1)
    assert caught.value.code == "chain.wrong_id"


async def test_an_address_without_code_is_one_line(network: Network) -> None:
    nowhere = "0x" + "12" * 20
    for attempt in (
        network.asker.attach(nowhere),
        network.asker.read(nowhere, "DigitsClassifier", "CONTAINER"),
        network.asker.transact(nowhere, "DigitsClassifier", "classify(bytes)", bytes(64)),
    ):
        with pytest.raises(InvalidInput, match="no contract at 0x1212") as caught:
            await attempt
        assert caught.value.code == "client.no_code"


async def test_a_contract_that_is_no_coordinator_is_one_line(network: Network) -> None:
    consumer = await network.asker.deploy("SignedDigits", network.coordinator, network.asker.address)
    with pytest.raises(InvalidInput) as caught:
        await network.asker.attach(consumer)
    assert caught.value.code == "client.not_a_coordinator"
    assert network.asker.coordinator == network.coordinator


async def test_a_client_without_a_key_reads_and_says_that_it_cannot_send(network: Network) -> None:
    async with await AsyncClient.connect(network.chain.rpc_url, coordinator=network.coordinator) as reader:
        assert await reader.read(network.coordinator, "EIP712Coordinator", "lastId") >= 0
        with pytest.raises(InvalidInput) as caught:
            await reader.request("c", b"")
        assert caught.value.code == "client.no_key"


async def test_an_unattached_client_says_so(local_chain: ChildChain) -> None:
    async with await AsyncClient.connect(local_chain.rpc_url, DEV_ACCOUNTS[0].private_key) as client:
        with pytest.raises(InvalidInput) as caught:
            await client.request("c", b"")
        assert caught.value.code == "client.not_attached"


async def test_an_account_without_money_is_one_line(network: Network) -> None:
    signer = LocalSigner.generate()
    async with await AsyncClient.connect(network.chain.rpc_url, signer=signer, coordinator=network.coordinator) as poor:
        with pytest.raises(RetryLater) as caught:
            await poor.request("c", b"")
        assert caught.value.code == "tx.insufficient_funds"
        await network.chain.set_balance(signer.address, Wei(10**18))
        assert (await poor.request("c", b"")).owner == signer.address


async def test_a_key_file_opens_the_account(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    signer = create_key_file(path, "secret", scrypt_work=16)
    async with await AsyncClient.connect(network.chain.rpc_url, key_file=path, password="secret") as client:
        assert client.address == signer.address
    with pytest.raises(NodeMisconfigured) as caught:
        await AsyncClient.connect(network.chain.rpc_url, key_file=path, password="wrong")
    assert caught.value.code == "key.wrong_password"
    with pytest.raises(InvalidInput):
        await AsyncClient.connect(network.chain.rpc_url, "11" * 32, key_file=path)


@pytest.mark.parametrize(
    ("function", "arguments", "words"),
    [
        ("nothing", (), "has no function nothing"),
        ("classify", (), "takes no 0 arguments"),
        ("classify(bytes)", ("text",), "classify"),
        ("answers", (2**40,), "answers"),
    ],
)
async def test_arguments_that_do_not_fit_are_one_line(
    network: Network, function: str, arguments: tuple, words: str
) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        await network.asker.transact(network.coordinator, "DigitsClassifier", function, *arguments)
    assert "\n" not in caught.value.message


async def test_terms_that_the_contract_refuses_revert_by_name(network: Network) -> None:
    with pytest.raises(JobRejected) as caught:
        await network.asker.request("c", b"", max_gas_limit=5)
    assert caught.value.code == "revert.MaxGasLimitTooLow"
    with pytest.raises(InvalidInput):
        await network.asker.request("c", b"", max_gas_price=2**48)
    with pytest.raises(JobRejected) as caught:
        await network.asker.cancel(SubscriptionId(999))
    assert caught.value.code == "revert.SubscriptionNotFound"
