// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {SlotConsumer} from "../src/examples/SlotConsumer.sol";
import {DelegateRequest, Subscription} from "../src/Subscription.sol";
import {Base} from "./Base.sol";

/// @dev Gas of the main flows as whole transactions (base and calldata included, state cold), committed in snapshots/.
/// The consumer stores 32 bytes in a slot that is in use; features are 64 bytes, the name of the container has 12.
/// forge-config: default.isolate = true
contract GasTest is Base {
    string private constant NAME = "digits-model";
    bytes private features = new bytes(64);
    bytes private output = abi.encode(keccak256("output"));

    SlotConsumer private slot;

    function setUp() public override {
        super.setUp();
        for (uint256 i; i < 64; ++i) {
            features[i] = bytes1(uint8(i + 1));
        }
        slot = SlotConsumer(
            vm.deployCode("SlotConsumer.sol:SlotConsumer", abi.encode(address(coordinator), vm.addr(SIGNER_KEY)))
        );
        // First uses of the counter, the slot and the bitmap's word are not what is measured.
        uint32 id = _ask();
        _answer(id, 1, _slotTerms(), abi.encode(keccak256("before")));
        vm.prank(address(slot));
        coordinator.burnNonce(0);
    }

    function _slotTerms() private view returns (Subscription memory s) {
        s = _terms();
        s.owner = address(slot);
        s.containerId = keccak256(bytes(NAME));
        s.featuresHash = keccak256(features);
    }

    function _ask() private returns (uint32) {
        return slot.request(NAME, features, 100 gwei, overhead + CALLBACK_GAS, 1);
    }

    function _answer(uint32 id, uint32 interval, Subscription memory s, bytes memory data) private {
        vm.prank(NODE);
        coordinator.deliverModelOutput(id, interval, s, data, "");
    }

    function _signed(uint32 nonce, Subscription memory s) private view returns (DelegateRequest memory r) {
        r = _request(nonce, s);
        (r.container, r.features) = (NAME, features);
    }

    function _answerSigned(DelegateRequest memory r) private {
        vm.prank(NODE);
        coordinator.deliverModelOutputDelegate(r, 1, output, "");
    }

    function test_FreeCallback() public {
        uint32 id = _ask();
        uint256 request = vm.snapshotGasLastCall("free callback: request");
        _answer(id, 1, _slotTerms(), output);
        uint256 delivery = vm.snapshotGasLastCall("free callback: delivery");
        vm.assertLe(request + delivery, 115_000);
    }

    function test_DelegatedCreateAndDeliver() public {
        DelegateRequest memory r = _signed(1, _slotTerms());
        _answerSigned(r);
        uint256 used = vm.snapshotGasLastCall("delegated create and deliver: used bitmap word");
        vm.assertLe(used, 100_000);
        r = _signed(256, _slotTerms());
        _answerSigned(r);
        vm.snapshotGasLastCall("delegated create and deliver: fresh bitmap word");
    }

    /// @dev Paid in ETH, a creator and a protocol share included; everyone has earned before.
    function _paidSlotTerms() private view returns (Subscription memory s) {
        s = _slotTerms();
        (s.fee, s.deadline) = (1 ether, uint40(block.timestamp + 1 hours));
    }

    function _askPaid(Subscription memory s) private returns (uint32) {
        return slot.requestWithTerms(s, s.royaltyBps == 0 ? NAME : "ns/digits-:1", features);
    }

    function _earnedBefore(Subscription memory s) private {
        _fund(address(slot), 100 ether);
        _answer(_askPaid(s), 1, s, abi.encode(keccak256("paid before")));
    }

    function test_PaidCallback() public {
        Subscription memory s = _paidSlotTerms();
        _earnedBefore(s);
        uint32 id = _askPaid(s);
        uint256 request = vm.snapshotGasLastCall("paid callback: request");
        _answer(id, 1, s, output);
        uint256 delivery = vm.snapshotGasLastCall("paid callback: delivery");
        vm.assertLe(request + delivery, 165_000);
    }

    /// @dev The name of the container has 12 characters here too.
    function _publishModel() private {
        models.claimNamespace("ns");
        models.publish("ns", "digits-", "1", IModelRegistry.Publication("manifest", "uri", address(0xC4EA), 1000));
    }

    function test_PaidCallbackWithShares() public {
        coordinator = _deployWith(100, PROTOCOL);
        bytes memory arguments = abi.encode(address(coordinator), vm.addr(SIGNER_KEY));
        slot = SlotConsumer(vm.deployCode("SlotConsumer.sol:SlotConsumer", arguments));
        _publishModel();
        Subscription memory s = _paidSlotTerms();
        (s.royaltyTo, s.royaltyBps, s.containerId) = (address(0xC4EA), 1000, keccak256("ns/digits-:1"));
        _earnedBefore(s);
        uint32 id = _askPaid(s);
        uint256 request = vm.snapshotGasLastCall("paid callback, creator and protocol: request");
        _answer(id, 1, s, output);
        uint256 delivery = vm.snapshotGasLastCall("paid callback, creator and protocol: delivery");
        vm.assertLe(request + delivery, 170_000); // two more balances
    }

    function test_PaidDelegated() public {
        Subscription memory s = _paidSlotTerms();
        _earnedBefore(s);
        DelegateRequest memory r = _signed(1, s);
        _answerSigned(r);
        vm.snapshotGasLastCall("paid, delegated create and deliver: used bitmap word");
    }

    function test_PaidRecurring() public {
        Subscription memory s = _slotTerms();
        _earnedBefore(_paidSlotTerms());
        (s.fee, s.frequency, s.period) = (1 ether, FOREVER, 60);
        uint32 id = _askPaid(s);
        vm.snapshotGasLastCall("paid, recurring: subscribe");
        _answer(id, 1, s, output);
        vm.snapshotGasLastCall("paid, recurring: first delivery");
        vm.warp(START + 60);
        _answer(id, 2, s, abi.encode(keccak256("next")));
        vm.snapshotGasLastCall("paid, recurring: further delivery");
        slot.cancel(id);
        vm.snapshotGasLastCall("paid, recurring: cancel");
    }

    function test_Ledger() public {
        _fund(NODE, 1 ether);
        vm.deal(NODE, 1 ether);
        vm.prank(NODE);
        coordinator.deposit{value: 0.5 ether}(NODE, address(0), 0.5 ether);
        vm.snapshotGasLastCall("ledger: deposit ETH");
        vm.prank(NODE);
        coordinator.withdraw(NODE, address(0), 1 ether);
        vm.snapshotGasLastCall("ledger: withdraw ETH");
    }

    function _batch(uint256 count, bool paid) private returns (bytes[] memory deliveries) {
        Subscription memory s = paid ? _paidSlotTerms() : _slotTerms();
        deliveries = new bytes[](count);
        for (uint256 i; i < count; ++i) {
            uint32 id = paid ? _askPaid(s) : _ask();
            bytes memory data = abi.encode(keccak256(abi.encode("output", i)));
            deliveries[i] = abi.encodeCall(coordinator.deliverModelOutput, (id, 1, s, data, ""));
        }
    }

    function _submit(bytes[] memory deliveries, string memory name) private returns (uint256) {
        vm.prank(NODE);
        coordinator.deliverModelOutputs(deliveries);
        return vm.snapshotGasLastCall(name);
    }

    function test_Batch() public {
        bytes[] memory one = _batch(1, false);
        bytes[] memory ten = _batch(10, false);
        uint256 first = _submit(one, "batch of 1, free");
        uint256 all = _submit(ten, "batch of 10, free");
        vm.assertLe((all - first) / 9, 30_000);
    }

    function test_PaidBatch() public {
        _earnedBefore(_paidSlotTerms());
        bytes[] memory one = _batch(1, true);
        bytes[] memory ten = _batch(10, true);
        uint256 first = _submit(one, "batch of 1, paid");
        uint256 all = _submit(ten, "batch of 10, paid");
        vm.assertLe((all - first) / 9, 30_000);
    }

    function test_Recurring() public {
        uint32 id = slot.subscribe(NAME, 100 gwei, overhead + CALLBACK_GAS, FOREVER, 60, 1);
        vm.snapshotGasLastCall("recurring: subscribe");
        Subscription memory s = _slotTerms();
        (s.mode, s.featuresHash, s.frequency, s.period) = (1, 0, FOREVER, 60);
        s.activeAt = uint40(START + 60);
        vm.warp(START + 60);
        _answer(id, 1, s, output);
        vm.snapshotGasLastCall("recurring: first delivery");
        vm.warp(START + 120);
        _answer(id, 2, s, abi.encode(keccak256("next")));
        vm.snapshotGasLastCall("recurring: further delivery");
        slot.cancel(id);
        vm.snapshotGasLastCall("recurring: cancel");
    }

    /// @dev What DELIVERY_OVERHEAD_WEI is made of: the dearest free delivery, with 1 KB of output that has no zeros,
    /// costs less outside the callback.
    function test_TheOverheadCoversTheDearestDelivery() public {
        Subscription memory s = _slotTerms();
        (s.frequency, s.period, s.redundancy) = (FOREVER, type(uint32).max, type(uint16).max);
        (s.maxGasPrice, s.maxGasLimit) = (type(uint48).max, overhead + 0x01010101);
        vm.prank(address(slot));
        uint32 id = coordinator.createSubscription(s, NAME, features);
        bytes memory large = new bytes(1024);
        for (uint256 i; i < 1024; ++i) {
            large[i] = 0xff;
        }
        _answer(id, 1, s, large);
        uint256 whole = vm.snapshotGasLastCall("redundant, recurring, first delivery, 1 KB");
        uint256 callback = 5_000; // the consumer's storage alone; it does more
        vm.assertLe(whole - callback, overhead);
    }
}
