// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title IProofVerifier
/// @notice Checks EZKL's zero-knowledge proofs (Halo2 with KZG on BN254). At 0x0820 of every execution layer that enables
/// it.
/// @dev Assumptions:
/// - A proof is what EZKL calls `hex_proof`, the bytes that its Solidity verifiers take; instances are the circuit's
///   public inputs and outputs as field elements, inputs first.
/// - A circuit is known by the hash of its three files, so that a contract which pins it pins all of them. Whoever knows
///   the secret that its reference string was made with can forge proofs.
/// - What cannot be read proves nothing: `verify` answers false, it does not revert.
/// - A circuit has 2^6 to 2^18 rows, and lookups of at most 12 columns each. A proof pays for what its circuit's rows and
///   columns take to lay out; one that would take over half a second, or half a gigabyte, cannot be registered.
/// - A proof of one answer has many forms: never tell answers apart by their proofs.
interface IProofVerifier {
    /// @notice Registers a circuit whose files were put with `ITensorInference.putBlob`.
    /// @param verifyingKey EZKL's vk.key, by its sha256.
    /// @param settings EZKL's settings.json.
    /// @param referenceString EZKL's kzg.srs, or the 388 bytes of it that verifying needs.
    /// @return circuit The sha256 of the three hashes.
    function register(bytes32 verifyingKey, bytes32 settings, bytes32 referenceString)
        external
        returns (bytes32 circuit);

    /// @notice The files of a circuit.
    function circuitOf(bytes32 circuit)
        external
        view
        returns (bytes32 verifyingKey, bytes32 settings, bytes32 referenceString);

    /// @notice Whether it is a proof of these instances.
    function verify(bytes32 circuit, bytes calldata proof, uint256[] calldata instances) external view returns (bool);
}
