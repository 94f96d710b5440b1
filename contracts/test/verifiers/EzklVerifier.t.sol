// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEzklVerifier as IEzkl} from "../../src/interfaces/IEzklVerifier.sol";
import {Claim, Verdict} from "../../src/interfaces/IVerifier.sol";
import {Subscription} from "../../src/Subscription.sol";
import {Halo2Verifier} from "../fixtures/Halo2Verifier.sol";
import {VerifierBase} from "./VerifierBase.sol";

/// @dev Real proofs of a small model (vectors/ezkl.json), checked by the contract that EZKL generated for it.
contract EzklVerifierTest is VerifierBase {
    uint256 private constant MODULUS = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;

    IEzkl private verifier;
    IEzkl.Circuit private circuit;
    string private json;

    function setUp() public override {
        super.setUp();
        verifier = IEzkl(vm.deployCode("EzklVerifier.sol:EzklVerifier"));
        address halo2 = address(new Halo2Verifier());
        circuit = IEzkl.Circuit(halo2, halo2.codehash, 4, 3);
        json = vm.readFile("../vectors/ezkl.json");
    }

    function _features(uint256 row) private view returns (int256[] memory) {
        return vm.parseJsonIntArray(json, string.concat(".cases[", vm.toString(row), "].features"));
    }

    function _outputs(uint256 row) private view returns (int256[] memory) {
        return vm.parseJsonIntArray(json, string.concat(".cases[", vm.toString(row), "].outputs"));
    }

    function _halo2Proof(uint256 row) private view returns (bytes memory) {
        return vm.parseJsonBytes(json, string.concat(".cases[", vm.toString(row), "].proof"));
    }

    function _case(uint256 row) private view returns (Claim memory c, bytes memory output, bytes memory proof) {
        output = abi.encode(_outputs(row));
        c = _claim(output, abi.encode(circuit));
        c.featuresHash = keccak256(abi.encode(_features(row)));
        proof = abi.encode(circuit, abi.encode(_features(row)), _halo2Proof(row));
    }

    // --- Accepted

    function test_RealProofsAreValid() public {
        for (uint256 row; row < 2; ++row) {
            (Claim memory c, bytes memory output, bytes memory proof) = _case(row);
            _assertVerdict(verifier, c, output, proof, Verdict.Valid);
            vm.assertEq(verifier.payees(c, output, proof).length, 0);
            vm.assertEq(uint256(verifier.settle(c, output, proof)), uint256(Verdict.Invalid));
        }
        vm.assertEq(verifier.proofKind(), keccak256("infernet.proof.halo2"));
        vm.assertFalse(verifier.comparesFeatures());
    }

    function test_NegativeNumbersCountDownFromTheModulus() public view {
        int256[] memory one = new int256[](1);
        int256[] memory two = new int256[](2);
        one[0] = -5;
        (two[0], two[1]) = (int256(2 ** 127 - 1), int256(-(2 ** 127) + 1));
        uint256[] memory found = verifier.instancesOf(abi.encode(one), 1, abi.encode(two), 2);
        vm.assertEq(found[0], MODULUS - 5);
        vm.assertEq(found[1], 2 ** 127 - 1);
        vm.assertEq(found[2], MODULUS - (2 ** 127 - 1));
    }

    // --- Refused

    /// @dev A proof for other inputs, said to be for these.
    function test_AProofForOtherFeaturesIsRefused() public {
        (Claim memory c, bytes memory output,) = _case(0);
        bytes memory features = abi.encode(_features(0));
        _assertVerdict(verifier, c, output, abi.encode(circuit, features, _halo2Proof(1)), Verdict.Invalid);

        // Bringing the features that the proof is for does not help: they are not the claim's.
        bytes memory others = abi.encode(_features(1));
        vm.expectRevert(abi.encodeWithSelector(IEzkl.FeaturesMismatch.selector, keccak256(others), c.featuresHash));
        verifier.verify(c, output, abi.encode(circuit, others, _halo2Proof(1)));
    }

    function test_AnyOtherOutputIsRefused() public {
        (Claim memory c,, bytes memory proof) = _case(0);
        for (uint256 i; i < 3; ++i) {
            int256[] memory outputs = _outputs(0);
            ++outputs[i];
            bytes memory output = abi.encode(outputs);
            c.outputHash = keccak256(output);
            _assertVerdict(verifier, c, output, proof, Verdict.Invalid);
        }
        bytes memory swapped = abi.encode(_outputs(1));
        _assertVerdict(verifier, c, swapped, proof, Verdict.Invalid);
    }

    function testFuzz_AnyOtherProofIsRefused(uint256 index, uint8 bit) public {
        (Claim memory c, bytes memory output,) = _case(0);
        bytes memory halo2Proof = _halo2Proof(0);
        index %= 3_000;
        halo2Proof[index] ^= bytes1(uint8(1) << bit % 8);
        bytes memory proof = abi.encode(circuit, abi.encode(_features(0)), halo2Proof);
        _assertVerdict(verifier, c, output, proof, Verdict.Invalid);
    }

    function testFuzz_GarbageIsRefused(bytes calldata proof) public {
        (Claim memory c, bytes memory output,) = _case(0);
        _assertRefused(verifier, c, output, proof);
        _assertRefused(verifier, c, output, abi.encode(circuit, abi.encode(_features(0)), proof));
    }

    /// @dev A verifier of the attacker's, which likes everything.
    function test_RevertWhen_TheCircuitIsAnother() public {
        (Claim memory c, bytes memory output,) = _case(0);
        IEzkl.Circuit memory other = circuit;
        other.halo2Verifier = address(new Yes());
        other.codeHash = other.halo2Verifier.codehash;
        vm.expectRevert(
            abi.encodeWithSelector(
                IEzkl.CircuitMismatch.selector, keccak256(abi.encode(other)), keccak256(abi.encode(circuit))
            )
        );
        verifier.verify(c, output, abi.encode(other, abi.encode(_features(0)), bytes("")));
    }

    function test_RevertWhen_TheCodeHasChanged() public {
        (Claim memory c, bytes memory output, bytes memory proof) = _case(0);
        vm.etch(circuit.halo2Verifier, address(new Yes()).code);
        vm.expectRevert(
            abi.encodeWithSelector(
                IEzkl.CodeMismatch.selector, circuit.halo2Verifier, circuit.halo2Verifier.codehash, circuit.codeHash
            )
        );
        verifier.verify(c, output, proof);
    }

    /// @dev A number and the same plus the modulus are one field element, but not one answer.
    function test_NumbersHaveOneFormOnly() public {
        (Claim memory c,, bytes memory proof) = _case(0);
        int256[] memory outputs = _outputs(0);
        outputs[1] += int256(MODULUS);
        vm.expectRevert(abi.encodeWithSelector(IEzkl.NumberOutOfRange.selector, outputs[1]));
        verifier.verify(c, abi.encode(outputs), proof);

        bytes memory output = abi.encode(_outputs(0));
        bytes memory longer = bytes.concat(output, bytes32(0));
        vm.expectRevert(abi.encodeWithSelector(IEzkl.InvalidNumbers.selector, longer, 3));
        verifier.verify(c, longer, proof);
        bytes memory fewer = bytes.concat(abi.encode(32, 2, outputs[0]), abi.encode(outputs[0], 0));
        vm.expectRevert(abi.encodeWithSelector(IEzkl.InvalidNumbers.selector, fewer, 3));
        verifier.verify(c, fewer, proof);
        bytes memory elsewhere = abi.encode(64, 3, 2, outputs[0], outputs[0]);
        vm.expectRevert(abi.encodeWithSelector(IEzkl.InvalidNumbers.selector, elsewhere, 3));
        verifier.verify(c, elsewhere, proof);
    }

    /// @dev Wherever the offset points, and whatever it finds there: what is read has one encoding.
    function testFuzz_AnEncodingThatIsReadIsTheOnlyOne(uint256 offset, bytes32[4] calldata words) public view {
        offset %= 200;
        bytes memory data = abi.encode(offset, words);
        try verifier.instancesOf(data, 3, abi.encode(new int256[](1)), 1) {
            vm.assertEq(data, abi.encode(abi.decode(data, (int256[]))));
        } catch {}
        data = abi.encode(offset, uint256(3), words[0], words[1], words[2]);
        try verifier.instancesOf(data, 3, abi.encode(new int256[](1)), 1) {
            vm.assertEq(data, abi.encode(abi.decode(data, (int256[]))));
        } catch {}
    }

    function test_ALiarThatReturnsFalseOrNothingIsNotBelieved() public {
        (Claim memory c, bytes memory output,) = _case(0);
        for (uint256 i; i < 2; ++i) {
            address halo2 = i == 0 ? address(new Yes()) : address(new No());
            IEzkl.Circuit memory other = IEzkl.Circuit(halo2, halo2.codehash, 4, 3);
            c.verifierParams = keccak256(abi.encode(other));
            bytes memory proof = abi.encode(other, abi.encode(_features(0)), bytes(""));
            _assertVerdict(verifier, c, output, proof, i == 0 ? Verdict.Valid : Verdict.Invalid);
        }
    }

    // --- Terms

    function test_TakesNoFee() public {
        _assertTakesNoFee(verifier, _terms(address(verifier), ""), abi.encode(circuit));
    }

    function test_TermsMakeSense() public {
        Subscription memory s = _terms(address(verifier), "");
        verifier.checkTerms(s, abi.encode(circuit));
        IEzkl.Circuit memory bad = circuit;
        bad.inputs = 0;
        vm.expectRevert(IEzkl.InvalidParams.selector);
        verifier.checkTerms(s, abi.encode(bad));
        (bad.inputs, bad.outputs) = (4, 0);
        vm.expectRevert(IEzkl.InvalidParams.selector);
        verifier.checkTerms(s, abi.encode(bad));
        vm.expectRevert(IEzkl.InvalidParams.selector);
        verifier.checkTerms(s, bytes.concat(abi.encode(circuit), hex"00"));

        bad = circuit;
        bad.codeHash = 0;
        bytes32 found = circuit.codeHash;
        vm.expectRevert(abi.encodeWithSelector(IEzkl.CodeMismatch.selector, circuit.halo2Verifier, found, bytes32(0)));
        verifier.checkTerms(s, abi.encode(bad));
        bad.halo2Verifier = address(0xE0A); // no code, no hash: equal, but nobody to ask
        vm.expectRevert(abi.encodeWithSelector(IEzkl.CodeMismatch.selector, bad.halo2Verifier, bytes32(0), bytes32(0)));
        verifier.checkTerms(s, abi.encode(bad));
    }

    function test_Gas() public {
        (Claim memory c, bytes memory output, bytes memory proof) = _case(1);
        vm.cool(address(verifier));
        vm.cool(circuit.halo2Verifier);
        verifier.verify(c, output, proof);
        vm.snapshotGasLastCall("verify, 4-16-3");
    }
}

contract Yes {
    function verifyProof(bytes calldata, uint256[] calldata) external pure returns (bool) {
        return true;
    }
}

contract No {
    function verifyProof(bytes calldata, uint256[] calldata) external pure returns (bool) {
        return false;
    }
}
