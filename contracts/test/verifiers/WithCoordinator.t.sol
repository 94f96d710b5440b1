// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAttestationVerifier} from "../../src/interfaces/IAttestationVerifier.sol";
import {ICoordinator} from "../../src/interfaces/ICoordinator.sol";
import {IEzklVerifier} from "../../src/interfaces/IEzklVerifier.sol";
import {ILedger} from "../../src/interfaces/ILedger.sol";
import {IOnchainVerifier} from "../../src/interfaces/IOnchainVerifier.sol";
import {IOptimisticVerifier} from "../../src/interfaces/IOptimisticVerifier.sol";
import {IQuorumSignatureVerifier} from "../../src/interfaces/IQuorumSignatureVerifier.sol";
import {ISealedQuorumVerifier} from "../../src/interfaces/ISealedQuorumVerifier.sol";
import {Claim} from "../../src/interfaces/IVerifier.sol";
import {Answer, Subscription} from "../../src/Subscription.sol";
import {Dtype, Tensor, Tensors} from "../../src/Tensor.sol";
import {Base} from "../Base.sol";
import {Halo2Verifier} from "../fixtures/Halo2Verifier.sol";
import {vmMore} from "./VmMore.sol";

/// @dev Every level of assurance through the real Coordinator, paid: who gets the fee, and that what is not good
/// changes nothing.
contract WithCoordinatorTest is Base {
    uint128 private constant FEE = 1 ether + 1; // does not divide by 3
    uint96 private constant BOND = 2 ether;

    ILedger private ledger;
    bytes private features = FEATURES;
    uint32 private id;

    function setUp() public override {
        super.setUp();
        ledger = ILedger(address(coordinator));
        vmMore.deal(address(this), FEE);
        ledger.deposit{value: FEE}(address(puppet), address(0), FEE);
    }

    function _paid(address verifier, bytes memory params) private view returns (Subscription memory s) {
        s = _terms();
        s.featuresHash = keccak256(features);
        (s.verifier, s.verifierParams) = (verifier, keccak256(params));
        (s.fee, s.deadline) = (FEE, uint40(START + 30 days));
        s.maxGasLimit = overhead + 10_000_000; // the puppet stores the whole proof
    }

    function _createPaid(Subscription memory s, bytes memory params) private {
        vm.prank(s.owner);
        id = coordinator.createSubscription(s, CONTAINER, features, params);
    }

    function _claimOf(Subscription memory s, address node, bytes memory output) private view returns (Claim memory c) {
        c.owner = s.owner;
        c.id = id;
        (c.interval, c.redundancy, c.node) = (1, 1, node);
        (c.containerId, c.featuresHash, c.outputHash) = (s.containerId, s.featuresHash, keccak256(output));
        (c.verifierParams, c.minBond) = (s.verifierParams, s.minBond);
    }

    function _send(address node, Subscription memory s, bytes memory output, bytes memory proof) private {
        vm.prank(node);
        coordinator.deliverModelOutput(id, 1, s, output, proof);
    }

    /// @dev Whatever the reason, nothing has happened.
    function _assertNotTaken(address node, Subscription memory s, bytes memory output, bytes memory proof) private {
        vm.prank(node);
        try coordinator.deliverModelOutput(id, 1, s, output, proof) {
            vm.assertTrue(false, "taken");
        } catch {}
        _assertMoney(0, FEE);
        vm.assertEq(puppet.count(), 0);
    }

    function _assertMoney(uint256 free, uint256 locked) private view {
        (uint128 isFree, uint128 isLocked) = ledger.balanceOf(address(puppet), address(0));
        vm.assertEq(isFree, free);
        vm.assertEq(isLocked, locked);
        vm.assertEq(ledger.totalOf(address(0)), FEE);
    }

    function _earned(address account) private view returns (uint256 free) {
        (free,) = ledger.balanceOf(account, address(0));
    }

    function _assertDone(bytes memory output) private view {
        _assertMoney(0, 0);
        vm.assertEq(puppet.count(), 1);
        vm.assertEq(puppet.last().output, output);
    }

    function _bondOf(address node, address verifier) private {
        vmMore.deal(address(this), BOND);
        nodes.postBond{value: BOND}(node, verifier);
    }

    // --- Attested

    function test_AttestedIsPaidToTheNodeThatTheKeyNames() public {
        IAttestationVerifier verifier =
            IAttestationVerifier(vm.deployCode("AttestationVerifier.sol:AttestationVerifier"));
        verifier.allowSigner(vm.addr(0x7EE), uint40(START), uint40(START + 1 days), "");
        bytes memory params = abi.encode(address(this));
        Subscription memory s = _paid(address(verifier), params);
        _createPaid(s, params);
        bytes32 digest = verifier.digest(address(coordinator), _claimOf(s, NODE, OUTPUT));
        bytes memory proof = abi.encode(address(this), vm.addr(0x7EE), _signDigest(0x7EE, digest));

        _assertNotTaken(OTHER_NODE, s, OUTPUT, proof); // front-run by its own calldata
        _assertNotTaken(NODE, s, hex"2b", proof);
        _send(NODE, s, OUTPUT, proof);
        _assertDone(OUTPUT);
        vm.assertEq(_earned(NODE), FEE);
    }

    // --- Signed by k

    function test_EachSignerIsPaidItsPartWhoeverDelivers() public {
        IQuorumSignatureVerifier verifier = IQuorumSignatureVerifier(
            vm.deployCode("QuorumSignatureVerifier.sol:QuorumSignatureVerifier", abi.encode(address(nodes)))
        );
        bytes memory params = abi.encode(3);
        Subscription memory s = _paid(address(verifier), params);
        s.minBond = BOND;
        _createPaid(s, params);
        uint256[3] memory keys = _sortedKeys();
        bytes32 digest = verifier.digest(address(coordinator), _claimOf(s, NODE, OUTPUT));
        IQuorumSignatureVerifier.NodeSignature[] memory list = new IQuorumSignatureVerifier.NodeSignature[](3);
        for (uint256 i; i < 3; ++i) {
            list[i] = IQuorumSignatureVerifier.NodeSignature(vm.addr(keys[i]), _signDigest(keys[i], digest));
        }
        bytes memory proof = abi.encode(bytes32(0), list);

        _bondOf(OTHER_NODE, address(verifier));
        _bondOf(list[0].node, address(verifier));
        _bondOf(list[1].node, address(verifier));
        _assertNotTaken(OTHER_NODE, s, OUTPUT, proof); // one has no bond yet
        _bondOf(list[2].node, address(verifier));
        _assertNotTaken(OTHER_NODE, s, hex"2b", proof);
        _send(OTHER_NODE, s, OUTPUT, proof);
        _assertDone(OUTPUT);
        vm.assertEq(_earned(list[0].node) + _earned(list[1].node) + _earned(list[2].node), FEE);
        vm.assertEq(_earned(list[1].node), FEE / 3);
        vm.assertEq(_earned(list[2].node), FEE / 3);
        vm.assertEq(_earned(OTHER_NODE), 0);
    }

    function _sortedKeys() private pure returns (uint256[3] memory keys) {
        keys = [uint256(0xA1), 0xA2, 0xA3];
        for (uint256 i; i < 3; ++i) {
            for (uint256 j = i + 1; j < 3; ++j) {
                if (vm.addr(keys[j]) < vm.addr(keys[i])) (keys[i], keys[j]) = (keys[j], keys[i]);
            }
        }
    }

    // --- Sealed

    function test_SealedIsSharedByThoseWhoAgree() public {
        (ISealedQuorumVerifier verifier, Subscription memory s, bytes memory params) = _sealed();
        address[3] memory committers = [address(0xE1), address(0xE2), address(0xE3)];
        for (uint256 i; i < 3; ++i) {
            _bondOf(committers[i], address(verifier));
            bytes memory output = i == 1 ? bytes(hex"2b") : OUTPUT;
            bytes32 hash =
                verifier.hashCommitment(s.owner, id, 1, committers[i], s.featuresHash, keccak256(output), bytes32(i));
            vm.prank(committers[i]);
            verifier.commit(id, s, params, hash);
        }
        bytes memory proof = abi.encode(bytes32(0), new uint256[](0));
        vm.warp(START + 60);
        _assertNotTaken(committers[0], s, OUTPUT, proof);
        for (uint256 i; i < 3; ++i) {
            vm.prank(committers[i]);
            verifier.reveal(s.owner, id, 1, s.featuresHash, i == 1 ? bytes(hex"2b") : OUTPUT, bytes32(i));
        }
        _assertNotTaken(committers[0], s, OUTPUT, proof); // the window is open still
        vm.warp(START + 120);
        _assertNotTaken(committers[1], s, hex"2b", proof);
        _send(committers[1], s, OUTPUT, proof);
        _assertDone(OUTPUT);
        vm.assertEq(_earned(committers[0]) + _earned(committers[2]), FEE);
        vm.assertEq(_earned(committers[2]), FEE / 2);
        vm.assertEq(_earned(committers[1]), 0);
    }

    function test_SealedWithFewerThanKIsRefunded() public {
        (ISealedQuorumVerifier verifier, Subscription memory s, bytes memory params) = _sealed();
        _bondOf(NODE, address(verifier));
        bytes32 hash = verifier.hashCommitment(s.owner, id, 1, NODE, s.featuresHash, keccak256(OUTPUT), bytes32(0));
        vm.prank(NODE);
        verifier.commit(id, s, params, hash);
        vm.warp(START + 60);
        vm.prank(NODE);
        verifier.reveal(s.owner, id, 1, s.featuresHash, OUTPUT, bytes32(0));
        vm.warp(START + 120);
        _assertNotTaken(NODE, s, OUTPUT, abi.encode(bytes32(0), new uint256[](0)));
        vm.warp(uint256(s.deadline) + 1);
        coordinator.expire(id, s);
        _assertMoney(FEE, 0);
        vm.assertEq(nodes.bondOf(NODE, address(verifier)), BOND);
    }

    function test_RevertWhen_CommittingToWhatIsNoSubscription() public {
        (ISealedQuorumVerifier verifier, Subscription memory s, bytes memory params) = _sealed();
        _bondOf(NODE, address(verifier));
        bytes memory mismatch = abi.encodeWithSelector(ISealedQuorumVerifier.TermsMismatch.selector, s.owner, id + 1);
        vm.expectRevert(mismatch);
        vm.prank(NODE);
        verifier.commit(id + 1, s, params, bytes32(uint256(1)));
    }

    function _sealed() private returns (ISealedQuorumVerifier verifier, Subscription memory s, bytes memory params) {
        verifier = ISealedQuorumVerifier(
            vm.deployCode(
                "SealedQuorumVerifier.sol:SealedQuorumVerifier", abi.encode(address(coordinator), address(nodes))
            )
        );
        params = abi.encode(ISealedQuorumVerifier.Params(ISealedQuorumVerifier.Rule.Equal, 2, 5, 60, 60, 0));
        s = _paid(address(verifier), params);
        (s.minBond, s.mode) = (BOND, 4);
        _createPaid(s, params);
    }

    // --- On-chain

    function test_OnchainIsPaidForWhatTheChainFindsItself() public {
        IOnchainVerifier verifier = IOnchainVerifier(vm.deployCode("OnchainVerifier.sol:OnchainVerifier"));
        bytes32 modelId = verifier.storeModel(_smallModel());
        features = _smallFeatures();
        bytes memory params = abi.encode(modelId);
        Subscription memory s = _paid(address(verifier), params);
        _createPaid(s, params);
        bytes memory output = verifier.run(modelId, features);
        bytes memory proof = abi.encode(modelId, features);
        _assertNotTaken(NODE, s, OUTPUT, proof);
        _send(NODE, s, output, proof);
        _assertDone(output);
        vm.assertEq(_earned(NODE), FEE);
    }

    function _smallModel() private pure returns (IOnchainVerifier.Model memory model) {
        model.layers = new IOnchainVerifier.Layer[](1);
        model.layers[0] = IOnchainVerifier.Layer(2, 3, 0, hex"010203fffefd", new bytes(12));
    }

    function _smallFeatures() private pure returns (bytes memory) {
        uint32[] memory shape = new uint32[](2);
        (shape[0], shape[1]) = (1, 2);
        return Tensors.encode(Tensor(Dtype.UINT8, 0, shape, hex"0501"));
    }

    // --- Proved

    function test_AProvedAnswerIsPaid() public {
        IEzklVerifier verifier = IEzklVerifier(vm.deployCode("EzklVerifier.sol:EzklVerifier"));
        address halo2 = address(new Halo2Verifier());
        IEzklVerifier.Circuit memory circuit = IEzklVerifier.Circuit(halo2, halo2.codehash, 4, 3);
        string memory json = vm.readFile("../vectors/ezkl.json");
        features = abi.encode(vm.parseJsonIntArray(json, ".cases[0].features"));
        bytes memory output = abi.encode(vm.parseJsonIntArray(json, ".cases[0].outputs"));
        bytes memory params = abi.encode(circuit);
        Subscription memory s = _paid(address(verifier), params);
        _createPaid(s, params);
        bytes memory other = vm.parseJsonBytes(json, ".cases[1].proof");
        _assertNotTaken(NODE, s, output, abi.encode(circuit, features, other));
        _send(NODE, s, output, abi.encode(circuit, features, vm.parseJsonBytes(json, ".cases[0].proof")));
        _assertDone(output);
        vm.assertEq(_earned(NODE), FEE);
    }

    // --- Optimistic

    address[] private arbiters = [address(0xE1), address(0xE2), address(0xE3)];

    function _optimistic(bytes32 modelId, IOnchainVerifier onchain)
        private
        returns (IOptimisticVerifier verifier, Subscription memory s, bytes memory params)
    {
        verifier = IOptimisticVerifier(
            vm.deployCode(
                "OptimisticVerifier.sol:OptimisticVerifier",
                abi.encode(address(coordinator), address(nodes), address(onchain))
            )
        );
        IOptimisticVerifier.Params memory p = IOptimisticVerifier.Params(600, 120, 90, 0, arbiters, 2, 0.1 ether);
        if (modelId != 0) p = IOptimisticVerifier.Params(600, 0, 0, modelId, new address[](0), 0, 0);
        params = abi.encode(p);
        s = _paid(address(verifier), params);
        s.minBond = BOND;
        _createPaid(s, params);
        _bondOf(NODE, address(verifier));
        _send(NODE, s, OUTPUT, abi.encode(s.featuresHash, params));
        _assertMoney(0, FEE); // pending
        vm.assertEq(puppet.count(), 0);
    }

    function _claimHash(Subscription memory s) private pure returns (bytes32) {
        return keccak256(abi.encode(NODE, s.containerId, s.featuresHash, keccak256(OUTPUT)));
    }

    function _answer(Subscription memory s, uint40 pendingUntil) private view returns (Answer memory) {
        return Answer(id, 1, 1, NODE, pendingUntil, s.featuresHash);
    }

    function test_AnUnchallengedClaimIsPaidAfterItsWindow() public {
        (IOptimisticVerifier verifier, Subscription memory s,) = _optimistic(0, IOnchainVerifier(address(0)));
        Answer memory a = _answer(s, uint40(START + 810));
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.StillPending.selector, block.timestamp, START + 810));
        coordinator.settle(a, s, OUTPUT, "");
        vm.warp(START + 600);
        coordinator.settle(a, s, OUTPUT, "");
        _assertDone(OUTPUT);
        vm.assertEq(_earned(NODE), FEE);
        vm.assertEq(nodes.bondOf(NODE, address(verifier)), BOND);
    }

    function test_AChallengeWonReturnsTheFeeAndPaysTheChallenger() public {
        (IOptimisticVerifier verifier, Subscription memory s, bytes memory params) =
            _optimistic(0, IOnchainVerifier(address(0)));
        address challenger = address(0xC4A);
        vmMore.deal(challenger, BOND);
        vm.prank(challenger);
        verifier.challenge{value: BOND}(s.owner, id, 1, _claimHash(s), params);
        for (uint256 i; i < 2; ++i) {
            bytes32 hash = verifier.hashVote(s.owner, id, 1, arbiters[i], keccak256("right"), bytes32(i));
            vm.prank(arbiters[i]);
            verifier.commitVote(s.owner, id, 1, _claimHash(s), params, hash);
        }
        vm.warp(START + 120);
        for (uint256 i; i < 2; ++i) {
            vm.prank(arbiters[i]);
            verifier.revealVote(s.owner, id, 1, keccak256("right"), bytes32(i));
        }
        vm.warp(START + 210);
        coordinator.settle(_answer(s, uint40(START + 810)), s, OUTPUT, "");
        _assertMoney(FEE, 0);
        vm.assertEq(puppet.count(), 0);
        vm.assertEq(_earned(NODE), 0);
        vm.assertEq(nodes.getBond(NODE, address(verifier)).locked, 0);
        vm.assertEq(nodes.bondOf(NODE, address(verifier)), 0);
        vm.assertEq(verifier.creditOf(challenger), BOND);
        vm.assertEq(nodes.creditOf(challenger), (BOND - 0.2 ether) / 2);
        vm.assertEq(nodes.creditOf(s.owner), (BOND - 0.2 ether) / 2);
        vm.assertEq(nodes.creditOf(arbiters[0]), 0.1 ether);
    }

    function test_ARefutedClaimReturnsTheFeeAtOnce() public {
        IOnchainVerifier onchain = IOnchainVerifier(vm.deployCode("OnchainVerifier.sol:OnchainVerifier"));
        features = _smallFeatures();
        bytes32 modelId = onchain.storeModel(_smallModel());
        (IOptimisticVerifier verifier, Subscription memory s, bytes memory params) = _optimistic(modelId, onchain);
        address watcher = address(0xC4A);
        vm.prank(watcher);
        verifier.refute(s.owner, id, 1, s.containerId, params, features);
        coordinator.settle(_answer(s, uint40(START + 600)), s, OUTPUT, "");
        _assertMoney(FEE, 0);
        vm.assertEq(nodes.creditOf(watcher), BOND / 2);
    }

    /// @dev Arbiters that never come: after the last window the fee is the payer's, and everybody has its own.
    function test_ADisputeThatNobodyDecidesIsRefunded() public {
        (IOptimisticVerifier verifier, Subscription memory s, bytes memory params) =
            _optimistic(0, IOnchainVerifier(address(0)));
        address challenger = address(0xC4A);
        vmMore.deal(challenger, BOND);
        vm.warp(START + 599);
        vm.prank(challenger);
        verifier.challenge{value: BOND}(s.owner, id, 1, _claimHash(s), params);
        vm.warp(START + 599 + 210);
        coordinator.settle(_answer(s, uint40(START + 810)), s, OUTPUT, "");
        _assertMoney(FEE, 0);
        vm.assertEq(nodes.bondOf(NODE, address(verifier)), BOND);
        vm.assertEq(verifier.creditOf(challenger), BOND);
    }
}
