// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {INodeRegistry} from "../../src/interfaces/INodeRegistry.sol";
import {IOnchainVerifier} from "../../src/interfaces/IOnchainVerifier.sol";
import {IOptimisticVerifier as IOptimistic} from "../../src/interfaces/IOptimisticVerifier.sol";
import {Claim, Verdict} from "../../src/interfaces/IVerifier.sol";
import {Subscription} from "../../src/Subscription.sol";
import {Dtype, Tensor, Tensors} from "../../src/Tensor.sol";
import {VerifierBase} from "./VerifierBase.sol";
import {vmMore} from "./VmMore.sol";

/// @dev Claims, challenges, arbiters; every bond accounted for at every end.
contract OptimisticVerifierTest is VerifierBase {
    bytes private constant OUTPUT = hex"2a";
    bytes32 private constant RIGHT = keccak256(OUTPUT);
    bytes32 private constant OTHER = keccak256("other");
    bytes32 private constant SALT = keccak256("salt");
    bytes32 private constant CONTAINER_ID = keccak256("demo/digits:1");
    uint32 private constant ID = 7;
    uint32 private constant WINDOW = 600;
    uint32 private constant COMMIT = 120;
    uint32 private constant REVEAL = 90;
    uint96 private constant REWARD = 0.1 ether;
    address private constant NODE = address(0xA11CE);
    address private constant CHALLENGER = address(0xC4A);

    IOptimistic private verifier;
    IOnchainVerifier private onchain;
    bytes private params;
    address[] private arbiters;

    function setUp() public override {
        super.setUp();
        onchain = IOnchainVerifier(vm.deployCode("OnchainVerifier.sol:OnchainVerifier"));
        verifier = IOptimistic(
            vm.deployCode(
                "OptimisticVerifier.sol:OptimisticVerifier",
                abi.encode(address(this), address(registry), address(onchain))
            )
        );
        arbiters = [address(0xE1), address(0xE2), address(0xE3)];
        params = abi.encode(_params());
        _bond(NODE, address(verifier), MIN_BOND);
        vmMore.deal(CHALLENGER, MIN_BOND);
    }

    function _params() private view returns (IOptimistic.Params memory) {
        return IOptimistic.Params(WINDOW, COMMIT, REVEAL, 0, arbiters, 2, REWARD);
    }

    function _proof(bytes memory features) private view returns (bytes memory) {
        return abi.encode(keccak256(features), params);
    }

    function _assert() private {
        (Verdict verdict, uint40 pendingUntil) = verifier.verify(_claim(OUTPUT, params), OUTPUT, _proof(FEATURES));
        vm.assertEq(uint256(verdict), uint256(Verdict.Pending));
        vm.assertEq(pendingUntil, block.timestamp + WINDOW + COMMIT + REVEAL);
    }

    /// @dev Written out apart from the contract.
    function _hashClaim(bytes memory features, bytes memory output) private pure returns (bytes32) {
        return keccak256(abi.encode(NODE, CONTAINER_ID, keccak256(features), keccak256(output)));
    }

    function _challenge() private {
        _challenge(_hashClaim(FEATURES, OUTPUT), MIN_BOND);
    }

    function _challenge(bytes32 claimHash, uint256 deposit) private {
        vm.prank(CHALLENGER);
        verifier.challenge{value: deposit}(OWNER, ID, 1, claimHash, params);
    }

    function _commitVote(address arbiter, bytes32 commitment) private {
        vm.prank(arbiter);
        verifier.commitVote(OWNER, ID, 1, _hashClaim(FEATURES, OUTPUT), params, commitment);
    }

    function _refute(bytes memory features) private {
        verifier.refute(OWNER, ID, 1, CONTAINER_ID, params, features);
    }

    function _hashVote(uint256 arbiter, bytes32 outputHash) private view returns (bytes32) {
        bytes memory place = abi.encode(block.chainid, address(verifier), OWNER, ID, uint32(1));
        return keccak256(bytes.concat(place, abi.encode(arbiters[arbiter], outputHash, SALT)));
    }

    function _vote(uint256 arbiter, bytes32 outputHash) private {
        bytes32 hash = _hashVote(arbiter, outputHash);
        _commitVote(arbiters[arbiter], hash);
    }

    function _revealVote(uint256 arbiter, bytes32 outputHash) private {
        vm.prank(arbiters[arbiter]);
        verifier.revealVote(OWNER, ID, 1, outputHash, SALT);
    }

    /// @dev The arbiters vote as told (0 = not at all) and time passes until the end.
    function _votes(bytes32 a, bytes32 b, bytes32 c) private {
        bytes32[3] memory votes = [a, b, c];
        for (uint256 i; i < 3; ++i) {
            if (votes[i] != 0) _vote(i, votes[i]);
        }
        vm.warp(block.timestamp + COMMIT);
        for (uint256 i; i < 3; ++i) {
            if (votes[i] != 0) _revealVote(i, votes[i]);
        }
        vm.warp(block.timestamp + REVEAL);
    }

    function _settle() private returns (Verdict) {
        return verifier.settle(_claim(OUTPUT, params), OUTPUT, "");
    }

    function _status() private view returns (IOptimistic.Status) {
        return verifier.getAssertion(OWNER, ID, 1).status;
    }

    function _assertStatus(IOptimistic.Status status) private view {
        vm.assertEq(uint256(_status()), uint256(status));
    }

    function _assertSettled(Verdict verdict) private {
        vm.assertEq(uint256(_settle()), uint256(verdict));
    }

    function _assertBond(uint256 active, uint256 locked) private view {
        INodeRegistry.Bond memory bond = registry.getBond(NODE, address(verifier));
        vm.assertEq(bond.active, active);
        vm.assertEq(bond.locked, locked);
    }

    /// @dev Every wei of the bond and of the deposit has one owner.
    function _assertMoney(uint256 bond, uint256 node, uint256 challenger, uint256 eachArbiter, uint256 count)
        private
        view
    {
        uint256 owner = registry.creditOf(OWNER);
        vm.assertEq(owner, bond == 0 ? (MIN_BOND - count * eachArbiter) / 2 : 0);
        _assertBond(bond, 0);
        vm.assertEq(verifier.creditOf(NODE) + registry.creditOf(NODE), node);
        vm.assertEq(verifier.creditOf(CHALLENGER) + registry.creditOf(CHALLENGER), challenger);
        for (uint256 i; i < 3; ++i) {
            uint256 credit = verifier.creditOf(arbiters[i]) + registry.creditOf(arbiters[i]);
            vm.assertEq(credit, i < count ? eachArbiter : 0);
        }
        vm.assertEq(bond + node + challenger + eachArbiter * count + owner, 2 * MIN_BOND);
        vm.assertEq(address(verifier).balance, verifier.totalHeld());
        vm.assertEq(address(registry).balance, registry.totalHeld());
    }

    // --- Nobody challenges

    function test_AnUnchallengedClaimIsFinalAfterItsWindow() public {
        vm.expectEmit(address(verifier));
        emit IOptimistic.Asserted(OWNER, ID, NODE, 1, RIGHT, MIN_BOND, uint40(START) + WINDOW);
        _assert();
        _assertBond(0, MIN_BOND);
        vm.warp(START + WINDOW - 1);
        _assertSettled(Verdict.Pending);
        vm.warp(START + WINDOW);
        vm.assertEq(verifier.quoteChallenge(OWNER, ID, 1), 0);
        vm.expectRevert(abi.encodeWithSelector(IOptimistic.TooLate.selector, START + WINDOW, START + WINDOW));
        _challenge();
        vm.expectEmit(address(verifier));
        emit IOptimistic.Resolved(OWNER, ID, 1, IOptimistic.Status.Upheld);
        _assertSettled(Verdict.Valid);
        _assertBond(MIN_BOND, 0);
        vm.assertEq(verifier.payees(_claim(OUTPUT, params), OUTPUT, "").length, 0);
    }

    /// @dev The node gets its bond back though nobody settles the subscription.
    function test_AnyoneResolves() public {
        _assert();
        vm.expectRevert(abi.encodeWithSelector(IOptimistic.TooEarly.selector, START, START + WINDOW));
        verifier.resolve(OWNER, ID, 1);
        vm.warp(START + WINDOW);
        vm.prank(address(0xDEAD));
        vm.assertEq(uint256(verifier.resolve(OWNER, ID, 1)), uint256(IOptimistic.Status.Upheld));
        _assertBond(MIN_BOND, 0);
        vm.expectRevert(abi.encodeWithSelector(IOptimistic.WrongStatus.selector, IOptimistic.Status.Upheld));
        verifier.resolve(OWNER, ID, 1);
        _assertSettled(Verdict.Valid); // and the settlement finds it so, later
        _assertBond(MIN_BOND, 0);
    }

    // --- The arbiters decide

    function test_AChallengeIsWon() public {
        _assert();
        vm.assertEq(verifier.quoteChallenge(OWNER, ID, 1), MIN_BOND);
        vm.expectEmit(address(verifier));
        emit IOptimistic.Challenged(OWNER, ID, CHALLENGER, 1, uint40(START) + COMMIT, uint40(START) + COMMIT + REVEAL);
        _challenge();
        _assertSettled(Verdict.Pending);
        _votes(OTHER, OTHER, RIGHT);
        _assertSettled(Verdict.Invalid);
        _assertStatus(IOptimistic.Status.Rejected);
        _assertMoney(0, 0, MIN_BOND + (MIN_BOND - 2 * REWARD) / 2, REWARD, 2);
        vm.assertEq(verifier.getVoters(OWNER, ID, 1, OTHER).length, 2);

        vm.prank(CHALLENGER);
        vm.assertEq(verifier.withdrawCredit(CHALLENGER), MIN_BOND);
        vm.prank(CHALLENGER);
        registry.withdrawCredit(CHALLENGER);
        vm.assertEq(CHALLENGER.balance, MIN_BOND + (MIN_BOND - 2 * REWARD) / 2);
        vm.assertEq(verifier.totalHeld(), 0);
    }

    function test_AChallengeIsLost() public {
        _assert();
        _challenge();
        _votes(RIGHT, RIGHT, OTHER);
        _assertSettled(Verdict.Valid);
        _assertStatus(IOptimistic.Status.Upheld);
        _assertMoney(MIN_BOND, MIN_BOND - 2 * REWARD, 0, REWARD, 2);
        vm.prank(NODE);
        verifier.withdrawCredit(NODE);
        vm.assertEq(NODE.balance, MIN_BOND - 2 * REWARD);
    }

    function test_AllArbitersOfTheMajorityAreRewarded() public {
        _assert();
        _challenge();
        _votes(OTHER, OTHER, OTHER);
        verifier.resolve(OWNER, ID, 1);
        _assertMoney(0, 0, MIN_BOND + (MIN_BOND - 3 * REWARD) / 2, REWARD, 3);
    }

    function test_WithoutARewardTheWinnerTakesAll() public {
        IOptimistic.Params memory p = _params();
        p.reward = 0;
        params = abi.encode(p);
        _assert();
        _challenge();
        _votes(OTHER, OTHER, OTHER);
        verifier.resolve(OWNER, ID, 1);
        _assertMoney(0, 0, MIN_BOND + MIN_BOND / 2, 0, 0);
    }

    // --- Time-outs

    function test_ArbitersThatDoNotAgreeGiveEverybodyItsOwnBack() public {
        _assert();
        _challenge();
        _votes(RIGHT, OTHER, keccak256("third"));
        _assertSettled(Verdict.Invalid);
        _assertStatus(IOptimistic.Status.Undecided);
        _assertMoney(MIN_BOND, 0, MIN_BOND, 0, 0);
    }

    function test_ArbitersThatDoNotCommitOrRevealHoldNobodyUp() public {
        _assert();
        vm.warp(START + WINDOW - 1); // as late as it gets
        _challenge();
        _vote(0, OTHER);
        _vote(1, OTHER);
        vm.warp(block.timestamp + COMMIT);
        _revealVote(0, OTHER);
        vm.warp(block.timestamp + REVEAL - 1);
        _assertSettled(Verdict.Pending);
        vm.warp(block.timestamp + 1);
        vm.assertLt(block.timestamp, START + WINDOW + COMMIT + REVEAL); // before the Coordinator gives up waiting
        verifier.resolve(OWNER, ID, 1);
        _assertStatus(IOptimistic.Status.Undecided);
        _assertMoney(MIN_BOND, 0, MIN_BOND, 0, 0);
    }

    function test_TheHashZeroDecidesNothing() public {
        _assert();
        _challenge();
        for (uint256 i; i < 3; ++i) {
            _vote(i, 0);
        }
        vm.warp(block.timestamp + COMMIT);
        for (uint256 i; i < 3; ++i) {
            _revealVote(i, 0);
        }
        vm.warp(block.timestamp + REVEAL);
        verifier.resolve(OWNER, ID, 1);
        _assertStatus(IOptimistic.Status.Undecided);
        _assertMoney(MIN_BOND, 0, MIN_BOND, 0, 0);
    }

    // --- The chain decides

    function _digits() private returns (bytes32 modelId, bytes memory features, bytes memory right) {
        IOnchainVerifier.Model memory model;
        model.layers = new IOnchainVerifier.Layer[](1);
        model.layers[0] = IOnchainVerifier.Layer(2, 3, 0, hex"010203fffefd", new bytes(12));
        modelId = onchain.storeModel(model);
        uint32[] memory shape = new uint32[](2);
        (shape[0], shape[1]) = (1, 2);
        features = Tensors.encode(Tensor(Dtype.UINT8, 0, shape, hex"0501"));
        right = onchain.run(modelId, features);
        params = abi.encode(IOptimistic.Params(WINDOW, 0, 0, modelId, new address[](0), 0, 0));
    }

    function _assertOnchain(bytes memory features, bytes memory output) private {
        Claim memory c = _claim(output, params);
        c.featuresHash = keccak256(features);
        (, uint40 pendingUntil) = verifier.verify(c, output, _proof(features));
        vm.assertEq(pendingUntil, START + WINDOW);
    }

    function test_TheChainRefutesAWrongAnswerAtOnce() public {
        (, bytes memory features, bytes memory right) = _digits();
        _assertOnchain(features, OUTPUT);
        vm.expectEmit(address(verifier));
        emit IOptimistic.Refuted(OWNER, ID, CHALLENGER, 1, keccak256(right));
        vm.prank(CHALLENGER);
        _refute(features);
        _assertStatus(IOptimistic.Status.Rejected);
        _assertBond(0, 0);
        vm.assertEq(registry.creditOf(CHALLENGER), MIN_BOND / 2);
        vm.assertEq(registry.creditOf(OWNER), MIN_BOND / 2);
        Claim memory c = _claim(OUTPUT, params);
        vm.assertEq(uint256(verifier.settle(c, OUTPUT, "")), uint256(Verdict.Invalid));

        vm.expectRevert(abi.encodeWithSelector(IOptimistic.WrongStatus.selector, IOptimistic.Status.Rejected));
        _refute(features);
    }

    function test_RevertWhen_ARightAnswerIsRefuted() public {
        (, bytes memory features, bytes memory right) = _digits();
        _assertOnchain(features, right);
        vm.expectRevert(abi.encodeWithSelector(IOptimistic.AnswerIsRight.selector, keccak256(right)));
        _refute(features);
    }

    /// @dev Other features have another answer: they prove nothing about this one.
    function test_RevertWhen_RefutingWithOtherFeatures() public {
        (, bytes memory features, bytes memory right) = _digits();
        _assertOnchain(features, right);
        bytes memory others = bytes.concat(features);
        others[others.length - 32] = 0x00;
        others[others.length - 31] = 0xff;
        vm.expectRevert(_otherClaim(_hashClaim(others, right), _hashClaim(features, right)));
        _refute(others);
    }

    /// @dev Too little gas for the model is no proof: at no amount does a right answer fall.
    function test_StarvingTheModelOfGasRefutesNothing() public {
        (, bytes memory features, bytes memory right) = _digits();
        _assertOnchain(features, right);
        bytes memory data = abi.encodeCall(verifier.refute, (OWNER, ID, 1, CONTAINER_ID, params, features));
        for (uint256 given = 5_000; given < 100_000; given += 1_000) {
            (bool ok,) = address(verifier).call{gas: given}(data);
            vm.assertFalse(ok);
        }
        _assertStatus(IOptimistic.Status.Open);
    }

    function test_RevertWhen_TheWayIsTheOther() public {
        _assert();
        vm.expectRevert(abi.encodeWithSelector(IOptimistic.WrongWay.selector, bytes32(0)));
        _refute(FEATURES);
    }

    function test_RevertWhen_AStoredModelIsBroughtBeforeArbiters() public {
        (bytes32 modelId, bytes memory features,) = _digits();
        _assertOnchain(features, OUTPUT);
        vm.expectRevert(abi.encodeWithSelector(IOptimistic.WrongWay.selector, modelId));
        _challenge(_hashClaim(features, OUTPUT), MIN_BOND);
    }

    function test_RevertWhen_RefutingTooLate() public {
        (, bytes memory features,) = _digits();
        _assertOnchain(features, OUTPUT);
        vm.warp(START + WINDOW);
        vm.expectRevert(abi.encodeWithSelector(IOptimistic.TooLate.selector, START + WINDOW, START + WINDOW));
        _refute(features);
    }

    // --- Attacks

    /// @dev A node that lies and is its own challenger gets less than all of its bond back.
    function testFuzz_ChallengingOneselfCostsHalfTheBond(uint96 bond) public {
        bond = uint96(2 + uint256(bond) % 100 ether);
        (, bytes memory features,) = _digits();
        vmMore.deal(address(this), bond);
        registry.postBond{value: bond}(NODE, address(verifier));
        Claim memory c = _claim(OUTPUT, params);
        (c.featuresHash, c.minBond) = (keccak256(features), bond);
        verifier.verify(c, OUTPUT, _proof(features));
        vm.prank(NODE);
        _refute(features);
        vm.assertEq(registry.creditOf(NODE), bond - bond / 2);
        vm.assertEq(registry.creditOf(OWNER), bond / 2);
    }

    /// @dev Somebody who plays the Coordinator would put the bond of a node at stake that never answered.
    function test_RevertWhen_SomebodyPlaysTheCoordinator() public {
        Claim memory c = _claim(OUTPUT, params);
        bytes memory refused = abi.encodeWithSelector(IOptimistic.NotCoordinator.selector, address(0xBAD));
        vm.expectRevert(refused);
        vm.prank(address(0xBAD));
        verifier.verify(c, OUTPUT, _proof(FEATURES));
        _assert();
        vm.warp(START + WINDOW);
        vm.expectRevert(refused);
        vm.prank(address(0xBAD));
        verifier.settle(c, OUTPUT, "");
    }

    function test_TheBondOfAClaimCannotLeave() public {
        _assert();
        bytes memory none =
            abi.encodeWithSelector(INodeRegistry.InsufficientBond.selector, NODE, address(verifier), 0, 1);
        vm.expectRevert(none);
        vm.prank(NODE);
        registry.startUnbonding(address(verifier), 1);
        _challenge();
        vm.warp(START + 365 days);
        vm.expectRevert(none);
        vm.prank(NODE);
        registry.startUnbonding(address(verifier), 1);
        vm.expectRevert(INodeRegistry.ZeroAmount.selector);
        vm.prank(NODE);
        registry.withdrawBond(address(verifier), NODE);
    }

    /// @dev One bond is not good for two claims at a time.
    function test_RevertWhen_OneBondIsToCoverTwoClaims() public {
        _assert();
        Claim memory c = _claim(OUTPUT, params);
        c.id = ID + 1;
        vm.expectRevert(
            abi.encodeWithSelector(INodeRegistry.InsufficientBond.selector, NODE, address(verifier), 0, MIN_BOND)
        );
        verifier.verify(c, OUTPUT, _proof(FEATURES));
    }

    /// @dev A Coordinator settles what was claimed; anything else is nobody's answer.
    function test_AnotherOutputThanTheClaimedIsInvalid() public {
        _assert();
        vm.warp(START + WINDOW);
        Claim memory c = _claim(hex"2b", params);
        vm.assertEq(uint256(verifier.settle(c, hex"2b", "")), uint256(Verdict.Invalid));
        c.id = ID + 1;
        vm.assertEq(uint256(verifier.settle(c, hex"2b", "")), uint256(Verdict.Invalid));
        _assertStatus(IOptimistic.Status.Open);
        _assertSettled(Verdict.Valid);
    }

    function test_RevertWhen_TheSameIsClaimedTwice() public {
        _bond(NODE, address(verifier), MIN_BOND);
        _assert();
        Claim memory c = _claim(hex"2b", params);
        vm.expectRevert(IOptimistic.AlreadyAsserted.selector);
        verifier.verify(c, hex"2b", _proof(FEATURES));
    }

    /// @dev In pull mode the consumer may commit to other features than the node has read.
    function testFuzz_RevertWhen_TheFeaturesAreOthers(bytes32 changed) public {
        vm.assume(changed != keccak256(FEATURES));
        Claim memory c = _claim(OUTPUT, params);
        c.featuresHash = changed;
        vm.expectRevert(abi.encodeWithSelector(IOptimistic.FeaturesMismatch.selector, keccak256(FEATURES), changed));
        verifier.verify(c, OUTPUT, _proof(FEATURES));
        _assertBond(MIN_BOND, 0);
    }

    function test_RevertWhen_TheParametersAreOthers() public {
        IOptimistic.Params memory p = _params();
        p.arbiters[0] = address(1); // the attacker's own
        bytes memory forged = abi.encode(p);
        bytes memory mismatch =
            abi.encodeWithSelector(IOptimistic.ParamsMismatch.selector, keccak256(forged), keccak256(params));
        Claim memory c = _claim(OUTPUT, params);
        vm.expectRevert(mismatch);
        verifier.verify(c, OUTPUT, abi.encode(keccak256(FEATURES), forged));
        _assert();
        bytes memory right = params;
        params = forged;
        vm.expectRevert(mismatch);
        _refute(FEATURES);
        vm.expectRevert(mismatch);
        _challenge();
        params = right;
        _challenge();
        params = forged;
        vm.expectRevert(mismatch);
        _commitVote(address(1), SALT);
    }

    function testFuzz_RevertWhen_TheDepositIsNotTheBond(uint96 value) public {
        vm.assume(value != MIN_BOND);
        _assert();
        vmMore.deal(CHALLENGER, value);
        vm.expectRevert(abi.encodeWithSelector(IOptimistic.WrongDeposit.selector, value, MIN_BOND));
        _challenge(_hashClaim(FEATURES, OUTPUT), value);
    }

    function _otherClaim(bytes32 given, bytes32 found) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IOptimistic.OtherClaim.selector, given, found);
    }

    /// @dev Any word of what is claimed: node, container, features, output.
    function testFuzz_RevertWhen_AnotherClaimStandsThere(uint256 word, uint256 bit) public {
        bytes32[4] memory words =
            [bytes32(uint256(uint160(NODE))), CONTAINER_ID, keccak256(FEATURES), keccak256(OUTPUT)];
        bytes32 found = keccak256(abi.encode(words));
        _assert();
        vm.assertEq(verifier.getAssertion(OWNER, ID, 1).claimHash, found);
        vm.assertEq(verifier.hashClaim(NODE, words[1], words[2], words[3]), found);

        words[word % 4] ^= bytes32(1 << (bit % 256));
        bytes32 given = keccak256(abi.encode(words));
        vm.expectRevert(_otherClaim(given, found));
        _challenge(given, MIN_BOND);
        _challenge();
        vm.expectRevert(_otherClaim(given, found));
        vm.prank(arbiters[0]);
        verifier.commitVote(OWNER, ID, 1, given, params, SALT);
        _votes(OTHER, OTHER, 0); // who was refused votes still
        _assertSettled(Verdict.Invalid);
    }

    function test_RevertWhen_RefutingForAnotherContainer() public {
        (, bytes memory features,) = _digits();
        _assertOnchain(features, OUTPUT);
        bytes32 given = keccak256(abi.encode(NODE, OTHER, keccak256(features), keccak256(OUTPUT)));
        vm.expectRevert(_otherClaim(given, _hashClaim(features, OUTPUT)));
        verifier.refute(OWNER, ID, 1, OTHER, params, features);
    }

    function test_RevertWhen_ChallengedTwice() public {
        _assert();
        _challenge();
        vmMore.deal(CHALLENGER, MIN_BOND);
        vm.expectRevert(abi.encodeWithSelector(IOptimistic.WrongStatus.selector, IOptimistic.Status.Challenged));
        _challenge();
    }

    // --- Votes

    function test_OnlyArbitersVoteAndNoneInItsOwnCause() public {
        arbiters = [CHALLENGER, address(0xE2), NODE];
        if (arbiters[0] > arbiters[2]) (arbiters[0], arbiters[2]) = (arbiters[2], arbiters[0]);
        if (arbiters[0] > arbiters[1]) (arbiters[0], arbiters[1]) = (arbiters[1], arbiters[0]);
        params = abi.encode(_params());
        _assert();
        _challenge();
        address[3] memory refused = [CHALLENGER, NODE, address(0xBAD)];
        for (uint256 i; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IOptimistic.NotAnArbiter.selector, refused[i]));
            _commitVote(refused[i], SALT);
        }
    }

    /// @dev A lazy arbiter copies another's commit and waits for it to be opened.
    function test_ACopiedVoteCannotBeRevealed() public {
        _assert();
        _challenge();
        bytes32 hash = _hashVote(0, OTHER);
        _vote(0, OTHER);
        _commitVote(arbiters[1], hash);
        vm.warp(START + COMMIT);
        _revealVote(0, OTHER);
        bytes32 opened = _hashVote(1, OTHER);
        vm.expectRevert(abi.encodeWithSelector(IOptimistic.CommitmentMismatch.selector, opened, hash));
        _revealVote(1, OTHER);
    }

    function test_RevertWhen_VotingOutOfTurn() public {
        _assert();
        vm.expectRevert(abi.encodeWithSelector(IOptimistic.WrongStatus.selector, IOptimistic.Status.Open));
        _vote(0, OTHER);
        vm.expectRevert(abi.encodeWithSelector(IOptimistic.WrongStatus.selector, IOptimistic.Status.Open));
        _revealVote(0, OTHER);
        _challenge();
        _vote(0, OTHER);
        vm.expectRevert(abi.encodeWithSelector(IOptimistic.AlreadyVoted.selector, arbiters[0]));
        _vote(0, RIGHT);
        vm.expectRevert(abi.encodeWithSelector(IOptimistic.TooEarly.selector, START, START + COMMIT));
        _revealVote(0, OTHER);
        vm.expectRevert(IOptimistic.ZeroCommitment.selector);
        _commitVote(arbiters[1], 0);

        vm.warp(START + COMMIT);
        vm.expectRevert(abi.encodeWithSelector(IOptimistic.TooLate.selector, START + COMMIT, START + COMMIT));
        _vote(1, OTHER);
        _revealVote(0, OTHER);
        bytes32 opened = _hashVote(0, OTHER);
        vm.expectRevert(abi.encodeWithSelector(IOptimistic.CommitmentMismatch.selector, opened, bytes32(0)));
        _revealVote(0, OTHER); // not twice
        vm.warp(START + COMMIT + REVEAL);
        vm.expectRevert(
            abi.encodeWithSelector(IOptimistic.TooLate.selector, START + COMMIT + REVEAL, START + COMMIT + REVEAL)
        );
        _revealVote(1, OTHER);
    }

    // --- Money that leaves

    function test_CreditsLeaveOnce() public {
        _assert();
        _challenge();
        _votes(RIGHT, RIGHT, RIGHT);
        verifier.resolve(OWNER, ID, 1);
        vm.expectRevert(IOptimistic.ZeroAddress.selector);
        vm.prank(NODE);
        verifier.withdrawCredit(address(0));
        bytes memory refused =
            abi.encodeWithSelector(IOptimistic.TransferFailed.selector, address(registry), MIN_BOND - 3 * REWARD);
        vm.expectRevert(refused);
        vm.prank(NODE);
        verifier.withdrawCredit(address(registry)); // takes no plain ETH
        vm.expectEmit(address(verifier));
        emit IOptimistic.CreditWithdrawn(NODE, address(0x9999), MIN_BOND - 3 * REWARD);
        vm.prank(NODE);
        verifier.withdrawCredit(address(0x9999));
        vm.expectRevert(abi.encodeWithSelector(IOptimistic.NoCredit.selector, NODE));
        vm.prank(NODE);
        verifier.withdrawCredit(address(0x9999));
        vm.assertEq(verifier.totalHeld(), 3 * REWARD);
        vm.assertEq(address(verifier).balance, 3 * REWARD);
    }

    // --- Terms

    function _expectBad(IOptimistic.Params memory p, bytes memory refused) private {
        Subscription memory s = _terms(address(verifier), "");
        vm.expectRevert(refused);
        verifier.checkTerms(s, abi.encode(p));
    }

    function test_TakesNoFee() public {
        _assertTakesNoFee(verifier, _terms(address(verifier), params), params);
    }

    function test_TermsMakeSense() public {
        Subscription memory s = _terms(address(verifier), params);
        verifier.checkTerms(s, params);
        s.redundancy = 2;
        vm.expectRevert(abi.encodeWithSelector(IOptimistic.RedundancyNotOne.selector, 2));
        verifier.checkTerms(s, params);
        (s.redundancy, s.minBond) = (1, 0);
        vm.expectRevert(IOptimistic.ZeroMinBond.selector);
        verifier.checkTerms(s, params);

        IOptimistic.Params memory p = _params();
        p.challengeWindow = 29;
        _expectBad(p, abi.encodeWithSelector(IOptimistic.InvalidWindow.selector, 29));
        p.challengeWindow = 29 days;
        _expectBad(p, abi.encodeWithSelector(IOptimistic.InvalidWindow.selector, 29 days + COMMIT + REVEAL));
        p = _params();
        p.commitWindow = 29;
        _expectBad(p, abi.encodeWithSelector(IOptimistic.InvalidWindow.selector, 29));
        p = _params();
        p.revealWindow = 0;
        _expectBad(p, abi.encodeWithSelector(IOptimistic.InvalidWindow.selector, 0));
        p = _params();
        p.threshold = 1; // not more than half
        _expectBad(p, abi.encodeWithSelector(IOptimistic.InvalidThreshold.selector, 1, 3));
        p.threshold = 4;
        _expectBad(p, abi.encodeWithSelector(IOptimistic.InvalidThreshold.selector, 4, 3));
        p = _params();
        p.arbiters = new address[](0);
        _expectBad(p, abi.encodeWithSelector(IOptimistic.InvalidThreshold.selector, 2, 0));
        p.threshold = 0;
        _expectBad(p, abi.encodeWithSelector(IOptimistic.InvalidThreshold.selector, 0, 0));
        p.arbiters = new address[](16);
        p.threshold = 9;
        _expectBad(p, abi.encodeWithSelector(IOptimistic.InvalidThreshold.selector, 9, 16));
        p = _params();
        p.arbiters[1] = p.arbiters[0];
        _expectBad(p, abi.encodeWithSelector(IOptimistic.ArbitersNotAscending.selector, p.arbiters[0], p.arbiters[0]));
        p.arbiters[0] = address(0);
        _expectBad(p, abi.encodeWithSelector(IOptimistic.ArbitersNotAscending.selector, address(0), address(0)));
        p = _params();
        p.reward = MIN_BOND / 6 + 1;
        _expectBad(p, abi.encodeWithSelector(IOptimistic.RewardTooHigh.selector, 3 * uint256(p.reward), MIN_BOND / 2));
        p.reward = type(uint96).max;
        _expectBad(p, abi.encodeWithSelector(IOptimistic.RewardTooHigh.selector, 3 * uint256(p.reward), MIN_BOND / 2));
    }

    /// @dev The shortest windows, the longest together, and rewards of half the bond.
    function test_TermsMayBeAtTheirLimits() public view {
        IOptimistic.Params memory p = _params();
        (p.challengeWindow, p.commitWindow, p.revealWindow) = (30, 30, 30);
        _checkGood(p);
        p.challengeWindow = 29 days - 60;
        _checkGood(p);
    }

    function _checkGood(IOptimistic.Params memory p) private view {
        bytes memory encoded = abi.encode(p);
        Subscription memory s = _terms(address(verifier), encoded);
        s.minBond = uint96(2 * p.reward * p.arbiters.length);
        verifier.checkTerms(s, encoded);
    }

    function test_TermsOfAStoredModelMakeSense() public {
        (bytes32 modelId,,) = _digits();
        verifier.checkTerms(_terms(address(verifier), params), params);
        IOptimistic.Params memory p = IOptimistic.Params(WINDOW, 0, 0, OTHER, new address[](0), 0, 0);
        _expectBad(p, abi.encodeWithSelector(IOptimistic.ModelNotStored.selector, OTHER));
        p = _params();
        p.modelId = modelId;
        _expectBad(p, abi.encodeWithSelector(IOptimistic.InvalidParams.selector));
        vm.assertEq(verifier.hashVote(OWNER, ID, 1, arbiters[0], OTHER, SALT), _hashVote(0, OTHER));
        vm.assertEq(verifier.proofKind(), keccak256("infernet.proof.optimistic"));
        vm.assertFalse(verifier.comparesFeatures());
    }

    // --- Gas

    function test_Gas() public {
        Claim memory c = _claim(OUTPUT, params);
        bytes memory proof = _proof(FEATURES);
        _cool();
        verifier.verify(c, OUTPUT, proof);
        vm.snapshotGasLastCall("verify");
        vm.warp(START + WINDOW);
        _cool();
        verifier.settle(c, OUTPUT, "");
        vm.snapshotGasLastCall("settle, unchallenged");
    }

    function test_GasOfADispute() public {
        _assert();
        _cool();
        _challenge();
        vm.snapshotGasLastCall("challenge");
        bytes32 hash = _hashVote(0, OTHER);
        _cool();
        _commitVote(arbiters[0], hash);
        vm.snapshotGasLastCall("commitVote");
        _vote(1, OTHER);
        vm.warp(START + COMMIT);
        _cool();
        _revealVote(0, OTHER);
        vm.snapshotGasLastCall("revealVote");
        _revealVote(1, OTHER);
        vm.warp(START + COMMIT + REVEAL);
        _cool();
        _settle();
        vm.snapshotGasLastCall("settle, 2 of 3 arbiters against the claim");
    }

    function _cool() private {
        vm.cool(address(verifier));
        vm.cool(address(registry));
    }
}

