// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Claim, IVerifier} from "./IVerifier.sol";

/// @title IAttestationVerifier
/// @notice An answer is good when it is signed by a key that an authority vouches for.
/// @dev Assumptions:
/// - Anyone is an authority, over a list of its own; the terms say whose list counts. An authority may be a contract
///   that checks attestations of trusted hardware on chain and allows the keys it finds in them.
/// - Parameters: `abi.encode(address authority)`.
/// - Proof: `abi.encode(address authority, address signer, bytes signature)`.
/// - The key signs, in the domain name "InfernetAnswer", version "1", this chain, this contract:
///   `AttestedAnswer(address coordinator,address owner,uint32 id,uint32 interval,address node,bytes32 containerId,
///   bytes32 featuresHash,bytes32 outputHash)`, without the line break. It names the node, so a copied delivery is
///   worth nothing to anyone else. A signer that has code is asked by ERC-1271.
/// - The times of a key are compared with the delivery's block. A revoked key never comes back.
interface IAttestationVerifier is IVerifier {
    /// @notice What an authority says of a key. Times are in seconds since the epoch; all zero: nothing.
    struct Signer {
        /// The first second in which it counts.
        uint40 validFrom;
        /// The first second in which it does not count any more.
        uint40 validUntil;
        /// For ever.
        bool revoked;
    }

    /// @notice The authority vouches for the key from `validFrom` until before `validUntil`.
    /// @param evidence Why, for whoever wants to check: a quote, its hash, an address of it.
    event SignerAllowed(
        address indexed authority, address indexed signer, uint40 validFrom, uint40 validUntil, bytes evidence
    );

    /// @notice The authority does not vouch for the key any more, ever.
    event SignerRevoked(address indexed authority, address indexed signer);

    /// @notice The parameters are not `abi.encode(address authority)`.
    error InvalidParams(bytes params);

    /// @notice The authority, or the key to allow, is the zero address.
    error ZeroAddress();

    /// @notice The times, in seconds since the epoch, span no second.
    error InvalidValidity(uint40 validFrom, uint40 validUntil);

    /// @notice The authority has revoked the key, and that is for ever.
    error AlreadyRevoked(address authority, address signer);

    /// @notice The terms name another authority.
    error AuthorityMismatch(address authority, bytes32 verifierParams);

    /// @notice The authority does not vouch for this key now.
    error SignerNotValid(address authority, address signer, uint256 timestamp);

    /// @notice Vouches for a key, as the caller; or changes its times.
    function allowSigner(address signer, uint40 validFrom, uint40 validUntil, bytes calldata evidence) external;

    /// @notice Never vouches for a key any more, as the caller.
    function revokeSigner(address signer) external;

    /// @notice What an authority says of a key.
    function getSigner(address authority, address signer) external view returns (Signer memory);

    /// @notice Whether an authority vouches for a key now.
    function isValidSigner(address authority, address signer) external view returns (bool);

    /// @notice What the key signs for a delivery through `coordinator`.
    function digest(address coordinator, Claim calldata claim) external view returns (bytes32);
}
