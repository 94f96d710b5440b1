// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Allowlist} from "../src/consumer/Allowlist.sol";
import {BaseConsumer} from "../src/consumer/BaseConsumer.sol";
import {SubscriptionConsumer} from "../src/consumer/SubscriptionConsumer.sol";
import {IAllowlist} from "../src/interfaces/IAllowlist.sol";
import {ICoordinator} from "../src/interfaces/ICoordinator.sol";
import {ILedger} from "../src/interfaces/ILedger.sol";
import {Verdict} from "../src/interfaces/IVerifier.sol";
import {Answer, Subscription} from "../src/Subscription.sol";
import {Base} from "./Base.sol";
import {Oracle} from "./Mocks.sol";
import {Puppet} from "./Puppet.sol";
import {Vm} from "./Vm.sol";

/// @dev A consumer that trusts a few nodes.
contract Picky is SubscriptionConsumer, Allowlist {
    uint256 public answers;

    constructor(address coordinator, address[] memory trusted) BaseConsumer(coordinator) Allowlist(trusted) {}

    function setAllowed(address node, bool allowed) external {
        _setAllowedNode(node, allowed);
    }

    function getModelFeatures(uint32, uint32, uint32, address caller)
        external
        view
        override
        onlyAllowedNode(caller)
        returns (bytes memory)
    {
        return hex"01";
    }

    function _receiveModelOutput(uint32, uint32, uint16, address node, bytes calldata, bytes calldata)
        internal
        override
        onlyAllowedNode(node)
    {
        ++answers;
    }
}

