// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IProofVerifier} from "./IProofVerifier.sol";
import {SpcAddresses} from "./SpcAddresses.sol";

/// @title Proofs
/// @notice Zero-knowledge proofs in a line.
library Proofs {
    IProofVerifier internal constant VERIFIER = IProofVerifier(SpcAddresses.PROOF_VERIFIER);

    /// @notice These instances are not proven.
    error NotProven(bytes32 circuit);

    /// @notice Whether it is a proof of these instances.
    function verify(bytes32 circuit, bytes memory proof, uint256[] memory instances) internal view returns (bool) {
        return VERIFIER.verify(circuit, proof, instances);
    }

    /// @notice Reverts unless it is a proof of these instances.
    function check(bytes32 circuit, bytes memory proof, uint256[] memory instances) internal view {
        if (!verify(circuit, proof, instances)) revert NotProven(circuit);
    }
}
