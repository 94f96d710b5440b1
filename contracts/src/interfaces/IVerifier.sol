// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Subscription} from "../Subscription.sol";

/// @notice What a verifier says of an answer.
enum Verdict {
    /// The delivery reverts and the slot stays open; of a pending answer: the money returns to the payer.
    Invalid,
    /// The node is paid and the consumer called.
    Valid,
    /// Ask again by `settle`. Until then the fee is locked and the answer counts as delivered.
    Pending
}

/// @notice What a proof is about. The Coordinator is `msg.sender` and the chain is `block.chainid`, for whoever binds
/// them too.
struct Claim {
    /// The consumer.
    address owner;
    /// The subscription.
    uint32 id;
    /// The interval, from 1.
    uint32 interval;
    /// The answer's ordinal in its interval, from 1.
    uint16 redundancy;
    /// Who delivers it.
    address node;
    /// keccak256 of the container string.
    bytes32 containerId;
    /// keccak256 of the features. In pull mode what the consumer commits to, and 0 where the verifier says of itself
    /// that it compares features.
    bytes32 featuresHash;
    /// keccak256 of the output as it is delivered.
    bytes32 outputHash;
    /// Hash of the verifier's parameters in the terms; 0 where it has none.
    bytes32 verifierParams;
    /// What the terms ask a node to have bonded, in wei.
    uint96 minBond;
}

/// @title IVerifier
/// @notice Decides whether an answer is good.
/// @dev Assumptions:
/// - A verifier is chosen by the terms; a node serves only verifiers that it knows.
/// - All calls but the views are made by a Coordinator, under its lock: nothing of it can be entered meanwhile.
///   Anyone else may call too, so what a verifier keeps, it keeps per `msg.sender`.
/// - The fee of the verifier stands in the terms and is credited to its own address, in the Coordinator's ledger, with
///   each answer that it accepts.
interface IVerifier {
    /// @notice The kind of proof that is wanted: keccak256 of a published name, such as "infernet.proof.none",
    /// "infernet.proof.quorum.signatures", ".sealed", ".attested", ".halo2", ".onchain", ".optimistic".
    function proofKind() external view returns (bytes32);

    /// @notice Whether the verifier itself makes sure that the features were the same, so that it may serve in pull
    /// mode, where the terms hold no features hash.
    function comparesFeatures() external view returns (bool);

    /// @notice Reverts where the verifier cannot serve a subscription. Called when one is created.
    /// @param s The terms. `s.verifierParams` is the hash of `params` and has been checked.
    /// @param params The verifier's parameters.
    function checkTerms(Subscription calldata s, bytes calldata params) external view;

    /// @notice Looks at an answer that is being delivered. A revert has the same effect as `Invalid`.
    /// @return verdict What becomes of the answer.
    /// @return pendingUntil For `Pending`: from then on what is not valid is refunded. In the future, and at most the
    /// Coordinator's `MAX_PENDING` (30 days) ahead. Ignored otherwise.
    function verify(Claim calldata claim, bytes calldata output, bytes calldata proof)
        external
        returns (Verdict verdict, uint40 pendingUntil);

    /// @notice Looks again at an answer that was pending, whoever asks. `Valid` and `Invalid` are final and are never
    /// asked for again; after `pendingUntil`, so is everything else (`Pending`, a revert), as if it were `Invalid`.
    /// @param claim As it was when the answer was delivered: `claim.node` is who delivered then.
    /// @param output As it was delivered.
    /// @param proof Whatever the caller brings along now.
    /// @dev Must manage with the Coordinator's `SETTLE_GAS` (5 million).
    function settle(Claim calldata claim, bytes calldata output, bytes calldata proof)
        external
        returns (Verdict verdict);

    /// @notice Who shares the node's part of the fee of an answer that was just found valid, in equal parts; what does
    /// not divide goes to the first. Empty: `claim.node` alone. At most 64. Not asked where the answer is free.
    function payees(Claim calldata claim, bytes calldata output, bytes calldata proof)
        external
        view
        returns (address[] memory);
}
