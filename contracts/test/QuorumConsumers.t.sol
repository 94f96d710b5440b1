// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BaseConsumer} from "../src/consumer/BaseConsumer.sol";
import {MedianConsumer} from "../src/consumer/MedianConsumer.sol";
import {QuorumConsumer} from "../src/consumer/QuorumConsumer.sol";
import {SubscriptionConsumer} from "../src/consumer/SubscriptionConsumer.sol";
import {ICoordinator} from "../src/interfaces/ICoordinator.sol";
import {Subscription} from "../src/Subscription.sol";
import {Base} from "./Base.sol";

contract Agreeing is QuorumConsumer, SubscriptionConsumer {
    uint256 public calls;
    bytes public agreed;

    constructor(address coordinator) BaseConsumer(coordinator) {}

    function ask(uint32 limit, uint16 n, uint16 k) external returns (uint32) {
        return _requestQuorum("digits", hex"0102030405", 100 gwei, limit, n, k);
    }

    function askPlainly(uint32 limit) external returns (uint32) {
        return _requestModelOutput("digits", hex"0102030405", 100 gwei, limit, 1);
    }

    function subscribe(uint32 limit, uint16 n, uint16 k) external returns (uint32 id) {
        id = _createModelOutputSubscription("digits", 100 gwei, limit, 3, 60, n);
        _expectQuorum(id, n, k);
    }

    function getModelFeatures(uint32, uint32, uint32, address) external pure override returns (bytes memory) {
        return hex"01";
    }

    function _receiveModelOutput(
        uint32 id,
        uint32 interval,
        uint16 redundancy,
        address node,
        bytes calldata output,
        bytes calldata proof
    ) internal override(BaseConsumer, QuorumConsumer) {
        QuorumConsumer._receiveModelOutput(id, interval, redundancy, node, output, proof);
    }

    function _receiveAgreedOutput(uint32, uint32, bytes calldata output) internal override {
        ++calls;
        agreed = output;
    }
}

contract Middling is MedianConsumer {
    uint256 public calls;
    int256 public median;

    constructor(address coordinator) BaseConsumer(coordinator) {}

    function ask(uint32 limit, uint16 n, uint16 k) external returns (uint32) {
        return _requestMedian("digits", hex"0102030405", 100 gwei, limit, n, k);
    }

    function askPlainly(uint32 limit) external returns (uint32) {
        return _requestModelOutput("digits", hex"0102030405", 100 gwei, limit, 1);
    }

    function _receiveMedian(uint32, uint32, int256 value) internal override {
        ++calls;
        median = value;
    }
}

