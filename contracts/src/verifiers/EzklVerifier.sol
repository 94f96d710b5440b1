// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEzklVerifier} from "../interfaces/IEzklVerifier.sol";
import {Claim, IVerifier, Verdict} from "../interfaces/IVerifier.sol";
import {Subscription} from "../Subscription.sol";
import {Verifier} from "./Verifier.sol";

/// @notice What EZKL generates for a model.
/// @dev What EZKL generates. It is not a view there, though it writes nothing; here it is called as one.
interface IHalo2Verifier {
    /// @notice Whether the proof fits the instances. Reverts, or answers false, where it does not.
    function verifyProof(bytes calldata proof, uint256[] calldata instances) external view returns (bool);
}

/// @title EzklVerifier
/// @notice Binds proofs of EZKL's circuits to features and outputs. Keeps nothing.
contract EzklVerifier is Verifier, IEzklVerifier {
    /// @inheritdoc IVerifier
    bytes32 public constant proofKind = keccak256("infernet.proof.halo2");

    /// @inheritdoc IVerifier
    bool public constant comparesFeatures = false;

    /// @dev Order of the scalar field of BN254.
    uint256 private constant MODULUS = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;

    int256 private constant LIMIT = 2 ** 127;

    /// @inheritdoc IVerifier
    function checkTerms(Subscription calldata s, bytes calldata params) external view {
        _checkNoFee(s);
        Circuit memory circuit = abi.decode(params, (Circuit));
        bool canonical = keccak256(abi.encode(circuit)) == keccak256(params); // as `verify` will hash it
        if (!canonical || circuit.inputs == 0 || circuit.outputs == 0) revert InvalidParams();
        _checkCode(circuit);
    }

    /// @inheritdoc IVerifier
    function verify(Claim calldata claim, bytes calldata output, bytes calldata proof)
        external
        view
        returns (Verdict verdict, uint40 pendingUntil)
    {
        (Circuit memory circuit, bytes memory features, bytes memory halo2Proof) =
            abi.decode(proof, (Circuit, bytes, bytes));

        // Check: the circuit and the features are those of the claim.
        bytes32 params = keccak256(abi.encode(circuit));
        if (params != claim.verifierParams) revert CircuitMismatch(params, claim.verifierParams);
        bytes32 featuresHash = keccak256(features);
        if (featuresHash != claim.featuresHash) revert FeaturesMismatch(featuresHash, claim.featuresHash);
        _checkCode(circuit);

        // Check: so are the proof's inputs and outputs.
        uint256[] memory instances = _instances(features, circuit.inputs, output, circuit.outputs);
        try IHalo2Verifier(circuit.halo2Verifier).verifyProof(halo2Proof, instances) returns (bool ok) {
            return (ok ? Verdict.Valid : Verdict.Invalid, 0);
        } catch {
            return (Verdict.Invalid, 0); // it reverts on any proof that is not good
        }
    }

    /// @inheritdoc IEzklVerifier
    function instancesOf(bytes calldata features, uint16 inputs, bytes calldata output, uint16 outputs)
        external
        pure
        returns (uint256[] memory)
    {
        return _instances(features, inputs, output, outputs);
    }

    function _instances(bytes memory features, uint256 inputs, bytes memory output, uint256 outputs)
        private
        pure
        returns (uint256[] memory instances)
    {
        instances = new uint256[](inputs + outputs);
        _fill(instances, 0, features, inputs);
        _fill(instances, inputs, output, outputs);
    }

    /// @dev Negative numbers count down from the modulus. Of this length, only one encoding has this many numbers.
    function _fill(uint256[] memory instances, uint256 from, bytes memory data, uint256 count) private pure {
        if (data.length != 64 + 32 * count) revert InvalidNumbers(data, count);
        int256[] memory numbers = abi.decode(data, (int256[]));
        if (numbers.length != count) revert InvalidNumbers(data, count);
        for (uint256 i; i < count; ++i) {
            int256 number = numbers[i];
            if (number >= LIMIT || number <= -LIMIT) revert NumberOutOfRange(number);
            instances[from + i] = number < 0 ? MODULUS - uint256(-number) : uint256(number);
        }
    }

    function _checkCode(Circuit memory circuit) private view {
        bytes32 found = circuit.halo2Verifier.codehash;
        // An account without code has a hash too, or zero.
        if (found != circuit.codeHash || circuit.halo2Verifier.code.length == 0) {
            revert CodeMismatch(circuit.halo2Verifier, found, circuit.codeHash);
        }
    }
}
