// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICoordinator} from "../src/interfaces/ICoordinator.sol";
import {ILedger} from "../src/interfaces/ILedger.sol";
import {Claim, IVerifier, Verdict} from "../src/interfaces/IVerifier.sol";
import {Answer, DelegateRequest, Subscription} from "../src/Subscription.sol";
import {Base} from "./Base.sol";
import {Oracle} from "./Mocks.sol";
import {Puppet} from "./Puppet.sol";

/// @dev Verifiers: what they are asked, what becomes of their answers, and of those that misbehave.
contract PendingTest is Base {
    uint128 private constant FEE = 1 ether;
    uint40 private constant UNTIL = uint40(START + 1 days);
    bytes private constant PARAMS = "parameters";

    Oracle private oracle;

    function setUp() public override {
        super.setUp();
        oracle = Oracle(vm.deployCode("Mocks.sol:Oracle"));
    }

    function _verified(uint128 fee) private view returns (Subscription memory s) {
        s = fee == 0 ? _terms() : _paidTerms(fee);
        s.verifier = address(oracle);
        s.verifierParams = keccak256(PARAMS);
        if (fee != 0) s.verifierFee = uint96(fee / 10);
    }

    function _createVerified(Subscription memory s) private returns (uint32) {
        if (s.fee != 0) _fund(address(puppet), uint256(s.fee) * s.redundancy);
        vm.prank(address(puppet));
        return coordinator.createSubscription(s, CONTAINER, s.mode & 1 == 1 ? bytes("") : FEATURES, PARAMS);
    }

    function _pending(uint32 id) private pure returns (Answer memory) {
        return Answer(id, 1, 1, NODE, UNTIL, keccak256(FEATURES));
    }

    function _deliverPending(Subscription memory s) private returns (uint32 id) {
        oracle.set(Verdict.Pending, UNTIL);
        id = _createVerified(s);
        _deliver(id, 1, s);
    }

    function _settle(uint32 id, Subscription memory s) private {
        coordinator.settle(_pending(id), s, OUTPUT, "evidence");
    }

    // --- What a verifier is asked

    function test_TheParametersStandInAnEvent() public {
        Subscription memory s = _verified(0);
        vm.expectEmit(address(coordinator));
        emit ICoordinator.SubscriptionCreated(address(puppet), 1, s.containerId, s, CONTAINER, FEATURES);
        vm.expectEmit(address(coordinator));
        emit ICoordinator.VerifierParams(address(puppet), 1, PARAMS);
        _createVerified(s);
    }

    function testFuzz_RevertWhen_TheParametersAreOthers(bytes calldata params) public {
        vm.assume(keccak256(params) != keccak256(PARAMS));
        Subscription memory s = _verified(0);
        vm.prank(address(puppet));
        bytes32 computed = params.length == 0 ? bytes32(0) : keccak256(params);
        vm.expectRevert(
            abi.encodeWithSelector(ICoordinator.VerifierParamsMismatch.selector, s.verifierParams, computed)
        );
        coordinator.createSubscription(s, CONTAINER, FEATURES, params);
    }

    function test_RevertWhen_TheVerifierRefusesTheTerms() public {
        oracle.setRefusesTerms(true);
        Subscription memory s = _verified(0);
        vm.prank(address(puppet));
        vm.expectRevert(abi.encodeWithSelector(Oracle.Unwilling.selector, 1));
        coordinator.createSubscription(s, CONTAINER, FEATURES, PARAMS);
    }

    function testFuzz_TheClaimBindsEverything(bytes calldata output, bytes calldata proof) public {
        Subscription memory s = _verified(0);
        uint32 id = _createVerified(s);
        vm.prank(NODE);
        coordinator.deliverModelOutput(id, 1, s, output, proof);
        Claim memory c = oracle.lastClaim();
        vm.assertEq(c.owner, address(puppet));
        vm.assertEq(c.id, id);
        vm.assertEq(c.interval, 1);
        vm.assertEq(c.redundancy, 1);
        vm.assertEq(c.node, NODE);
        vm.assertEq(c.containerId, s.containerId);
        vm.assertEq(c.featuresHash, keccak256(FEATURES));
        vm.assertEq(c.outputHash, keccak256(output));
        vm.assertEq(c.verifierParams, keccak256(PARAMS));
        vm.assertEq(c.minBond, 0);
        vm.assertEq(oracle.lastOutput(), output);
        vm.assertEq(oracle.lastProof(), proof);
    }

    // --- Valid and invalid

    function test_AValidAnswerIsPaidAndDelivered() public {
        Subscription memory s = _verified(FEE);
        uint32 id = _createVerified(s);
        vm.expectEmit(address(coordinator));
        emit ICoordinator.SubscriptionFulfilled(address(puppet), id, NODE, 1, 1, true);
        _deliver(id, 1, s);
        _assertMoney(NODE, FEE - FEE / 10, 0);
        _assertMoney(address(oracle), FEE / 10, 0);
        _assertMoney(address(puppet), 0, 0);
    }

    /// @dev The proof was accepted, so the node is paid whatever the consumer does.
    function test_AFailingCallbackDoesNotUndoWhatAVerifierAccepted() public {
        Subscription memory s = _verified(FEE);
        uint32 id = _createVerified(s);
        puppet.setMood(Puppet.Mood.Revert);
        vm.expectEmit(address(coordinator));
        emit ICoordinator.SubscriptionFulfilled(address(puppet), id, NODE, 1, 1, false);
        _deliver(id, 1, s);
        _assertMoney(NODE, FEE - FEE / 10, 0);
    }

    function test_RevertWhen_TheVerifierMisbehaves() public {
        Subscription memory s = _verified(FEE);
        uint32 id = _createVerified(s);
        bytes memory unwilling = abi.encodeWithSelector(Oracle.Unwilling.selector, 2);
        for (uint8 mood = 1; mood < 7; ++mood) {
            oracle.setMood(Oracle.Mood(mood));
            bytes memory data = abi.encodeCall(coordinator.deliverModelOutput, (id, 1, s, OUTPUT, PROOF));
            vm.prank(NODE);
            (bool ok, bytes memory result) = address(coordinator).call{gas: 20_000_000}(data);
            vm.assertFalse(ok);
            if (mood == uint8(Oracle.Mood.BurnGas)) {
                vm.assertEq(bytes32(bytes4(result)), bytes32(ICoordinator.InsufficientGas.selector));
            } else {
                vm.assertEq(bytes32(bytes4(result)), bytes32(ICoordinator.VerifierFailed.selector));
                vm.assertLe(result.length, 4 + 3 * 32 + 2112);
            }
            if (mood == uint8(Oracle.Mood.Revert)) {
                vm.assertEq(
                    result, abi.encodeWithSelector(ICoordinator.VerifierFailed.selector, address(oracle), unwilling)
                );
            }
        }
        _assertMoney(address(puppet), 0, FEE);
    }

    function test_EverythingIsLockedWhileAVerifierRuns() public {
        Subscription memory s = _verified(0);
        bytes[7] memory scripts = [
            abi.encodeCall(ILedger.deposit, (NODE, address(0), 0)),
            abi.encodeCall(ILedger.withdraw, (NODE, address(0), 0)),
            abi.encodeCall(ICoordinator.deliverModelOutputs, (new bytes[](0))),
            abi.encodeCall(ICoordinator.settle, (_pending(1), s, OUTPUT, PROOF)),
            abi.encodeCall(ICoordinator.expire, (1, s)),
            abi.encodeCall(ICoordinator.cancelSubscription, (1)),
            abi.encodeWithSignature(
                "createSubscription(string,bytes,uint48,uint32,uint256,uint32,uint16)",
                CONTAINER,
                FEATURES,
                1,
                overhead,
                1,
                0,
                1
            )
        ];
        for (uint256 i; i < scripts.length; ++i) {
            oracle.setScript(address(coordinator), scripts[i]);
            uint32 id = _createVerified(s);
            _deliver(id, 1, s);
            vm.assertFalse(oracle.scriptOk());
            vm.assertEq(oracle.scriptResult(), abi.encodeWithSelector(ICoordinator.Reentered.selector));
        }
    }

    // --- Several payees

    function testFuzz_PayeesShareWithoutLoss(uint128 fee, uint8 count) public {
        count = uint8(_bound(count, 1, 64));
        fee = uint128(_bound(fee, 100, type(uint128).max));
        address[] memory payees = new address[](count);
        for (uint160 i; i < count; ++i) {
            payees[i] = address(0x10000 + i);
        }
        oracle.setPayees(payees);
        Subscription memory s = _verified(fee);
        uint32 id = _createVerified(s);
        _deliver(id, 1, s);

        uint256 share = fee - s.verifierFee;
        uint256 sum;
        for (uint256 i; i < count; ++i) {
            sum += _free(payees[i]);
            if (i > 0) vm.assertEq(_free(payees[i]), share / count);
        }
        vm.assertEq(sum, share);
        _assertMoney(NODE, 0, 0);
        vm.assertEq(coordinator.totalOf(address(0)), fee);
    }

    /// @dev There is nothing to share, so nobody who fails can keep the answer back.
    function test_ThePayeesOfAFreeAnswerAreNotAsked() public {
        Subscription memory s = _verified(0);
        uint32 id = _createVerified(s);
        oracle.setPayeesMood(Oracle.Mood.Revert);
        _deliver(id, 1, s);
        vm.assertEq(puppet.count(), 1);
    }

    function test_RevertWhen_ThePayeesAreNonsense() public {
        Subscription memory s = _verified(FEE);
        uint32 id = _createVerified(s);
        for (uint8 mood = 1; mood < 7; ++mood) {
            if (mood == uint8(Oracle.Mood.BurnGas)) continue;
            oracle.setPayeesMood(Oracle.Mood(mood));
            vm.expectPartialRevert(ICoordinator.VerifierFailed.selector);
            _deliver(id, 1, s);
        }
        oracle.setPayeesMood(Oracle.Mood.Answer);
        oracle.setPayees(new address[](65));
        vm.expectPartialRevert(ICoordinator.VerifierFailed.selector);
        _deliver(id, 1, s);
    }

    // --- Pending

    function test_APendingAnswerWaits() public {
        Subscription memory s = _verified(FEE);
        oracle.set(Verdict.Pending, UNTIL);
        uint32 id = _createVerified(s);
        vm.expectEmit(address(coordinator));
        emit ICoordinator.AnswerPending(address(puppet), id, NODE, 1, 1, UNTIL, keccak256(FEATURES), keccak256(OUTPUT));
        _deliver(id, 1, s);
        vm.assertEq(puppet.count(), 0);
        vm.assertEq(puppet.provisionalCount(), 0);
        _assertMoney(address(puppet), 0, FEE);
        _assertMoney(NODE, 0, 0);
        vm.assertTrue(coordinator.isPending(_pending(id), s, keccak256(OUTPUT)));

        // It counts as delivered.
        vm.expectRevert(_notFound(address(puppet), id));
        _deliverBy(OTHER_NODE, id, 1, s);
        vm.warp(uint256(s.deadline) + 1);
        vm.expectRevert(_notFound(address(puppet), id));
        coordinator.expire(id, s);
    }

    function test_AValidSettlementPaysAndDelivers() public {
        Subscription memory s = _verified(FEE);
        uint32 id = _deliverPending(s);
        oracle.set(Verdict.Valid, 0);
        vm.expectEmit(address(coordinator));
        emit ICoordinator.AnswerSettled(address(puppet), id, NODE, 1, 1, true);
        vm.expectEmit(address(coordinator));
        emit ILedger.Credited(address(oracle), address(0), FEE / 10);
        vm.expectEmit(address(coordinator));
        emit ILedger.Credited(NODE, address(0), FEE - FEE / 10);
        vm.expectEmit(address(coordinator));
        emit ICoordinator.SubscriptionFulfilled(address(puppet), id, NODE, 1, 1, true);
        vm.prank(OTHER_NODE); // anyone
        _settle(id, s);

        vm.assertEq(oracle.lastProof(), "evidence");
        vm.assertEq(oracle.lastClaim().node, NODE);
        Puppet.Received memory got = puppet.last();
        vm.assertEq(got.node, NODE);
        vm.assertEq(got.output, OUTPUT);
        _assertMoney(address(puppet), 0, 0);
        vm.expectRevert(
            abi.encodeWithSelector(ICoordinator.NotPending.selector, address(puppet), id, uint32(1), uint16(1))
        );
        _settle(id, s);
    }

    function test_AnInvalidSettlementReturnsTheFee() public {
        Subscription memory s = _verified(FEE);
        uint32 id = _deliverPending(s);
        oracle.set(Verdict.Invalid, 0);
        vm.expectEmit(address(coordinator));
        emit ICoordinator.AnswerSettled(address(puppet), id, NODE, 1, 1, false);
        _settle(id, s);
        _assertMoney(address(puppet), FEE, 0);
        _assertMoney(NODE, 0, 0);
        vm.assertEq(puppet.count(), 0);
        vm.expectRevert(
            abi.encodeWithSelector(ICoordinator.NotPending.selector, address(puppet), id, uint32(1), uint16(1))
        );
        _settle(id, s);
    }

    function test_TooEarlyItStaysPending() public {
        Subscription memory s = _verified(FEE);
        uint32 id = _deliverPending(s);
        vm.warp(UNTIL);
        bytes memory reason = abi.encodeWithSelector(ICoordinator.StillPending.selector, uint256(UNTIL), UNTIL);
        vm.expectRevert(reason);
        _settle(id, s);
        oracle.setMood(Oracle.Mood.Revert);
        vm.expectRevert(reason);
        _settle(id, s);
        _assertMoney(address(puppet), 0, FEE);
    }

    function test_PayeesThatFailCannotKeepTheMoneyEither() public {
        Subscription memory s = _verified(FEE);
        uint32 id = _deliverPending(s);
        oracle.set(Verdict.Valid, 0);
        oracle.setPayeesMood(Oracle.Mood.Revert);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.StillPending.selector, START, UNTIL));
        _settle(id, s);
        vm.warp(uint256(UNTIL) + 1);
        _settle(id, s);
        _assertMoney(address(puppet), FEE, 0);
    }

    /// @dev With too little gas for its verifier a good answer could be made to look bad.
    function testFuzz_RevertWhen_SettledWithTooLittleGas(uint256 given) public {
        Subscription memory s = _verified(FEE);
        uint32 id = _deliverPending(s);
        vm.warp(uint256(UNTIL) + 1);
        oracle.setMood(Oracle.Mood.BurnGas);
        given = _bound(given, 60_000, 4_999_999);
        bytes memory data = abi.encodeCall(coordinator.settle, (_pending(id), s, OUTPUT, PROOF));
        (bool ok,) = address(coordinator).call{gas: given}(data);
        vm.assertFalse(ok);
        _assertMoney(address(puppet), 0, FEE);
        vm.assertTrue(coordinator.isPending(_pending(id), s, keccak256(OUTPUT)));
    }

    function testFuzz_RevertWhen_PendingForTooLong(uint40 until) public {
        until = uint40(_bound(until, START + 30 days + 1, type(uint40).max));
        Subscription memory s = _verified(0);
        uint32 id = _createVerified(s);
        oracle.set(Verdict.Pending, until);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.PendingTooLong.selector, until, START + 30 days));
        _deliver(id, 1, s);
        oracle.set(Verdict.Pending, START);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.PendingTooLong.selector, START, START + 30 days));
        _deliver(id, 1, s);
        oracle.set(Verdict.Pending, START + 30 days);
        _deliver(id, 1, s);
    }

    /// @dev Two answers of an interval wait apart from one another, and the subscription is over meanwhile.
    function test_SeveralAnswersWaitApart() public {
        Subscription memory s = _verified(FEE);
        s.redundancy = 2;
        oracle.set(Verdict.Pending, UNTIL);
        uint32 id = _createVerified(s);
        _deliver(id, 1, s);
        _deliverBy(OTHER_NODE, id, 1, s);
        vm.assertEq(_word(address(puppet), id), 0);
        oracle.set(Verdict.Invalid, 0);
        _settle(id, s);
        _assertMoney(address(puppet), FEE, FEE);
        oracle.set(Verdict.Valid, 0);
        Answer memory a = Answer(id, 1, 2, OTHER_NODE, UNTIL, keccak256(FEATURES));
        coordinator.settle(a, s, OUTPUT, PROOF);
        _assertMoney(address(puppet), FEE, 0);
        _assertMoney(OTHER_NODE, FEE - FEE / 10, 0);
        vm.assertEq(puppet.last().redundancy, 2);
    }

    /// @dev A recurring one makes whole what a pending answer holds.
    function test_PendingAnswersOfARecurringOneAreToppedUp() public {
        Subscription memory s = _paidRecurring(FOREVER, 1, FEE);
        (s.verifier, s.verifierParams) = (address(oracle), keccak256(PARAMS));
        oracle.set(Verdict.Pending, UNTIL);
        _fund(address(puppet), 2 * FEE);
        uint32 id = _createVerified(s);
        _deliver(id, 1, s);
        _assertMoney(address(puppet), FEE, 2 * FEE);
        puppet.cancel(id);
        coordinator.expire(id, s);
        _assertMoney(address(puppet), 2 * FEE, FEE); // what is pending stays
        oracle.set(Verdict.Valid, 0);
        _settle(id, s);
        _assertMoney(address(puppet), 2 * FEE, 0);
        _assertMoney(NODE, FEE, 0);
    }

    function test_ADelegatedAnswerMayBePending() public {
        Subscription memory s = _verified(FEE);
        _fund(address(puppet), FEE);
        oracle.set(Verdict.Pending, UNTIL);
        DelegateRequest memory r = _request(5, s);
        vm.expectPartialRevert(ICoordinator.VerifierParamsMismatch.selector);
        _deliverDelegate(r, 1);

        // The parameters come with the creation; both fit into one transaction.
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(coordinator.createSubscriptionDelegateVerified, (r, PARAMS));
        calls[1] = abi.encodeCall(coordinator.deliverModelOutputDelegate, (r, 1, OUTPUT, PROOF));
        vm.prank(NODE);
        coordinator.multicall(calls);
        _assertMoney(address(puppet), 0, FEE);
        oracle.set(Verdict.Valid, 0);
        _settle(uint32(1) << 31 | 5, s);
        _assertMoney(NODE, FEE - FEE / 10, 0);
    }

    function test_ADelegatedAnswerWithoutParametersMayBePending() public {
        Subscription memory s = _verified(FEE);
        s.verifierParams = 0;
        _fund(address(puppet), FEE);
        oracle.set(Verdict.Pending, UNTIL);
        _deliverDelegate(_request(5, s), 1);
        _assertMoney(address(puppet), 0, FEE);
        oracle.set(Verdict.Valid, 0);
        _settle(uint32(1) << 31 | 5, s);
        _assertMoney(NODE, FEE - FEE / 10, 0);
    }

    // --- Provisional

    function test_AProvisionalAnswerIsShownAtOnceAndFinallyLater() public {
        Subscription memory s = _verified(FEE);
        s.mode = 8;
        uint32 id = _deliverPending(s);
        vm.assertEq(puppet.provisionalCount(), 1);
        vm.assertEq(puppet.lastProvisional().output, OUTPUT);
        vm.assertEq(puppet.count(), 0);
        oracle.set(Verdict.Valid, 0);
        _settle(id, s);
        vm.assertEq(puppet.count(), 1);
        vm.assertEq(puppet.provisionalCount(), 1);
    }

    function test_AProvisionalCallbackThatFailsChangesNothing() public {
        Subscription memory s = _verified(FEE);
        s.mode = 8;
        puppet.setMood(Puppet.Mood.Revert);
        uint32 id = _deliverPending(s);
        vm.assertTrue(coordinator.isPending(_pending(id), s, keccak256(OUTPUT)));
        vm.assertEq(puppet.provisionalCount(), 0);
    }

    function test_RevertWhen_AnyoneElseShowsAProvisionalAnswer() public {
        vm.expectRevert(abi.encodeWithSignature("NotCoordinator(address)", address(this)));
        puppet.rawReceiveProvisionalOutput(1, 1, 1, NODE, OUTPUT, PROOF);
    }

    // --- Pull mode

    function _pulled() private view returns (Subscription memory s) {
        s = _verified(0);
        (s.mode, s.featuresHash) = (1, 0);
    }

    function test_RevertWhen_NothingBindsAProofToTheFeatures() public {
        Subscription memory s = _pulled();
        vm.prank(address(puppet));
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.PullNotVerifiable.selector, address(oracle)));
        coordinator.createSubscription(s, CONTAINER, "", PARAMS);
    }

    function test_AVerifierThatComparesFeaturesMayPull() public {
        oracle.setComparesFeatures(true);
        Subscription memory s = _pulled();
        uint32 id = _createVerified(s);
        _deliver(id, 1, s);
        vm.assertEq(oracle.lastClaim().featuresHash, 0);
    }

    function test_AConsumerThatCommitsToItsFeaturesMayPull() public {
        puppet.commitFeatures(0);
        Subscription memory s = _pulled();
        uint32 id = _createVerified(s);
        vm.expectRevert(
            abi.encodeWithSelector(ICoordinator.FeaturesNotCommitted.selector, address(puppet), id, uint32(1))
        );
        _deliver(id, 1, s);
        puppet.commitFeatures(keccak256("features"));
        _deliver(id, 1, s);
        vm.assertEq(oracle.lastClaim().featuresHash, keccak256("features"));
    }

    /// @dev What the consumer commits to later does not change what was pending.
    function test_ThePendingClaimKeepsItsFeatures() public {
        puppet.commitFeatures(keccak256("features"));
        Subscription memory s = _pulled();
        oracle.set(Verdict.Pending, UNTIL);
        uint32 id = _createVerified(s);
        _deliver(id, 1, s);
        puppet.commitFeatures(keccak256("others"));
        oracle.set(Verdict.Valid, 0);
        coordinator.settle(Answer(id, 1, 1, NODE, UNTIL, keccak256("features")), s, OUTPUT, PROOF);
        vm.assertEq(oracle.lastClaim().featuresHash, keccak256("features"));
    }

    // --- Bonds

    function testFuzz_RevertWhen_TheBondIsTooLow(uint96 minBond, uint96 posted) public {
        minBond = uint96(_bound(minBond, 1, type(uint96).max));
        posted = uint96(_bound(posted, 0, minBond - 1));
        Subscription memory s = _verified(0);
        s.minBond = minBond;
        uint32 id = _createVerified(s);
        if (posted != 0) _bond(NODE, address(oracle), posted);
        _bond(NODE, address(0xBEEF), type(uint96).max); // towards another verifier
        vm.expectRevert(
            abi.encodeWithSelector(ICoordinator.BondTooLow.selector, NODE, address(oracle), posted, minBond)
        );
        _deliver(id, 1, s);
        _bond(NODE, address(oracle), minBond - posted);
        _deliver(id, 1, s);
        vm.assertEq(oracle.lastClaim().minBond, minBond);
    }

    function _bond(address node, address verifier, uint256 amount) private {
        vm.deal(address(this), amount);
        nodes.postBond{value: amount}(node, verifier);
    }

    // --- Lazy outputs

    function test_LazyOutputsAreWellFormed() public {
        Subscription memory s = _terms();
        s.mode = 2;
        uint32 id = _create(s);
        bytes[6] memory bad = [
            bytes(""),
            OUTPUT,
            abi.encode(bytes32(uint256(1)), ""),
            abi.encodePacked(abi.encode(bytes32(uint256(1)), "ipfs://x"), uint8(0)),
            abi.encode(bytes32(uint256(1)), uint256(96), uint256(1), "x"),
            abi.encode(bytes32(uint256(1)), uint256(64), uint256(33), "x")
        ];
        for (uint256 i; i < bad.length; ++i) {
            vm.prank(NODE);
            vm.expectRevert(abi.encodeWithSelector(ICoordinator.NotALazyOutput.selector, bad[i].length));
            coordinator.deliverModelOutput(id, 1, s, bad[i], PROOF);
        }
        bytes memory output = abi.encode(sha256("bytes"), "ipfs://a-rather-long-address-of-more-than-a-word");
        vm.prank(NODE);
        coordinator.deliverModelOutput(id, 1, s, output, PROOF);
        vm.assertEq(puppet.last().output, output);
    }
}
