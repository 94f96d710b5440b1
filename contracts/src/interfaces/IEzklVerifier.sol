// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IVerifier} from "./IVerifier.sol";

/// @title IEzklVerifier
/// @notice An answer is good when a zero-knowledge proof (EZKL, Halo2) shows that the model gives it for the features.
/// @dev Assumptions:
/// - For each model EZKL generates a contract that checks its proofs. The terms name it, with the hash of its code;
///   that it is the one of the container is the consumer's to check, when it writes it into its terms.
/// - Inputs and outputs of the circuit are public, weights are fixed. Features and output are `abi.encode(int256[])`
///   of the circuit's inputs and outputs as integers, in its own fixed-point scales. The proof's public instances are
///   made from these bytes here, and not read from the proof: it fits these features and this output, or it fails.
/// - A proof does not name the node. Where nobody may live off another node's proofs, name the node in the terms.
/// - A proof of one answer has many forms: never tell answers apart by their proofs.
/// - Parameters: `abi.encode(Circuit)`. Proof: `abi.encode(Circuit circuit, bytes features, bytes proof)`.
interface IEzklVerifier is IVerifier {
    /// @notice A model as EZKL compiles it, and the contract that checks its proofs.
    struct Circuit {
        /// Contract with `verifyProof(bytes proof, uint256[] instances) returns (bool)`.
        address halo2Verifier;
        /// keccak256 of that contract's code.
        bytes32 codeHash;
        /// How many integers the features hold.
        uint16 inputs;
        /// How many the output holds.
        uint16 outputs;
    }

    /// @notice The parameters are not `abi.encode(Circuit)`, or the circuit has no inputs or no outputs.
    error InvalidParams();

    /// @notice The contract at the address has other code.
    error CodeMismatch(address halo2Verifier, bytes32 found, bytes32 expected);

    /// @notice The terms name another circuit.
    error CircuitMismatch(bytes32 given, bytes32 expected);

    /// @notice These are not the features that the claim is about.
    error FeaturesMismatch(bytes32 given, bytes32 claimed);

    /// @notice The encoding is `abi.encode(int256[])` and nothing else, of as many numbers as the circuit has.
    error InvalidNumbers(bytes data, uint256 count);

    /// @notice Numbers are below 2^127 in size, so that none stands for the same field element as another.
    error NumberOutOfRange(int256 number);

    /// @notice The circuit's public instances: inputs, then outputs, as field elements.
    function instancesOf(bytes calldata features, uint16 inputs, bytes calldata output, uint16 outputs)
        external
        pure
        returns (uint256[] memory);
}