/// @dev k equal outputs, and the median, without a verifier.
contract QuorumConsumersTest is Base {
    Agreeing private agreeing;
    Middling private middling;
    uint32 private limit;

    function setUp() public override {
        super.setUp();
        agreeing = new Agreeing(address(coordinator));
        middling = new Middling(address(coordinator));
        limit = overhead + CALLBACK_GAS;
    }

    function _termsOf(address owner, uint16 n) private view returns (Subscription memory s) {
        s = _terms();
        (s.owner, s.redundancy) = (owner, n);
    }

    function _answer(uint32 id, Subscription memory s, uint32 interval, uint256 node, bytes memory output) private {
        vm.prank(address(uint160(0x1000 + node)));
        coordinator.deliverModelOutput(id, interval, s, output, "");
    }

    function _number(int256 value) private pure returns (bytes memory) {
        int256[] memory list = new int256[](1);
        list[0] = value;
        return abi.encode(list);
    }

    function _failure(address owner, uint32 id, bytes memory reason) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ICoordinator.CallbackFailed.selector, owner, id, reason);
    }

    // --- k equal outputs

    function test_KEqualOutputsAreActedOnOnce() public {
        uint32 id = agreeing.ask(limit, 5, 3);
        Subscription memory s = _termsOf(address(agreeing), 5);
        _answer(id, s, 1, 1, hex"2a");
        _answer(id, s, 1, 2, hex"2b");
        _answer(id, s, 1, 3, hex"2a");
        vm.assertEq(agreeing.calls(), 0);
        vm.assertEq(agreeing.agreedOutputHash(id, 1), 0);
        vm.assertEq(agreeing.outputCount(id, 1, keccak256(hex"2a")), 2);
        _answer(id, s, 1, 4, hex"2a");
        vm.assertEq(agreeing.calls(), 1);
        vm.assertEq(agreeing.agreed(), hex"2a");
        vm.assertEq(agreeing.agreedOutputHash(id, 1), keccak256(hex"2a"));
        _answer(id, s, 1, 5, hex"2a");
        vm.assertEq(agreeing.calls(), 1);
    }

    function test_WithoutAQuorumNothingHappens() public {
        uint32 id = agreeing.ask(limit, 3, 2);
        Subscription memory s = _termsOf(address(agreeing), 3);
        for (uint256 i; i < 3; ++i) {
            _answer(id, s, 1, i, abi.encode(i));
        }
        vm.assertEq(agreeing.calls(), 0);
    }

    /// @dev One node cannot be two.
    function test_RevertWhen_OneNodeAnswersTwice() public {
        uint32 id = agreeing.ask(limit, 3, 2);
        Subscription memory s = _termsOf(address(agreeing), 3);
        _answer(id, s, 1, 1, hex"2b");
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.AlreadyDelivered.selector, address(uint160(0x1001)), 1));
        _answer(id, s, 1, 1, hex"2b");
    }

    function test_EachIntervalAgreesAnew() public {
        uint32 id = agreeing.subscribe(limit, 3, 2);
        Subscription memory s = _termsOf(address(agreeing), 3);
        (s.frequency, s.period, s.activeAt, s.mode, s.featuresHash) = (3, 60, uint40(START + 60), 1, 0);
        vm.warp(START + 60);
        _answer(id, s, 1, 1, hex"2a");
        vm.warp(START + 120);
        _answer(id, s, 2, 2, hex"2a");
        vm.assertEq(agreeing.calls(), 0);
        _answer(id, s, 2, 1, hex"2a");
        vm.assertEq(agreeing.calls(), 1);
        vm.assertEq(agreeing.agreedOutputHash(id, 1), 0);
    }

    function testFuzz_RevertWhen_TheQuorumIsNotMoreThanHalf(uint16 n, uint16 k) public {
        n = uint16(_bound(n, 1, type(uint16).max));
        if (k > n || uint256(k) * 2 <= n) {
            vm.expectRevert(abi.encodeWithSelector(QuorumConsumer.InvalidQuorum.selector, k, n));
        }
        agreeing.ask(limit, n, k);
    }

    function test_RevertWhen_NoQuorumIsExpected() public {
        uint32 id = agreeing.askPlainly(limit);
        Subscription memory s = _termsOf(address(agreeing), 1);
        vm.expectRevert(
            _failure(address(agreeing), id, abi.encodeWithSelector(QuorumConsumer.NoQuorumExpected.selector, id))
        );
        _answer(id, s, 1, 1, hex"2a");
    }

    // --- The median

    function testFuzz_TheMedianOfTheFirstK(int256[9] memory values, uint256 k) public {
        k = _bound(k, 1, 9);
        uint32 id = middling.ask(limit, 9, uint16(k));
        Subscription memory s = _termsOf(address(middling), 9);
        for (uint256 i; i < 9; ++i) {
            vm.assertEq(middling.calls(), i < k ? 0 : 1);
            _answer(id, s, 1, i, _number(values[i]));
        }
        vm.assertEq(middling.calls(), 1);
        vm.assertEq(middling.valuesOf(id, 1).length, k);

        // As many are below it as the lower middle asks for.
        int256 median = middling.median();
        uint256 below;
        uint256 equal;
        for (uint256 i; i < k; ++i) {
            if (values[i] < median) ++below;
            if (values[i] == median) ++equal;
        }
        uint256 rank = (k - 1) / 2;
        vm.assertLe(below, rank);
        vm.assertGt(below + equal, rank);
    }

    function test_AMinorityOfLiarsDoesNotMoveIt() public {
        uint32 id = middling.ask(limit, 5, 5);
        Subscription memory s = _termsOf(address(middling), 5);
        int256[5] memory values = [type(int256).max, 100, 102, type(int256).max, 101];
        for (uint256 i; i < 5; ++i) {
            _answer(id, s, 1, i, _number(values[i]));
        }
        vm.assertEq(middling.median(), 102);
    }

    /// @dev The most there can be, within the gas that the natspec speaks of.
    function test_ThirtyOneAnswersInReverse() public {
        uint32 gasLimit = overhead + 60_000 + 2_500 * 31 + 150 * 31 ** 2 + 45_000; // two new words of its own
        uint32 id = middling.ask(gasLimit, 31, 31);
        Subscription memory s = _termsOf(address(middling), 31);
        s.maxGasLimit = gasLimit;
        for (uint256 i; i < 31; ++i) {
            vm.cool(address(middling));
            _answer(id, s, 1, i, _number(-int256(i)));
        }
        vm.assertEq(middling.median(), -15);
    }

    function test_RevertWhen_TheMedianMakesNoSense() public {
        uint16[2][3] memory bad = [[uint16(3), 0], [uint16(3), 4], [uint16(40), 32]];
        for (uint256 i; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(MedianConsumer.InvalidMedian.selector, bad[i][1], bad[i][0]));
            middling.ask(limit, bad[i][0], bad[i][1]);
        }
    }

    /// @dev Garbage is refused, and its place stays open for others.
    function test_RevertWhen_TheOutputIsNoNumber() public {
        uint32 id = middling.ask(limit, 2, 2);
        Subscription memory s = _termsOf(address(middling), 2);
        bytes memory none = abi.encode(new int256[](0));
        vm.expectRevert(
            _failure(address(middling), id, abi.encodeWithSelector(MedianConsumer.NotANumber.selector, none))
        );
        _answer(id, s, 1, 1, none);
        vm.expectRevert(_failure(address(middling), id, ""));
        _answer(id, s, 1, 1, hex"2a");
        id = middling.askPlainly(limit);
        s.redundancy = 1;
        vm.expectRevert(
            _failure(address(middling), id, abi.encodeWithSelector(MedianConsumer.NoMedianExpected.selector, id))
        );
        _answer(id, s, 1, 1, _number(1));
    }
}
