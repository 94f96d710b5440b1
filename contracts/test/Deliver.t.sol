// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICoordinator} from "../src/interfaces/ICoordinator.sol";
import {Subscription} from "../src/Subscription.sol";
import {Base} from "./Base.sol";
import {Puppet} from "./Puppet.sol";

/// @dev Delivering: who, when, how often.
contract DeliverTest is Base {
    function testFuzz_HandsOverTheOutput(bytes calldata output, bytes calldata proof, address node) public {
        Subscription memory s = _terms();
        uint32 id = _create(s);

        vm.expectEmit(address(coordinator));
        emit ICoordinator.SubscriptionFulfilled(address(puppet), id, node, 1, 1, true);
        vm.prank(node);
        coordinator.deliverModelOutput(id, 1, s, output, proof);

        Puppet.Received memory got = puppet.last();
        vm.assertEq(got.id, id);
        vm.assertEq(got.interval, 1);
        vm.assertEq(got.redundancy, 1);
        vm.assertEq(got.node, node);
        vm.assertEq(got.output, output);
        vm.assertEq(got.proof, proof);
    }

    function test_OneAnswerLeavesNothingBehind() public {
        Subscription memory s = _terms();
        uint32 id = _create(s);
        vm.record();
        _deliver(id, 1, s);
        (, bytes32[] memory writes) = vm.accesses(address(coordinator));
        vm.assertEq(writes.length, 1);
        vm.assertEq(vm.load(address(coordinator), writes[0]), 0);
        vm.expectRevert(_notFound(address(puppet), id));
        _deliver(id, 1, s);
    }

    function test_LastOfManyLeavesNoWordsBehind() public {
        Subscription memory s = _recurring(2, 60, 2);
        uint32 id = _create(s);
        _deliver(id, 1, s);
        _deliverBy(OTHER_NODE, id, 1, s);
        vm.warp(START + 60);
        _deliver(id, 2, s);
        (bytes32 word, uint32 interval, uint16 delivered) = coordinator.getSubscription(address(puppet), id);
        vm.assertEq(word, _commitment(s));
        vm.assertEq(interval, 2);
        vm.assertEq(delivered, 1);
        vm.assertEq(coordinator.getLastInterval(address(puppet), id, NODE), 2);
        vm.assertEq(coordinator.getLastInterval(address(puppet), id, OTHER_NODE), 1);

        vm.record();
        _deliverBy(OTHER_NODE, id, 2, s);
        (word, interval, delivered) = coordinator.getSubscription(address(puppet), id);
        vm.assertEq(word, 0);
        vm.assertEq(interval, 0);
        vm.assertEq(delivered, 0);
        (, bytes32[] memory writes) = vm.accesses(address(coordinator));
        uint256 zeros;
        for (uint256 i; i < writes.length; ++i) {
            if (vm.load(address(coordinator), writes[i]) == 0) ++zeros;
        }
        vm.assertGe(zeros, 2); // the word and the cursor; the node's own entry stays
        vm.expectRevert(_notFound(address(puppet), id));
        _deliver(id, 2, s);
    }

    function test_RevertWhen_ThereIsNoSuchSubscription() public {
        vm.expectRevert(_notFound(address(puppet), 1));
        _deliver(1, 1, _terms());
    }

    function test_RevertWhen_TheOwnerIsAnother() public {
        Subscription memory s = _terms();
        uint32 id = _create(s);
        s.owner = address(0xBAD);
        vm.expectRevert(_notFound(address(0xBAD), id));
        _deliver(id, 1, s);
    }

    function testFuzz_RevertWhen_AnyTermDiffers(uint256 field, uint256 bit) public {
        Subscription memory s = _terms();
        uint32 id = _create(s);
        field = _bound(field, 1, 20);
        bit = _bound(bit, 0, 7); // every field has 8 bits
        assembly {
            let slot := add(s, mul(field, 0x20))
            mstore(slot, xor(mload(slot), shl(bit, 1)))
        }
        vm.expectRevert(_mismatch(address(puppet), id));
        _deliver(id, 1, s);
    }

    function testFuzz_RevertWhen_NotTheNamedNode(address node, address caller) public {
        vm.assume(node != address(0) && caller != node);
        Subscription memory s = _terms();
        s.node = node;
        uint32 id = _create(s);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.NotNamedNode.selector, caller, node));
        _deliverBy(caller, id, 1, s);
        _deliverBy(node, id, 1, s);
        vm.assertEq(puppet.last().node, node);
    }

    function testFuzz_RevertWhen_GasPriceIsTooHigh(uint48 maximum, uint256 price) public {
        maximum = uint48(_bound(maximum, 1, type(uint48).max));
        price = _bound(price, uint256(maximum) + 1, type(uint64).max);
        Subscription memory s = _terms();
        s.maxGasPrice = maximum;
        uint32 id = _create(s);
        vm.txGasPrice(price);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.GasPriceTooHigh.selector, price, maximum));
        _deliver(id, 1, s);
        vm.txGasPrice(maximum);
        _deliver(id, 1, s);
        vm.assertEq(puppet.count(), 1);
    }

    // --- Intervals

    function testFuzz_Interval(uint40 activeAt, uint32 period, uint64 elapsed) public {
        uint256 timestamp = uint256(activeAt) + elapsed;
        vm.warp(timestamp);
        uint256 expected = period == 0 ? 1 : uint256(elapsed) / period + 1;
        if (expected > type(uint32).max) {
            vm.expectRevert(abi.encodeWithSignature("SafeCastOverflowedUintDowncast(uint8,uint256)", 32, expected));
            coordinator.getSubscriptionInterval(activeAt, period);
        } else {
            vm.assertEq(coordinator.getSubscriptionInterval(activeAt, period), expected);
        }
    }

    function testFuzz_IntervalBeginsAtItsStart(uint40 activeAt, uint32 period, uint32 interval) public {
        vm.assume(period != 0 && interval > 1);
        uint256 start = activeAt + uint256(interval - 1) * period;
        vm.warp(start);
        vm.assertEq(coordinator.getSubscriptionInterval(activeAt, period), interval);
        vm.warp(start - 1);
        vm.assertEq(coordinator.getSubscriptionInterval(activeAt, period), interval - 1);
    }

    function testFuzz_RevertWhen_NotActiveYet(uint40 activeAt, uint32 period, uint40 timestamp) public {
        activeAt = uint40(_bound(activeAt, 1, type(uint40).max));
        timestamp = uint40(_bound(timestamp, 0, activeAt - 1));
        vm.warp(timestamp);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.SubscriptionNotActive.selector, timestamp, activeAt));
        coordinator.getSubscriptionInterval(activeAt, period);
    }

    function test_IntervalsAtTheLimits() public {
        uint40 last = type(uint40).max;
        vm.warp(last);
        vm.assertEq(coordinator.getSubscriptionInterval(last, 1), 1);
        vm.assertEq(coordinator.getSubscriptionInterval(last, type(uint32).max), 1);
        vm.assertEq(coordinator.getSubscriptionInterval(0, 0), 1);
        vm.assertEq(coordinator.getSubscriptionInterval(0, 257), uint256(last) / 257 + 1);
        vm.warp(uint256(type(uint32).max) - 1);
        vm.assertEq(coordinator.getSubscriptionInterval(0, 1), type(uint32).max);
        vm.warp(type(uint32).max);
        vm.expectRevert();
        coordinator.getSubscriptionInterval(0, 1);
        vm.warp(type(uint256).max);
        vm.expectRevert();
        coordinator.getSubscriptionInterval(0, 1);
        vm.assertEq(coordinator.getSubscriptionInterval(0, 0), 1);
    }

    function test_RevertWhen_DeliveredBeforeItsStart() public {
        Subscription memory s = _terms();
        s.activeAt = uint40(START + 1);
        uint32 id = _create(s);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.SubscriptionNotActive.selector, START, uint40(START + 1)));
        _deliver(id, 1, s);
    }

    function testFuzz_RevertWhen_NotTheCurrentInterval(uint32 given, uint32 current) public {
        current = uint32(_bound(current, 1, 1_000_000));
        vm.assume(given != current);
        Subscription memory s = _recurring(FOREVER, 60, 1);
        uint32 id = _create(s);
        vm.warp(START + uint256(current - 1) * 60);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.IntervalMismatch.selector, given, current));
        _deliver(id, given, s);
    }

    function testFuzz_RevertWhen_PastTheLastInterval(uint32 frequency, uint32 late) public {
        frequency = uint32(_bound(frequency, 1, 1_000_000));
        uint32 interval = frequency + uint32(_bound(late, 1, 1_000_000));
        Subscription memory s = _recurring(frequency, 60, 1);
        uint32 id = _create(s);
        vm.warp(START + uint256(interval - 1) * 60);
        vm.expectRevert(
            abi.encodeWithSelector(ICoordinator.SubscriptionCompleted.selector, interval, uint256(frequency))
        );
        _deliver(id, interval, s);
    }

    function test_IntervalsMayBeMissed() public {
        Subscription memory s = _recurring(5, 60, 1);
        uint32 id = _create(s);
        _deliver(id, 1, s);
        vm.warp(START + 3 * 60);
        _deliver(id, 4, s);
        vm.warp(START + 4 * 60);
        _deliver(id, 5, s);
        vm.assertEq(_word(address(puppet), id), 0);
    }

    function test_PerpetualGoesOn() public {
        Subscription memory s = _recurring(FOREVER, 1, 1);
        uint32 id = _create(s);
        uint32[4] memory intervals = [uint32(1), 2, 1_000_000_000, type(uint32).max];
        for (uint256 i; i < intervals.length; ++i) {
            vm.warp(START + intervals[i] - 1);
            _deliver(id, intervals[i], s);
        }
        vm.assertEq(puppet.count(), 4);
        vm.assertEq(_word(address(puppet), id), _commitment(s));
    }

    function test_OneIntervalOfSeveralAnswersEndsAtItsEnd() public {
        Subscription memory s = _recurring(1, 60, 1);
        uint32 id = _create(s);
        vm.warp(START + 60);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.SubscriptionCompleted.selector, 2, 1));
        _deliver(id, 2, s);
    }

    // --- Redundancy

    function testFuzz_EachIntervalTakesItsAnswersOnce(uint8 redundancy, uint8 intervals) public {
        redundancy = uint8(_bound(redundancy, 1, 8));
        intervals = uint8(_bound(intervals, 1, 4));
        Subscription memory s = _recurring(FOREVER, 60, redundancy);
        uint32 id = _create(s);
        for (uint32 interval = 1; interval <= intervals; ++interval) {
            vm.warp(START + (interval - 1) * 60);
            for (uint16 i = 1; i <= redundancy; ++i) {
                _deliverBy(address(uint160(i)), id, interval, s);
                vm.assertEq(puppet.last().redundancy, i);
                vm.assertEq(puppet.last().interval, interval);
            }
            vm.expectRevert(
                abi.encodeWithSelector(ICoordinator.IntervalCompleted.selector, interval, uint16(redundancy))
            );
            _deliverBy(NODE, id, interval, s);
        }
        vm.assertEq(puppet.count(), uint256(redundancy) * intervals);
    }

    function test_RevertWhen_OneNodeAnswersTwice() public {
        Subscription memory s = _recurring(1, 0, 3);
        uint32 id = _create(s);
        _deliver(id, 1, s);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.AlreadyDelivered.selector, NODE, 1));
        _deliver(id, 1, s);
        _deliverBy(OTHER_NODE, id, 1, s);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.AlreadyDelivered.selector, NODE, 1));
        _deliver(id, 1, s);
        _deliverBy(address(3), id, 1, s);
        vm.expectRevert(_notFound(address(puppet), id));
        _deliverBy(address(4), id, 1, s);
    }

    function test_TheHighestOrdinalDoesNotWrap() public {
        Subscription memory s = _recurring(1, 0, type(uint16).max);
        uint32 id = _create(s);
        _deliver(id, 1, s);
        // The cursor stands in the word after the commitment: interval 1, delivered 65534.
        bytes32 cursor =
            bytes32(uint256(keccak256(abi.encode(id, keccak256(abi.encode(address(puppet), uint256(4)))))) + 1);
        vm.assertEq(uint256(vm.load(address(coordinator), cursor)), 1 | 1 << 32);
        vm.store(address(coordinator), cursor, bytes32(uint256(1) | uint256(65_534) << 32));
        _deliverBy(OTHER_NODE, id, 1, s);
        vm.assertEq(puppet.last().redundancy, type(uint16).max);
        vm.assertEq(_word(address(puppet), id), 0);
    }

    // --- Consumers that are not there

    function test_AnswersAConsumerThatAskedInItsConstructor() public {
        bytes memory arguments = abi.encode(address(coordinator), false);
        Puppet young = Puppet(vm.deployCode("Puppet.sol:AsksInConstructor", arguments));
        _deliver(1, 1, _plainTerms(address(young)));
        vm.assertEq(_word(address(young), 1), 0);
    }

    /// @dev Its subscription is completed: it does not stay open for ever, and what follows is not disturbed.
    function test_AConsumerThatIsGoneDoesNoHarm() public {
        bytes memory arguments = abi.encode(address(coordinator), true);
        address gone = vm.deployCode("Puppet.sol:AsksInConstructor", arguments);
        vm.etch(gone, "");
        _deliver(1, 1, _plainTerms(gone));
        vm.assertEq(_word(gone, 1), 0);
    }

    function test_AConsumerThatDestroysItselfInItsCallback() public {
        Subscription memory s = _terms();
        uint32 id = _create(s);
        puppet.setMood(Puppet.Mood.SelfDestruct);
        _deliver(id, 1, s);
        vm.assertEq(_word(address(puppet), id), 0);
    }

    function _plainTerms(address owner) private view returns (Subscription memory s) {
        s = _terms();
        s.owner = owner;
        s.featuresHash = keccak256(hex"01");
        s.maxGasLimit = overhead + 100_000;
    }
}