/// @dev Whatever happens in whatever order, every wei is a bond, a deposit or somebody's credit.
contract OptimisticHandler {
    uint256 private constant COUNT = 4;
    uint96 private constant BOND = 1 ether;
    bytes32 private constant SALT = keccak256("salt");
    address private constant OWNER = address(0x0E4);

    IOptimistic public verifier;
    INodeRegistry public registry;
    bytes public params;
    address[3] private _arbiters = [address(0xE1), address(0xE2), address(0xE3)];
    address private constant NODE = address(0xA11CE);
    address private constant CHALLENGER = address(0xC4A);
    bytes32 private constant CLAIM_HASH = keccak256(abi.encode(NODE, 0, 0, 1)); // as `_claim` below
    uint32 public next = 1;
    uint256 public settledTwice;
    mapping(uint32 id => uint256) private _final; // verdict + 1
    OptimisticInvariants private immutable _test;

    constructor(OptimisticInvariants test, INodeRegistry registry_) {
        (_test, registry) = (test, registry_);
        address[] memory arbiters = new address[](3);
        (arbiters[0], arbiters[1], arbiters[2]) = (_arbiters[0], _arbiters[1], _arbiters[2]);
        params = abi.encode(IOptimistic.Params(100, 50, 50, 0, arbiters, 2, 0.05 ether));
    }

    /// @dev The handler is the Coordinator, so it exists before the verifier does.
    function start(IOptimistic verifier_) external {
        verifier = verifier_;
    }

    function _claim(uint32 id) private view returns (Claim memory c) {
        c.owner = OWNER;
        c.id = id;
        c.interval = 1;
        c.node = NODE;
        c.outputHash = bytes32(uint256(1));
        c.verifierParams = keccak256(params);
        c.minBond = BOND;
    }

    function assertClaim() external {
        vmMore.deal(address(this), BOND);
        registry.postBond{value: BOND}(NODE, address(verifier));
        verifier.verify(_claim(next++), "", abi.encode(bytes32(0), params));
    }

    function challenge(uint32 id) external {
        id = 1 + id % next;
        uint256 deposit = verifier.quoteChallenge(OWNER, id, 1);
        if (deposit == 0) return;
        vmMore.deal(CHALLENGER, deposit);
        vmMore.startPrank(CHALLENGER);
        verifier.challenge{value: deposit}(OWNER, id, 1, CLAIM_HASH, params);
        vmMore.stopPrank();
    }

    function commitVote(uint32 id, uint256 arbiter, uint256 vote) external {
        id = 1 + id % next;
        address account = _arbiters[arbiter % 3];
        bytes32 hash = verifier.hashVote(OWNER, id, 1, account, bytes32(vote % 3), SALT);
        vmMore.startPrank(account);
        try verifier.commitVote(OWNER, id, 1, CLAIM_HASH, params, hash) {} catch {}
        vmMore.stopPrank();
    }

    function revealVote(uint32 id, uint256 arbiter, uint256 vote) external {
        vmMore.startPrank(_arbiters[arbiter % 3]);
        try verifier.revealVote(OWNER, 1 + id % next, 1, bytes32(vote % 3), SALT) {} catch {}
        vmMore.stopPrank();
    }

    /// @dev A whole vote in one go, so that decisions are not rare.
    function decide(uint32 id, uint256 vote) external {
        id = 1 + id % next;
        IOptimistic.Assertion memory a = verifier.getAssertion(OWNER, id, 1);
        if (a.status != IOptimistic.Status.Challenged || block.timestamp >= a.commitUntil) return;
        for (uint256 i; i < 3; ++i) {
            this.commitVote(id - 1, i, vote);
        }
        _test.wait_(a.commitUntil);
        for (uint256 i; i < 3; ++i) {
            this.revealVote(id - 1, i, vote);
        }
    }

    function resolve(uint32 id) external {
        try verifier.resolve(OWNER, 1 + id % next, 1) {} catch {}
    }

    function settle(uint32 id) external {
        id = 1 + id % next;
        Verdict verdict = verifier.settle(_claim(id), "", "");
        if (verdict == Verdict.Pending || verifier.getAssertion(OWNER, id, 1).node == address(0)) return;
        uint256 settled = uint256(verdict) + 1;
        if (_final[id] != 0 && _final[id] != settled) ++settledTwice;
        _final[id] = settled;
    }

    function withdraw(uint256 who) external {
        address account = who % 3 == 0 ? NODE : who % 3 == 1 ? CHALLENGER : _arbiters[who % 3];
        vmMore.startPrank(account);
        try verifier.withdrawCredit(address(0xDEAD)) {} catch {}
        vmMore.stopPrank();
    }

    function wait(uint32 time) external {
        _test.wait_(block.timestamp + time % 80);
    }

    /// @dev Deposits of undecided challenges, credits; and what of the bond is still locked.
    function sums() external view returns (uint256 held, uint256 locked) {
        for (uint32 id = 1; id < next; ++id) {
            IOptimistic.Assertion memory a = verifier.getAssertion(OWNER, id, 1);
            if (a.status == IOptimistic.Status.Challenged) held += a.bond;
            if (a.status == IOptimistic.Status.Challenged || a.status == IOptimistic.Status.Open) locked += a.bond;
        }
        held += verifier.creditOf(NODE) + verifier.creditOf(CHALLENGER);
        for (uint256 i; i < 3; ++i) {
            held += verifier.creditOf(_arbiters[i]);
        }
    }
}

contract OptimisticInvariants is VerifierBase {
    OptimisticHandler private handler;
    IOptimistic private verifier;

    function setUp() public override {
        super.setUp();
        handler = new OptimisticHandler(this, registry);
        verifier = IOptimistic(
            vm.deployCode(
                "OptimisticVerifier.sol:OptimisticVerifier", abi.encode(address(handler), address(registry), address(0))
            )
        );
        handler.start(verifier);
    }

    function wait_(uint256 timestamp) external {
        vm.warp(timestamp);
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @dev `start` is for setting up.
    function excludeSelectors() external view returns (FuzzSelector[] memory excluded) {
        excluded = new FuzzSelector[](1);
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = OptimisticHandler.start.selector;
        excluded[0] = FuzzSelector(address(handler), selectors);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function invariant_EveryWeiHasAnOwner() public view {
        (uint256 held, uint256 locked) = handler.sums();
        vm.assertEq(verifier.totalHeld(), held);
        vm.assertEq(address(verifier).balance, held);
        vm.assertEq(registry.getBond(address(0xA11CE), address(verifier)).locked, locked);
        vm.assertEq(address(registry).balance, registry.totalHeld());
        vm.assertEq(handler.settledTwice(), 0);
    }
}
