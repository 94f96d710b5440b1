// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {DelegateRequest, Subscription} from "../Subscription.sol";
import {ICoordinator} from "./ICoordinator.sol";

/// @title IEIP712Coordinator
/// @notice The Coordinator that is deployed: also for subscriptions that a contract's signer creates off chain, by an
/// EIP-712 signature.
/// @dev Assumptions:
/// - The signed message is `DelegateSubscription(uint32 nonce,uint40 expiry,Subscription subscription)` in the domain
///   name "InfernetCoordinator", version "1", this chain, this contract.
/// - The owner answers `signer()` (see `IDelegator`): an EOA, or a contract with ERC-1271.
///   A signer that has code is asked by ERC-1271 only. Nothing at all can be entered while owner and signer are asked.
/// - Each (owner, nonce) has one permanent bit. Once it is set no signature under that nonce is looked at again.
/// - The id of a delegated subscription is `2^31 | nonce`.
interface IEIP712Coordinator is ICoordinator {
    /// @notice The owner has voided a nonce.
    event NonceBurned(address indexed owner, uint32 indexed nonce);

    /// @notice Nonces are below 2^31.
    error NonceTooHigh(uint32 nonce);

    /// @notice The nonce was burned, or its subscription was completed or cancelled.
    error NonceUsed(address owner, uint32 nonce);

    /// @notice The last second at which the signature creates a subscription was `expiry`.
    error SignatureExpired(uint256 timestamp, uint40 expiry);

    /// @notice The signature is not that of the owner's signer over these terms.
    error InvalidSignature(address owner, address signer);

    /// @notice Creates the subscription that the owner's signer signed. Anyone may call.
    /// Where it exists already, with the same terms, its id is returned.
    /// @param nonce Below 2^31, and good once; the id is `2^31 | nonce`.
    /// @param expiry The last second, since the epoch, at which the signature creates the subscription.
    /// @param s The terms that were signed.
    /// @param container Name of the container, or a chain "A,B,C".
    /// @param features Input of the container; empty in pull mode.
    /// @param signature Of the owner's signer: 65 bytes of an account, or whatever an ERC-1271 signer takes.
    function createSubscriptionDelegate(
        uint32 nonce,
        uint40 expiry,
        Subscription calldata s,
        string calldata container,
        bytes calldata features,
        bytes calldata signature
    ) external returns (uint32 id);

    /// @notice Creates a signed subscription whose verifier has parameters, or finds it. They are not signed
    /// themselves: their hash is.
    function createSubscriptionDelegateVerified(DelegateRequest calldata r, bytes calldata verifierParams)
        external
        returns (uint32 id);

    /// @notice Creates the subscription that the owner's signer signed, or finds it, and delivers an output to it.
    /// With parameters of a verifier it must exist already: `multicall` creates and delivers in one transaction.
    function deliverModelOutputDelegate(
        DelegateRequest calldata r,
        uint32 interval,
        bytes calldata output,
        bytes calldata proof
    ) external;

    /// @notice Voids an unused nonce of the caller.
    function burnNonce(uint32 nonce) external;

    /// @notice Whether a nonce was used or burned.
    function isNonceUsed(address owner, uint32 nonce) external view returns (bool);

    /// @notice The EIP-712 domain separator, on this chain.
    function DOMAIN_SEPARATOR() external view returns (bytes32);
}