/// @dev Many deliveries at once; what else concerns nodes.
contract BatchTest is Base {
    uint128 private constant FEE = 1 ether;

    function _delivery(uint32 id, Subscription memory s) private view returns (bytes memory) {
        return abi.encodeCall(coordinator.deliverModelOutput, (id, 1, s, OUTPUT, PROOF));
    }

    function _submit(bytes[] memory deliveries) private {
        vm.prank(NODE);
        coordinator.deliverModelOutputs(deliveries);
    }

    function test_DeliversAll() public {
        _fund(address(puppet), 4 * FEE);
        bytes[] memory deliveries = new bytes[](5);
        for (uint256 i; i < 4; ++i) {
            Subscription memory s = _paidTerms(FEE);
            deliveries[i] = _delivery(_create(s), s);
        }
        deliveries[4] =
            abi.encodeCall(coordinator.deliverModelOutputDelegate, (_request(7, _terms()), 1, OUTPUT, PROOF));
        _submit(deliveries);
        vm.assertEq(puppet.count(), 5);
        vm.assertEq(puppet.last().node, NODE);
        _assertMoney(NODE, 4 * FEE, 0);
        _assertMoney(address(puppet), 0, 0);
    }

    /// @dev However little gas there is, running out of it is no failure of the item: a large output is delivered, or
    /// nothing happens.
    function testFuzz_AnItemIsNotStarved(uint256 gasLimit) public {
        gasLimit = _bound(gasLimit, 200_000, 2_500_000);
        Subscription memory s = _terms();
        bytes[] memory deliveries = new bytes[](1);
        s.mode = 16; // the callback is not to decide
        uint32 id = _create(s);
        deliveries[0] = abi.encodeCall(coordinator.deliverModelOutput, (id, 1, s, new bytes(300_000), PROOF));
        bytes memory data = abi.encodeCall(coordinator.deliverModelOutputs, (deliveries));
        (bool ok,) = address(coordinator).call{gas: gasLimit}(data);
        vm.assertEq(_word(address(puppet), id) == 0, ok);
    }

    /// @dev Whatever is wrong with one, the others are delivered.
    function test_ABadItemDoesNotDisturbTheOthers() public {
        Oracle oracle = new Oracle();
        Puppet angry = _puppet();
        angry.setMood(Puppet.Mood.Revert);
        oracle.setMood(Oracle.Mood.RevertLong);

        Subscription memory good = _terms();
        Subscription memory refused = _terms();
        refused.owner = address(angry);
        Subscription memory unverified = _terms();
        unverified.verifier = address(oracle);
        uint32 refusedId = _create(refused);

        bytes[] memory deliveries = new bytes[](7);
        deliveries[0] = _delivery(_create(good), good);
        deliveries[1] = _delivery(99, good);
        deliveries[2] = _delivery(refusedId, refused);
        deliveries[3] = _delivery(_create(unverified), unverified);
        deliveries[4] = abi.encodePacked(ICoordinator.deliverModelOutput.selector, "cut short");
        deliveries[5] = deliveries[0]; // answered by then
        deliveries[6] = _delivery(_create(good), good);

        vm.recordLogs();
        _submit(deliveries);
        vm.assertEq(puppet.count(), 2);
        vm.assertEq(angry.count(), 0);

        Vm.Log[] memory logs = vm.getRecordedLogs();
        uint256 failed;
        uint256[5] memory expected = [uint256(1), 2, 3, 4, 5];
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] != ICoordinator.DeliveryFailed.selector) continue;
            (uint256 index, bytes memory reason) = abi.decode(logs[i].data, (uint256, bytes));
            vm.assertEq(logs[i].topics[1], bytes32(uint256(uint160(NODE))));
            vm.assertEq(index, expected[failed]);
            if (index == 1) vm.assertEq(reason, _notFound(address(puppet), 99));
            if (index == 2) {
                vm.assertEq(
                    reason,
                    abi.encodeWithSelector(
                        ICoordinator.CallbackFailed.selector,
                        address(angry),
                        refusedId,
                        abi.encodeWithSelector(Puppet.Refused.selector, 42)
                    )
                );
            }
            vm.assertLe(reason.length, 512);
            ++failed;
        }
        vm.assertEq(failed, 5);
    }

    /// @dev A callback gets its gas or none of the batch happens.
    function testFuzz_InsufficientGasRevertsAll(uint256 given) public {
        bytes[] memory deliveries = new bytes[](3);
        for (uint256 i; i < 3; ++i) {
            deliveries[i] = _delivery(_create(_terms()), _terms());
        }
        given = _bound(given, 50_000, 2_000_000);
        vm.prank(NODE);
        (bool ok, bytes memory result) =
            address(coordinator).call{gas: given}(abi.encodeCall(coordinator.deliverModelOutputs, (deliveries)));
        vm.assertEq(puppet.count(), ok ? 3 : 0);
        if (!ok) vm.assertEq(bytes32(bytes4(result)), bytes32(ICoordinator.InsufficientGas.selector));
    }

    /// @dev A verifier that takes all gas looks like a transaction that had too little: nothing happens.
    function test_AVerifierThatBurnsAllGasRevertsAll() public {
        Oracle oracle = new Oracle();
        oracle.setMood(Oracle.Mood.BurnGas);
        Subscription memory s = _terms();
        s.verifier = address(oracle);
        bytes[] memory deliveries = new bytes[](2);
        deliveries[0] = _delivery(_create(_terms()), _terms());
        deliveries[1] = _delivery(_create(s), s);
        vm.prank(NODE);
        (bool ok,) =
            address(coordinator).call{gas: 3_000_000}(abi.encodeCall(coordinator.deliverModelOutputs, (deliveries)));
        vm.assertFalse(ok);
        vm.assertEq(puppet.count(), 0);
    }

    function test_RevertWhen_AnItemIsNoDelivery() public {
        bytes[] memory deliveries = new bytes[](2);
        deliveries[0] = _delivery(_create(_terms()), _terms());
        deliveries[1] = abi.encodeCall(ILedger.withdraw, (NODE, address(0), 0));
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.NotADelivery.selector, 1, ILedger.withdraw.selector));
        _submit(deliveries);
        deliveries[1] = abi.encodeCall(coordinator.deliverModelOutputs, (new bytes[](0)));
        vm.expectRevert(
            abi.encodeWithSelector(ICoordinator.NotADelivery.selector, 1, ICoordinator.deliverModelOutputs.selector)
        );
        _submit(deliveries);
        deliveries[1] = hex"aabbcc";
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.NotADelivery.selector, 1, bytes4(0)));
        _submit(deliveries);
    }

    function test_SettlesInABatch() public {
        Oracle oracle = new Oracle();
        oracle.set(Verdict.Pending, START + 100);
        Subscription memory s = _terms();
        s.verifier = address(oracle);
        uint32 id = _create(s);
        _deliver(id, 1, s);
        oracle.set(Verdict.Valid, 0);
        bytes[] memory deliveries = new bytes[](1);
        Answer memory a = Answer(id, 1, 1, NODE, uint40(START + 100), s.featuresHash);
        deliveries[0] = abi.encodeCall(coordinator.settle, (a, s, OUTPUT, PROOF));
        _submit(deliveries);
        vm.assertEq(puppet.count(), 1);
    }

    // --- Allow-lists

    function test_AnAllowlistRefusesBeforeTheWork() public {
        address[] memory trusted = new address[](1);
        trusted[0] = NODE;
        Picky picky = new Picky(address(coordinator), trusted);
        vm.assertTrue(picky.isAllowedNode(NODE));
        vm.assertFalse(picky.isAllowedNode(OTHER_NODE));
        vm.assertEq(picky.getModelFeatures(1, 1, 1, NODE), hex"01");
        bytes memory reason = abi.encodeWithSelector(IAllowlist.NodeNotAllowed.selector, OTHER_NODE);
        vm.expectRevert(reason);
        picky.getModelFeatures(1, 1, 1, OTHER_NODE);

        Subscription memory s = _recurring(FOREVER, 60, 1);
        (s.owner, s.mode, s.featuresHash) = (address(picky), 1, 0);
        uint32 id = _create(s);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.CallbackFailed.selector, address(picky), id, reason));
        _deliverBy(OTHER_NODE, id, 1, s);
        _deliver(id, 1, s);
        vm.assertEq(picky.answers(), 1);

        vm.expectEmit(address(picky));
        emit IAllowlist.NodeAllowed(NODE, false);
        picky.setAllowed(NODE, false);
        vm.warp(START + 60);
        vm.expectPartialRevert(ICoordinator.CallbackFailed.selector);
        _deliver(id, 2, s);
    }

    // --- Turns

    function testFuzz_TurnDelay(address owner, uint32 id, uint32 interval, address node, uint32 window) public view {
        uint256 delay = coordinator.turnDelay(owner, id, interval, node, window);
        if (window == 0) {
            vm.assertEq(delay, 0);
        } else {
            vm.assertLt(delay, window);
        }
        // hash * window >> 256, by long multiplication in other halves.
        uint256 hash = uint256(keccak256(abi.encode(owner, id, interval, node)));
        uint256 high = (hash >> 128) * window;
        uint256 low = (hash & type(uint128).max) * window;
        vm.assertEq(delay, (high + (low >> 128)) >> 128);
    }

    /// @dev The value that src/infernet/protocol/decision.py computes.
    function test_TurnDelayIsThatOfTheNodes() public view {
        address owner = 0x1111111111111111111111111111111111111111;
        address node = 0x2222222222222222222222222222222222222222;
        vm.assertEq(coordinator.turnDelay(owner, 7, 3, node, 1000), 442);
        vm.assertEq(coordinator.turnDelay(owner, 7, 3, node, type(uint32).max), 1899555960);
    }
}
