// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Claim, IVerifier} from "./IVerifier.sol";

/// @title IQuorumSignatureVerifier
/// @notice One transaction with the signatures of k bonded nodes under the same answer; all of them are paid.
/// @dev Assumptions:
/// - The guarantee is that k bonded keys agree, not that they worked apart: a signer may have copied, and one operator
///   may hold several keys. Where that matters, use the sealed quorum.
/// - Parameters: `abi.encode(uint256 k)`. Redundancy is 1, and a minimum bond is asked for.
/// - Proof: `abi.encode(bytes32 featuresHash, NodeSignature[] signatures)` with exactly k signatures, in ascending
///   order of the nodes' addresses. `featuresHash` counts in pull mode only, where all signers name the one they read.
/// - A node signs, in the domain name "InfernetAnswer", version "1", this chain, this contract:
///   `Answer(address coordinator,address owner,uint32 id,uint32 interval,bytes32 containerId,bytes32 featuresHash,
///   bytes32 outputHash)`, without the line break. A node that has code is asked by ERC-1271.
/// - Who delivers does not matter: the signers share the fee, so there is nothing to gain by copying a delivery.
interface IQuorumSignatureVerifier is IVerifier {
    /// @notice A node, and its signature under the answer.
    struct NodeSignature {
        /// Bonded towards the verifier.
        address node;
        /// Over `digest`: 65 bytes of an account, or what a contract takes by ERC-1271.
        bytes signature;
    }

    /// @notice The parameters are `abi.encode(k)`, with k from 1 to `MAX_SIGNERS`.
    error InvalidQuorum(uint256 k, uint256 maximum);

    /// @notice Parameters of another length.
    error InvalidParams(bytes params);

    /// @notice The quorum is one answer.
    error RedundancyNotOne(uint16 redundancy);

    /// @notice Without bonds, keys are free.
    error ZeroMinBond();

    /// @notice The terms ask for another number of signatures.
    error QuorumMismatch(uint256 signatures, bytes32 verifierParams);

    /// @notice Signers are distinct and in ascending order.
    error SignersNotAscending(address previous, address node);

    /// @notice A signer has less than the terms' minimum bonded towards this verifier, in wei.
    error SignerNotBonded(address node, uint256 bond, uint96 minBond);

    /// @notice The most signatures that the terms may ask for.
    function MAX_SIGNERS() external view returns (uint256);

    /// @notice What a node signs for a delivery through `coordinator`.
    function digest(address coordinator, Claim calldata claim) external view returns (bytes32);
}
