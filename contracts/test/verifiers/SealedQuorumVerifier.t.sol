// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {INodeRegistry} from "../../src/interfaces/INodeRegistry.sol";
import {ISealedQuorumVerifier as ISealed} from "../../src/interfaces/ISealedQuorumVerifier.sol";
import {Claim, Verdict} from "../../src/interfaces/IVerifier.sol";
import {Subscription} from "../../src/Subscription.sol";
import {VerifierBase} from "./VerifierBase.sol";

/// @dev Commit, reveal, agree.
contract SealedQuorumVerifierTest is VerifierBase {
    bytes private constant OUTPUT = hex"2a";
    bytes private constant WRONG = hex"2b";
    bytes32 private constant SALT = keccak256("salt");
    uint32 private constant ID = 7;
    uint32 private constant COMMIT = 60;
    uint32 private constant REVEAL = 40;

    address private constant A = address(0xA1);
    address private constant B = address(0xA2);
    address private constant C = address(0xA3);
    address private constant D = address(0xA4);

    ISealed private verifier;
    bytes private params;
    Subscription private terms;
    bytes private proof = abi.encode(bytes32(0), new uint256[](0));

    function setUp() public override {
        super.setUp();
        verifier = ISealed(
            vm.deployCode("SealedQuorumVerifier.sol:SealedQuorumVerifier", abi.encode(address(this), address(registry)))
        );
        address[4] memory nodes = [A, B, C, D];
        for (uint256 i; i < 4; ++i) {
            _bond(nodes[i], address(verifier), MIN_BOND);
        }
        _use(ISealed.Params(ISealed.Rule.Equal, 2, 3, COMMIT, REVEAL, 0));
    }

    function _use(ISealed.Params memory p) private {
        params = abi.encode(p);
        terms = _terms(address(verifier), params);
        terms.mode = 4;
        _store(ID, terms);
    }

    function _useMedian(uint16 k, uint256 tolerance) private {
        _use(ISealed.Params(ISealed.Rule.Median, k, 3, COMMIT, REVEAL, tolerance));
    }

    function _hash(address node, bytes memory output) private view returns (bytes32) {
        return _hashOf(1, node, terms.featuresHash, output);
    }

    function _hashOf(uint32 interval, address node, bytes32 featuresHash, bytes memory output)
        private
        view
        returns (bytes32)
    {
        bytes memory head = abi.encode(block.chainid, address(this), OWNER, ID, interval);
        return keccak256(bytes.concat(head, abi.encode(node, featuresHash, keccak256(output), SALT)));
    }

    function _commit(address node, bytes memory output) private {
        _commitHash(node, _hash(node, output));
    }

    function _commitHash(address node, bytes32 hash) private {
        vm.prank(node);
        verifier.commit(ID, terms, params, hash);
    }

    function _reveal(address node, bytes memory output) private {
        vm.prank(node);
        verifier.reveal(OWNER, ID, 1, terms.featuresHash, output, SALT);
    }

    function _number(int256 value) private pure returns (bytes memory) {
        int256[] memory list = new int256[](1);
        list[0] = value;
        return abi.encode(list);
    }

    function _toReveals() private {
        vm.warp(START + COMMIT);
    }

    function _toDelivery() private {
        vm.warp(START + COMMIT + REVEAL);
    }

    function _free(address node) private view returns (uint256) {
        return registry.bondOf(node, address(verifier));
    }

    // --- Agreement

    function test_WhatMostAgreeOnIsDeliveredAndShared() public {
        vm.expectEmit(address(verifier));
        emit ISealed.Committed(OWNER, ID, A, 1, _hash(A, OUTPUT));
        _commit(A, OUTPUT);
        _commit(B, WRONG);
        _commit(C, OUTPUT);
        vm.assertEq(_free(A), 0);
        _toReveals();
        _reveal(C, OUTPUT);
        _reveal(B, WRONG);
        vm.expectEmit(address(verifier));
        emit ISealed.Revealed(OWNER, ID, A, 1, terms.featuresHash, OUTPUT);
        _reveal(A, OUTPUT);
        vm.assertEq(_free(A), MIN_BOND);
        vm.assertEq(_free(B), MIN_BOND);

        _toDelivery();
        Claim memory c = _claim(OUTPUT, params);
        c.node = address(0xDEAD); // anyone may deliver
        _assertVerdict(verifier, c, OUTPUT, proof, Verdict.Valid);
        address[] memory paid = verifier.payees(c, OUTPUT, proof);
        vm.assertEq(paid.length, 2);
        vm.assertEq(paid[0], C);
        vm.assertEq(paid[1], A);
        c.outputHash = keccak256(WRONG);
        _assertVerdict(verifier, c, WRONG, proof, Verdict.Invalid);
        vm.assertEq(uint256(verifier.settle(c, OUTPUT, proof)), uint256(Verdict.Invalid));
    }

    function test_AtMostSoManyArePaidTheFirstToReveal() public {
        _use(ISealed.Params(ISealed.Rule.Equal, 2, 2, COMMIT, REVEAL, 0));
        address[3] memory nodes = [A, B, C];
        for (uint256 i; i < 3; ++i) {
            _commit(nodes[i], OUTPUT);
        }
        _toReveals();
        for (uint256 i = 3; i > 0; --i) {
            _reveal(nodes[i - 1], OUTPUT);
        }
        address[] memory paid = verifier.payees(_claim(OUTPUT, params), OUTPUT, proof);
        vm.assertEq(paid.length, 2);
        vm.assertEq(paid[0], C);
        vm.assertEq(paid[1], B);
    }

    function test_FewerThanKAreNoAnswer() public {
        Claim memory c = _claim(OUTPUT, params);
        _toDelivery();
        _assertVerdict(verifier, c, OUTPUT, proof, Verdict.Invalid); // nobody even committed
        vm.warp(START);
        _commit(A, OUTPUT);
        _commit(B, OUTPUT);
        _commit(C, WRONG);
        _toReveals();
        _reveal(A, OUTPUT);
        vm.warp(START + COMMIT + REVEAL);
        _assertVerdict(verifier, c, OUTPUT, proof, Verdict.Invalid); // one
        _toReveals();
        _reveal(C, WRONG);
        _toDelivery();
        _assertVerdict(verifier, c, OUTPUT, proof, Verdict.Invalid);
        c.outputHash = keccak256(WRONG);
        _assertVerdict(verifier, c, WRONG, proof, Verdict.Invalid);
    }

    function test_ATieIsNoAnswerUntilItIsBroken() public {
        address[4] memory nodes = [A, B, C, D];
        for (uint256 i; i < 4; ++i) {
            _commit(nodes[i], i % 2 == 0 ? OUTPUT : WRONG);
        }
        _toReveals();
        for (uint256 i; i < 4; ++i) {
            _reveal(nodes[i], i % 2 == 0 ? OUTPUT : WRONG);
            vm.assertEq(verifier.getRound(OWNER, ID, 1).tied, i % 2 == 1);
        }
        _toDelivery();
        Claim memory c = _claim(OUTPUT, params);
        _assertVerdict(verifier, c, OUTPUT, proof, Verdict.Invalid);
        c.outputHash = keccak256(WRONG);
        _assertVerdict(verifier, c, WRONG, proof, Verdict.Invalid);
    }

    function test_InPullModeThoseAgreeWhoReadTheSameFeatures() public {
        terms.featuresHash = 0;
        terms.mode = 5;
        _store(ID, terms);
        bytes32 read = keccak256("read");
        address[3] memory nodes = [A, B, C];
        for (uint256 i; i < 3; ++i) {
            _commitHash(nodes[i], _hashOf(1, nodes[i], i == 2 ? keccak256("other") : read, OUTPUT));
        }
        _toReveals();
        for (uint256 i; i < 3; ++i) {
            vm.prank(nodes[i]);
            verifier.reveal(OWNER, ID, 1, i == 2 ? keccak256("other") : read, OUTPUT, SALT);
        }
        _toDelivery();
        Claim memory c = _claim(OUTPUT, params);
        c.featuresHash = 0;
        _assertVerdict(verifier, c, OUTPUT, abi.encode(read, new uint256[](0)), Verdict.Valid);
        _assertVerdict(verifier, c, OUTPUT, abi.encode(keccak256("other"), new uint256[](0)), Verdict.Invalid);
        vm.assertEq(verifier.payees(c, OUTPUT, "").length, 2);
    }

    function test_EachIntervalHasItsRound() public {
        (terms.frequency, terms.period, terms.deadline) = (3, 200, 0);
        _store(ID, terms);
        _commit(A, OUTPUT);
        _commit(B, OUTPUT);
        _toReveals();
        _reveal(A, OUTPUT);
        _reveal(B, OUTPUT);
        vm.warp(START + 200);
        _commitHash(A, _hashOf(2, A, terms.featuresHash, WRONG));
        _commitHash(B, _hashOf(2, B, terms.featuresHash, WRONG));
        vm.warp(START + 260);
        for (uint256 i; i < 2; ++i) {
            vm.prank(i == 0 ? A : B);
            verifier.reveal(OWNER, ID, 2, terms.featuresHash, WRONG, SALT);
        }
        vm.warp(START + 300);
        Claim memory c = _claim(WRONG, params);
        _assertVerdict(verifier, c, WRONG, proof, Verdict.Invalid);
        c.interval = 2;
        _assertVerdict(verifier, c, WRONG, proof, Verdict.Valid);
        vm.warp(START + 600);
        vm.expectRevert(abi.encodeWithSignature("SubscriptionCompleted(uint32,uint256)", 4, 3));
        _commit(A, OUTPUT);
    }

    // --- The median

    function testFuzz_TheMedianOfTheReveals(int256[4] memory values, uint256 rotation) public {
        _useMedian(3, 0);
        address[4] memory nodes = [A, B, C, D];
        for (uint256 i; i < 4; ++i) {
            _commit(nodes[i], _number(values[i]));
        }
        _toReveals();
        for (uint256 i; i < 4; ++i) {
            uint256 j = (i + rotation % 4) % 4;
            _reveal(nodes[j], _number(values[j]));
        }
        _toDelivery();
        (uint256[] memory order, int256 median) = _sorted();
        bytes memory output = _number(median);
        Claim memory c = _claim(output, params);
        _assertVerdict(verifier, c, output, abi.encode(bytes32(0), order), Verdict.Valid);

        // No other order passes, so no other number does.
        (order[1], order[2]) = (order[2], order[1]);
        _assertRefused(verifier, c, output, abi.encode(bytes32(0), order));
        order[1] = order[2];
        _assertRefused(verifier, c, output, abi.encode(bytes32(0), order));
        (order,) = _sorted();
        output = _number(median ^ 1);
        c.outputHash = keccak256(output);
        _assertVerdict(verifier, c, output, abi.encode(bytes32(0), order), Verdict.Invalid);
    }

    /// @dev By selection; the median is the lower of the middle two.
    function _sorted() private view returns (uint256[] memory order, int256 median) {
        (, int256[] memory values) = verifier.getReveals(OWNER, ID, 1);
        order = new uint256[](values.length);
        for (uint256 i; i < order.length; ++i) {
            order[i] = i;
        }
        for (uint256 i; i < order.length; ++i) {
            for (uint256 j = i + 1; j < order.length; ++j) {
                bool less =
                    values[order[j]] < values[order[i]] || values[order[j]] == values[order[i]] && order[j] < order[i];
                if (less) (order[i], order[j]) = (order[j], order[i]);
            }
        }
        median = values[order[(order.length - 1) / 2]];
    }

    function test_WhoIsFarFromTheMedianIsNotPaid() public {
        _useMedian(3, 5);
        address[4] memory nodes = [A, B, C, D];
        int256[4] memory values = [int256(100), 106, 105, type(int256).min]; // 105 is just near enough
        for (uint256 i; i < 4; ++i) {
            _commit(nodes[i], _number(values[i]));
        }
        _toReveals();
        for (uint256 i; i < 4; ++i) {
            _reveal(nodes[i], _number(values[i]));
        }
        address[] memory paid = verifier.payees(_claim(_number(100), params), _number(100), "");
        vm.assertEq(paid.length, 2);
        vm.assertEq(paid[0], A);
        vm.assertEq(paid[1], C);
    }

    function test_RevertWhen_TheMedianIsAskedOfSomethingElse() public {
        _useMedian(1, 0);
        bytes[4] memory bad = [bytes(hex"2a"), abi.encode(int256(1)), abi.encode(32, 2, 1), abi.encode(64, 1, 1)];
        address[4] memory nodes = [A, B, C, D];
        for (uint256 i; i < 4; ++i) {
            _commit(nodes[i], bad[i]);
        }
        _toReveals();
        for (uint256 i; i < 4; ++i) {
            vm.expectRevert(abi.encodeWithSelector(ISealed.NotANumber.selector, bad[i]));
            _reveal(nodes[i], bad[i]);
        }
    }

    // --- Attacks

    /// @dev Copying the first answer under seal: a commit names its node, so a copy cannot be opened.
    function test_ACopiedCommitCannotBeRevealed() public {
        bytes32 hash = _hash(A, OUTPUT);
        _commitHash(A, hash);
        _commitHash(B, hash);
        _toReveals();
        _reveal(A, OUTPUT); // output and salt are public now
        vm.expectRevert(abi.encodeWithSelector(ISealed.CommitmentMismatch.selector, _hash(B, OUTPUT), hash));
        _reveal(B, OUTPUT);
    }

    function test_RevertWhen_CommittingAfterTheFirstReveal() public {
        _commit(A, OUTPUT);
        _toReveals();
        _reveal(A, OUTPUT);
        vm.expectRevert(
            abi.encodeWithSelector(ISealed.NotInCommitWindow.selector, START + COMMIT, START, START + COMMIT)
        );
        _commit(B, OUTPUT);
    }

    /// @dev Sealed commits that never reveal: the stake is the payer's, whoever asks for it.
    function test_WhoDoesNotRevealForfeitsItsStakeToThePayer() public {
        _commit(A, OUTPUT);
        vm.expectRevert(abi.encodeWithSelector(ISealed.RevealsNotOver.selector, START, START + COMMIT + REVEAL));
        verifier.forfeit(OWNER, ID, 1, A);
        // Not even by leaving: what is locked does not unbond.
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.InsufficientBond.selector, A, address(verifier), 0, 1));
        vm.prank(A);
        registry.startUnbonding(address(verifier), 1);

        _toDelivery();
        vm.expectEmit(address(verifier));
        emit ISealed.Forfeited(OWNER, ID, A, 1, PAYER, MIN_BOND);
        vm.prank(address(0xDEAD));
        verifier.forfeit(OWNER, ID, 1, A);
        vm.assertEq(registry.creditOf(PAYER), MIN_BOND);
        INodeRegistry.Bond memory bond = registry.getBond(A, address(verifier));
        vm.assertEq(uint256(bond.active) + bond.locked + bond.unbonding, 0);

        vm.expectRevert(abi.encodeWithSelector(ISealed.NothingCommitted.selector, A));
        verifier.forfeit(OWNER, ID, 1, A);
    }

    function test_RevertWhen_WhoRevealedIsToForfeit() public {
        _commit(A, OUTPUT);
        _toReveals();
        _reveal(A, OUTPUT);
        _toDelivery();
        vm.expectRevert(abi.encodeWithSelector(ISealed.NothingCommitted.selector, A));
        verifier.forfeit(OWNER, ID, 1, A);
    }

    function test_WithoutAPayerTheStakeIsTheOwners() public {
        terms.payer = address(0);
        _store(ID, terms);
        _commit(A, OUTPUT);
        _toDelivery();
        verifier.forfeit(OWNER, ID, 1, A);
        vm.assertEq(registry.creditOf(OWNER), MIN_BOND);
    }

    /// @dev One operator's throw-away accounts: without a bond they do not get in, and with bonds they do not keep
    /// anybody else out.
    function test_RevertWhen_TheNodeHasNoBond() public {
        vm.expectRevert(
            abi.encodeWithSelector(
                INodeRegistry.InsufficientBond.selector, address(0xBAD), address(verifier), 0, MIN_BOND
            )
        );
        _commit(address(0xBAD), OUTPUT);
    }

    function test_NobodyCanFillThePlaces() public {
        for (uint256 i; i < 50; ++i) {
            address sybil = address(uint160(0x1000 + i));
            _bond(sybil, address(verifier), MIN_BOND);
            _commit(sybil, abi.encode(i));
        }
        _commit(A, OUTPUT);
        _commit(B, OUTPUT);
        _toReveals();
        for (uint256 i; i < 50; ++i) {
            _reveal(address(uint160(0x1000 + i)), abi.encode(i));
        }
        _reveal(A, OUTPUT);
        _reveal(B, OUTPUT);
        _toDelivery();
        _assertVerdict(verifier, _claim(OUTPUT, params), OUTPUT, proof, Verdict.Valid);
    }

    /// @dev One bond is not good for two commits at a time.
    function test_RevertWhen_OneBondIsToCoverTwoCommits() public {
        _commit(A, OUTPUT);
        terms.maxGasLimit += 1;
        _store(ID + 1, terms);
        vm.expectRevert(
            abi.encodeWithSelector(INodeRegistry.InsufficientBond.selector, A, address(verifier), 0, MIN_BOND)
        );
        vm.prank(A);
        verifier.commit(ID + 1, terms, params, _hash(A, OUTPUT));
    }

    function test_RevertWhen_CommittingTwice() public {
        _bond(A, address(verifier), MIN_BOND);
        _commit(A, OUTPUT);
        vm.expectRevert(abi.encodeWithSelector(ISealed.AlreadyCommitted.selector, A));
        _commit(A, WRONG);
        vm.expectRevert(ISealed.ZeroCommitment.selector);
        _commitHash(B, 0);
    }

    function test_RevertWhen_RevealingTwiceOrTooEarlyOrTooLate() public {
        _commit(A, OUTPUT);
        uint256 from = START + COMMIT;
        uint256 until = from + REVEAL;
        vm.warp(from - 1);
        vm.expectRevert(abi.encodeWithSelector(ISealed.NotInRevealWindow.selector, from - 1, from, until));
        _reveal(A, OUTPUT);
        vm.warp(until);
        vm.expectRevert(abi.encodeWithSelector(ISealed.NotInRevealWindow.selector, until, from, until));
        _reveal(A, OUTPUT);
        vm.warp(until - 1);
        _reveal(A, OUTPUT);
        vm.expectRevert(abi.encodeWithSelector(ISealed.CommitmentMismatch.selector, _hash(A, OUTPUT), bytes32(0)));
        _reveal(A, OUTPUT);
    }

    function test_RevertWhen_RevealingWithOtherFeaturesThanTheTerms() public {
        _commitHash(A, _hashOf(1, A, keccak256("other"), OUTPUT));
        _toReveals();
        vm.expectRevert(
            abi.encodeWithSelector(ISealed.FeaturesMismatch.selector, keccak256("other"), terms.featuresHash)
        );
        vm.prank(A);
        verifier.reveal(OWNER, ID, 1, keccak256("other"), OUTPUT, SALT);
    }

    /// @dev A round on terms of the attacker's making would lock and forfeit stakes by rules that nobody agreed to.
    function testFuzz_RevertWhen_TheTermsAreForged(uint256 field) public {
        field %= 21;
        Subscription memory forged = terms;
        assembly {
            let slot := add(forged, mul(field, 0x20))
            mstore(slot, xor(mload(slot), 1))
        }
        try verifier.commit(ID, forged, params, bytes32(uint256(1))) {
            vm.assertTrue(false, "accepted");
        } catch (bytes memory reason) {
            bytes32 wanted = bytes32(abi.encodeWithSelector(ISealed.TermsMismatch.selector));
            vm.assertEq(bytes32(bytes4(reason)), wanted);
        }
    }

    function test_RevertWhen_TheParametersOrTheVerifierAreOthers() public {
        bytes memory mismatch = abi.encodeWithSelector(ISealed.TermsMismatch.selector, OWNER, ID);
        vm.expectRevert(mismatch);
        verifier.commit(ID, terms, abi.encode(1), bytes32(uint256(1)));
        terms.verifier = address(0xBAD);
        _store(ID, terms);
        vm.expectRevert(mismatch);
        verifier.commit(ID, terms, params, bytes32(uint256(1)));
    }

    function test_RevertWhen_SomebodyPlaysTheCoordinator() public {
        vm.expectRevert(abi.encodeWithSelector(ISealed.NotCoordinator.selector, address(0xBAD)));
        vm.prank(address(0xBAD));
        verifier.verify(_claim(OUTPUT, params), OUTPUT, proof);
    }

    function test_RevertWhen_DeliveringBeforeTheRevealsAreOver() public {
        _commit(A, OUTPUT);
        _commit(B, OUTPUT);
        _toReveals();
        _reveal(A, OUTPUT);
        _reveal(B, OUTPUT);
        vm.expectRevert(
            abi.encodeWithSelector(ISealed.RevealsNotOver.selector, START + COMMIT, START + COMMIT + REVEAL)
        );
        verifier.verify(_claim(OUTPUT, params), OUTPUT, proof);
    }

    // --- Terms

    function _checkTermsOf(ISealed.Params memory p) private view {
        verifier.checkTerms(terms, abi.encode(p));
    }

    function test_TakesNoFee() public {
        _assertTakesNoFee(verifier, terms, params);
    }

    function test_TermsMakeSense() public {
        verifier.checkTerms(terms, params);
        bytes memory invalid = abi.encodeWithSelector(ISealed.InvalidParams.selector);
        vm.expectRevert(invalid);
        _checkTermsOf(ISealed.Params(ISealed.Rule.Equal, 0, 3, COMMIT, REVEAL, 0));
        vm.expectRevert(invalid);
        _checkTermsOf(ISealed.Params(ISealed.Rule.Equal, 2, 0, COMMIT, REVEAL, 0));
        vm.expectRevert(invalid);
        _checkTermsOf(ISealed.Params(ISealed.Rule.Equal, 2, 65, COMMIT, REVEAL, 0));
        vm.expectRevert(invalid);
        _checkTermsOf(ISealed.Params(ISealed.Rule.Equal, 2, 3, COMMIT, REVEAL, 1));
        bytes memory short = abi.encodeWithSelector(ISealed.WindowTooShort.selector, 29, 30);
        vm.expectRevert(short);
        _checkTermsOf(ISealed.Params(ISealed.Rule.Equal, 2, 3, 29, REVEAL, 0));
        vm.expectRevert(short);
        _checkTermsOf(ISealed.Params(ISealed.Rule.Equal, 2, 3, COMMIT, 29, 0));

        terms.mode = 1;
        vm.expectRevert(abi.encodeWithSelector(ISealed.NotSealed.selector, 1));
        verifier.checkTerms(terms, params);
        (terms.mode, terms.redundancy) = (4, 2);
        vm.expectRevert(abi.encodeWithSelector(ISealed.RedundancyNotOne.selector, 2));
        verifier.checkTerms(terms, params);
        (terms.redundancy, terms.node) = (1, A);
        vm.expectRevert(abi.encodeWithSelector(ISealed.NodeNamed.selector, A));
        verifier.checkTerms(terms, params);
        (terms.node, terms.minBond) = (address(0), 0);
        vm.expectRevert(ISealed.ZeroMinBond.selector);
        verifier.checkTerms(terms, params);
    }

    function test_TermsLeaveTimeForEachPhase() public {
        uint256 length = COMMIT + REVEAL + verifier.MIN_WINDOW();
        terms.deadline = uint40(START + length - 1);
        vm.expectRevert(abi.encodeWithSelector(ISealed.WindowsTooLong.selector, START + length, START + length - 1));
        verifier.checkTerms(terms, params);
        ++terms.deadline;
        verifier.checkTerms(terms, params);
        vm.warp(START + COMMIT);
        vm.expectRevert(abi.encodeWithSelector(ISealed.CommitWindowOver.selector, START + COMMIT, START + COMMIT));
        verifier.checkTerms(terms, params);

        (terms.frequency, terms.period, terms.deadline) = (3, uint32(length - 1), 0);
        vm.expectRevert(abi.encodeWithSelector(ISealed.WindowsTooLong.selector, length, length - 1));
        verifier.checkTerms(terms, params);
        ++terms.period;
        verifier.checkTerms(terms, params);
    }

    function test_TheCommitmentIsThatOfTheView() public view {
        bytes32 hash = verifier.hashCommitment(OWNER, ID, 1, A, terms.featuresHash, keccak256(OUTPUT), SALT);
        vm.assertEq(hash, _hash(A, OUTPUT));
        vm.assertEq(verifier.proofKind(), keccak256("infernet.proof.sealed"));
        vm.assertTrue(verifier.comparesFeatures());
        vm.assertEq(verifier.COORDINATOR(), address(this));
    }

    // --- Gas

    function test_Gas() public {
        _commit(A, OUTPUT);
        _cool();
        _commit(B, OUTPUT);
        vm.snapshotGasLastCall("commit");
        _toReveals();
        _reveal(A, OUTPUT);
        _cool();
        _reveal(B, OUTPUT);
        vm.snapshotGasLastCall("reveal");
        _toDelivery();
        _cool();
        verifier.verify(_claim(OUTPUT, params), OUTPUT, proof);
        vm.snapshotGasLastCall("verify, 2 agree");
    }

    function _cool() private {
        vm.cool(address(verifier));
        vm.cool(address(registry));
    }
}
