// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAttestationVerifier} from "../../src/interfaces/IAttestationVerifier.sol";
import {ICoordinator} from "../../src/interfaces/ICoordinator.sol";
import {IEIP712Coordinator} from "../../src/interfaces/IEIP712Coordinator.sol";
import {IEzklVerifier} from "../../src/interfaces/IEzklVerifier.sol";
import {IOnchainVerifier} from "../../src/interfaces/IOnchainVerifier.sol";
import {Claim, Verdict} from "../../src/interfaces/IVerifier.sol";
import {Answer, Subscription} from "../../src/Subscription.sol";
import {Dtype, Tensor, Tensors} from "../../src/Tensor.sol";
import {Verifier} from "../../src/verifiers/Verifier.sol";
import {Oracle} from "../Mocks.sol";
import {AttackBase} from "./AttackBase.sol";

/// @dev An invalid verdict that still delivers, pays or uses up redundancy; a verifier skipped because the fee is 0; a
/// proof for other inputs; settlements that are replayed, forged, early or starved of gas; payees that are too many.
contract VerifierAttacks is AttackBase {
    // --- Invalid verdicts

    /// @dev However it says no: by a verdict, a revert, nonsense, too little, all gas, a megabyte, or by being gone.
    function testFuzz_Attack_AnInvalidVerdictStillDeliversPaysOrCounts(uint8 how) public {
        how = uint8(_bound(how, 0, 7));
        Subscription memory s = _judged();
        s.redundancy = 2;
        uint32 id = _create(s);
        bytes[] memory items = new bytes[](1);
        items[0] = _delivery(id, s);
        bytes memory signed =
            abi.encodeCall(IEIP712Coordinator.deliverModelOutputDelegate, (_request(9, s), 1, OUTPUT, PROOF));
        bytes memory code = address(oracle).code;
        Books memory books = _books();

        oracle.set(Verdict.Invalid, 0);
        oracle.setMood(Oracle.Mood(how % 7));
        if (how == 7) vm.etch(address(oracle), "");
        _fails(items[0]);
        _fails(signed);
        _fails(abi.encodeCall(ICoordinator.multicall, (items)));
        vm.prank(NODE);
        (bool ok,) =
            address(coordinator).call{gas: 20_000_000}(abi.encodeCall(ICoordinator.deliverModelOutputs, (items)));
        vm.assertEq(ok, how != uint8(Oracle.Mood.BurnGas)); // reported; out of gas, all of it is undone
        _assertBooks(books);
        vm.assertEq(puppet.count(), 0);
        vm.assertFalse(coordinator.isNonceUsed(s.owner, 9));
        (, uint32 interval, uint16 delivered) = coordinator.getSubscription(s.owner, id);
        vm.assertEq(interval, 0);
        vm.assertEq(delivered, 0);
        vm.assertEq(coordinator.getLastInterval(s.owner, id, NODE), 0);

        // Both places are open, to the same node too.
        vm.etch(address(oracle), code);
        oracle.setMood(Oracle.Mood.Answer);
        _assertStillAnswered(books, id, s);
        _deliverBy(OTHER_NODE, id, 1, s);
        _expectPaid(books, s, OTHER_NODE);
        _assertBooks(books);
    }

    function _fails(bytes memory data) private {
        vm.prank(NODE);
        (bool ok,) = address(coordinator).call{gas: 20_000_000}(data);
        vm.assertFalse(ok, "taken");
    }

    // --- Nobody pays, so nobody looks

    function test_Attack_AVerifierIsSkippedBecauseTheFeeIsZero() public {
        Subscription memory s = _terms();
        s.verifier = address(oracle);
        uint32 id = _create(s);
        Books memory books = _books();
        oracle.set(Verdict.Invalid, 0);
        _refused(ATTACKER, _delivery(id, s), ICoordinator.InvalidAnswer.selector);
        oracle.set(Verdict.Pending, UNTIL);
        vm.prank(ATTACKER);
        coordinator.deliverModelOutput(id, 1, s, OUTPUT, PROOF);
        vm.assertEq(puppet.count(), 0);
        oracle.set(Verdict.Invalid, 0);
        coordinator.settle(Answer(id, 1, 1, ATTACKER, UNTIL, keccak256(FEATURES)), s, OUTPUT, PROOF);
        vm.assertEq(puppet.count(), 0);
        _assertBooks(books);

        // A signed free request, with nothing to remember.
        bytes memory signed =
            abi.encodeCall(IEIP712Coordinator.deliverModelOutputDelegate, (_request(9, s), 1, OUTPUT, PROOF));
        _refused(ATTACKER, signed, ICoordinator.InvalidAnswer.selector);
        _assertBooks(books);
        vm.assertEq(puppet.count(), 0);
        oracle.set(Verdict.Valid, 0);
        _deliver(_create(s), 1, s);
        vm.assertEq(oracle.verified(), 2); // the pending one and this: the others were undone
        vm.assertEq(puppet.count(), 1);
        _assertBooks(books);
    }

    // --- Proofs for other inputs

    /// @dev The proof is good, for something else. It is not taken; the right one is.
    function _assertOnlyFits(
        uint32 id,
        Subscription memory s,
        bytes memory output,
        bytes[] memory others,
        bytes memory proof
    ) private {
        Books memory books = _books();
        for (uint256 i; i < others.length; ++i) {
            _fails(abi.encodeCall(ICoordinator.deliverModelOutput, (id, 1, s, output, others[i])));
        }
        _fails(abi.encodeCall(ICoordinator.deliverModelOutput, (id, 1, s, abi.encode("another"), proof)));
        _assertBooks(books);
        vm.assertEq(puppet.count(), 0);
        vm.prank(NODE);
        coordinator.deliverModelOutput(id, 1, s, output, proof);
        _expectPaid(books, s, NODE);
        _assertBooks(books);
        vm.assertEq(puppet.last().output, output);
    }

    function _verifiedBy(address verifier, bytes memory params, bytes memory features)
        private
        returns (uint32 id, Subscription memory s)
    {
        s = _paid();
        (s.verifier, s.verifierParams) = (verifier, keccak256(params));
        s.featuresHash = keccak256(features);
        s.maxGasLimit = overhead + 10_000_000; // the puppet stores the whole proof
        id = _createWith(s, features, params);
    }

    function test_Attack_AProofForOtherInputs_OnChainModel() public {
        IOnchainVerifier verifier = IOnchainVerifier(vm.deployCode("OnchainVerifier.sol:OnchainVerifier"));
        bytes32 modelId = verifier.storeModel(_model(hex"010203fffefd"));
        bytes32 otherModel = verifier.storeModel(_model(hex"030201fdfeff"));
        (bytes memory features, bytes memory otherFeatures) = (_row(5, 1), _row(0, 1));
        bytes memory output = verifier.run(modelId, features);
        (uint32 id, Subscription memory s) = _verifiedBy(address(verifier), abi.encode(modelId), features);
        bytes[] memory others = new bytes[](3);
        others[0] = abi.encode(modelId, otherFeatures);
        others[1] = abi.encode(otherModel, features);
        others[2] = abi.encode(otherModel, otherFeatures);
        _assertOnlyFits(id, s, output, others, abi.encode(modelId, features));
    }

    function _model(bytes memory weights) private pure returns (IOnchainVerifier.Model memory model) {
        model.layers = new IOnchainVerifier.Layer[](1);
        model.layers[0] = IOnchainVerifier.Layer(2, 3, 0, weights, new bytes(12));
    }

    function _row(uint8 a, uint8 b) private pure returns (bytes memory) {
        uint32[] memory shape = new uint32[](2);
        (shape[0], shape[1]) = (1, 2);
        return Tensors.encode(Tensor(Dtype.UINT8, 0, shape, abi.encodePacked(a, b)));
    }

    function test_Attack_AProofForOtherInputs_Halo2() public {
        address verifier = vm.deployCode("EzklVerifier.sol:EzklVerifier");
        address halo2 = vm.deployCode("Halo2Verifier.sol:Halo2Verifier");
        IEzklVerifier.Circuit memory circuit = IEzklVerifier.Circuit(halo2, halo2.codehash, 4, 3);
        string memory json = vm.readFile("../vectors/ezkl.json");
        bytes memory features = abi.encode(vm.parseJsonIntArray(json, ".cases[0].features"));
        bytes memory others1 = abi.encode(vm.parseJsonIntArray(json, ".cases[1].features"));
        bytes memory output = abi.encode(vm.parseJsonIntArray(json, ".cases[0].outputs"));
        bytes memory proof = vm.parseJsonBytes(json, ".cases[0].proof");
        bytes memory otherProof = vm.parseJsonBytes(json, ".cases[1].proof");
        (uint32 id, Subscription memory s) = _verifiedBy(verifier, abi.encode(circuit), features);
        bytes[] memory others = new bytes[](4);
        others[0] = abi.encode(circuit, features, otherProof);
        others[1] = abi.encode(circuit, others1, otherProof);
        others[2] = abi.encode(circuit, others1, proof);
        circuit.halo2Verifier = address(new SaysYes());
        circuit.codeHash = circuit.halo2Verifier.codehash;
        others[3] = abi.encode(circuit, features, proof);
        (circuit.halo2Verifier, circuit.codeHash) = (halo2, halo2.codehash);
        _assertOnlyFits(id, s, output, others, abi.encode(circuit, features, proof));
    }

    /// @dev The key has signed everything but this: another chain, Coordinator, owner, id, interval, node, container,
    /// features or output. Another's key has signed this.
    function test_Attack_AProofForOtherInputs_AttestedAnswer() public {
        IAttestationVerifier verifier =
            IAttestationVerifier(vm.deployCode("AttestationVerifier.sol:AttestationVerifier"));
        verifier.allowSigner(vm.addr(1), uint40(START), uint40(START + 1 days), "");
        vm.prank(ATTACKER);
        verifier.allowSigner(vm.addr(2), uint40(START), uint40(START + 1 days), "");
        (uint32 id, Subscription memory s) = _verifiedBy(address(verifier), abi.encode(address(this)), FEATURES);
        bytes[] memory others = new bytes[](11);
        Claim memory c = _claimOf(id, s);
        uint256[7] memory fields = [uint256(0), 1, 2, 4, 5, 6, 7];
        for (uint256 i; i < 7; ++i) {
            others[i] = _attested(verifier, 1, address(coordinator), _other(c, fields[i]));
        }
        others[7] = _attested(verifier, 1, address(nodes), c);
        others[8] = _attested(verifier, 2, address(coordinator), c);
        others[9] = abi.encode(ATTACKER, vm.addr(2), _signDigest(2, verifier.digest(address(coordinator), c)));
        vm.chainId(block.chainid + 1);
        others[10] = _attested(verifier, 1, address(coordinator), c);
        vm.chainId(31_337);
        _assertOnlyFits(id, s, OUTPUT, others, _attested(verifier, 1, address(coordinator), c));
    }

    function _claimOf(uint32 id, Subscription memory s) private pure returns (Claim memory c) {
        (c.owner, c.id, c.interval, c.redundancy, c.node) = (s.owner, id, 1, 1, NODE);
        (c.containerId, c.featuresHash, c.outputHash) = (s.containerId, s.featuresHash, keccak256(OUTPUT));
        (c.verifierParams, c.minBond) = (s.verifierParams, s.minBond);
    }

    function _other(Claim memory c, uint256 field) private pure returns (Claim memory other) {
        other = abi.decode(abi.encode(c), (Claim));
        assembly {
            let at := add(other, mul(field, 0x20))
            mstore(at, xor(mload(at), 1))
        }
    }

    function _attested(IAttestationVerifier verifier, uint256 key, address served, Claim memory c)
        private
        view
        returns (bytes memory)
    {
        return abi.encode(address(this), vm.addr(key), _signDigest(key, verifier.digest(served, c)));
    }

    // --- Settlements

    function _pendingAnswer(Subscription memory s) private returns (Answer memory a) {
        oracle.set(Verdict.Pending, UNTIL);
        uint32 id = _create(s);
        _deliver(id, 1, s);
        return Answer(id, 1, 1, NODE, UNTIL, keccak256(FEATURES));
    }

    /// @dev Valid, then once more; invalid, then once more; in one batch; and the refund as well as the fee.
    function testFuzz_Attack_ASettlementIsReplayed(bool valid) public {
        Subscription memory s = _judged();
        _create(s); // another's money lies beside it
        Books memory books = _books();
        Answer memory a = _pendingAnswer(s);
        _expectLocked(books, PAYER, FEE);
        _refused(OTHER_NODE, _delivery(a.id, s), ICoordinator.SubscriptionNotFound.selector);
        _refused(PAYER, _call(ICoordinator.expire.selector, a.id, s), ICoordinator.SubscriptionNotFound.selector);
        _assertBooks(books);

        oracle.set(valid ? Verdict.Valid : Verdict.Invalid, 0);
        bytes memory settle = abi.encodeCall(ICoordinator.settle, (a, s, OUTPUT, PROOF));
        bytes[] memory items = new bytes[](3);
        (items[0], items[1], items[2]) = (settle, settle, _delivery(a.id, s));
        vm.prank(ATTACKER);
        coordinator.deliverModelOutputs(items);
        if (valid) _expectPaid(books, s, NODE);
        else _expectReleased(books, PAYER, FEE);
        _assertBooks(books);
        vm.assertEq(puppet.count(), valid ? 1 : 0);

        oracle.set(valid ? Verdict.Invalid : Verdict.Valid, 0); // it has changed its mind
        _refused(NODE, settle, ICoordinator.NotPending.selector);
        vm.warp(uint256(s.deadline) + 1);
        _refused(PAYER, settle, ICoordinator.NotPending.selector);
        _refused(PAYER, _call(ICoordinator.expire.selector, a.id, s), ICoordinator.SubscriptionNotFound.selector);
        _assertBooks(books);
    }

    /// @dev Any bit of the answer, of the terms or of the output: another node, another output, a later refund.
    function testFuzz_Attack_AnotherAnswerIsSettled(uint256 word, uint256 bit) public {
        word = _bound(word, 0, 26);
        Subscription memory s = _judged();
        Answer memory a = _pendingAnswer(s);
        oracle.set(Verdict.Valid, 0);
        Books memory books = _books();
        bytes memory settle = abi.encodeCall(ICoordinator.settle, (a, s, OUTPUT, PROOF));
        vm.prank(ATTACKER);
        (bool ok,) = address(coordinator).call(_flipped(settle, word, bit));
        vm.assertFalse(ok, "forged");
        bytes memory other = abi.encodeCall(ICoordinator.settle, (a, s, hex"2b", PROOF));
        _refused(ATTACKER, other, ICoordinator.NotPending.selector);
        _assertBooks(books);
        vm.assertEq(puppet.count(), 0);
        (ok,) = address(coordinator).call(settle);
        vm.assertTrue(ok);
        _expectPaid(books, s, NODE);
        _assertBooks(books);
        vm.assertEq(puppet.last().output, OUTPUT);
    }

    /// @dev The payer wants its money back before the verifier has decided, in the last second too.
    function testFuzz_Attack_PayerSettlesBeforeTheVerifierHasDecided(uint256 moment) public {
        Subscription memory s = _judged();
        Answer memory a = _pendingAnswer(s);
        Books memory books = _books();
        vm.warp(_bound(moment, START, UNTIL));
        bytes memory settle = abi.encodeCall(ICoordinator.settle, (a, s, OUTPUT, PROOF));
        _refused(PAYER, settle, ICoordinator.StillPending.selector);
        oracle.setMood(Oracle.Mood.Revert);
        _refused(PAYER, settle, ICoordinator.StillPending.selector);
        _assertBooks(books);
        oracle.setMood(Oracle.Mood.Answer);
        oracle.set(Verdict.Valid, 0);
        coordinator.settle(a, s, OUTPUT, PROOF);
        _expectPaid(books, s, NODE);
        _assertBooks(books);
    }

    /// @dev After its time the payer settles itself, with so little gas that the verifier, which needs 3 million to say
    /// yes, cannot, and with enough to be refunded.
    function testFuzz_Attack_AValidAnswerIsStarvedOfGas(uint256 given) public {
        Subscription memory s = _paid();
        s.verifier = address(new Thirsty());
        uint32 id = _create(s);
        _deliver(id, 1, s);
        Answer memory a = Answer(id, 1, 1, NODE, UNTIL, keccak256(FEATURES));
        vm.warp(uint256(UNTIL) + 1);
        Books memory books = _books();
        bytes memory settle = abi.encodeCall(ICoordinator.settle, (a, s, OUTPUT, PROOF));
        vm.prank(PAYER);
        (bool ok,) = address(coordinator).call{gas: _bound(given, 20_000, 6_000_000)}(settle);
        if (!ok) {
            _assertBooks(books);
            (ok,) = address(coordinator).call(settle);
            vm.assertTrue(ok);
        }
        _expectPaid(books, s, NODE);
        _assertBooks(books);
        vm.assertEq(puppet.count(), 1);
    }

    // --- Payees

    /// @dev More payees, the same one many times, the payer or the verifier itself: it is the same fee.
    function testFuzz_Attack_PayeesTakeMoreThanTheFee(uint8 count, uint128 fee) public {
        Subscription memory s = _judged();
        s.fee = uint128(_bound(fee, VERIFIER_FEE * 2, 90 ether));
        address[] memory payees = new address[](_bound(count, 1, 64));
        address[5] memory some = [ATTACKER, ATTACKER, PAYER, address(oracle), PROTOCOL];
        for (uint256 i; i < payees.length; ++i) {
            payees[i] = some[i % 5];
        }
        oracle.setPayees(payees);
        uint32 id = _create(s);
        Books memory books = _books();
        _deliver(id, 1, s);
        (uint256 share,,,) = coordinator.quoteAnswer(s);
        _expectPaid(books, s, ATTACKER);
        uint256 each = share / payees.length;
        for (uint256 i = 1; i < payees.length; ++i) {
            _of(books, ATTACKER).free -= each;
            _of(books, payees[i]).free += each;
        }
        _assertBooks(books);
    }
}

/// @dev Decides later, at some expense, that all is well.
contract Thirsty is Verifier {
    bytes32 public constant proofKind = keccak256("infernet.proof.none");
    bool public constant comparesFeatures = false;

    function checkTerms(Subscription calldata, bytes calldata) external pure {}

    function verify(Claim calldata, bytes calldata, bytes calldata) external view returns (Verdict, uint40) {
        return (Verdict.Pending, uint40(block.timestamp + 1 days));
    }

    function settle(Claim calldata, bytes calldata, bytes calldata) external pure override returns (Verdict) {
        assembly {
            mstore(1230000, 1) // memory for 3 million gas
        }
        return Verdict.Valid;
    }
}

/// @dev A verifier of proofs that likes them all.
contract SaysYes {
    function verifyProof(bytes calldata, uint256[] calldata) external pure returns (bool) {
        return true;
    }
}
