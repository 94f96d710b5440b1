// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice A contract for which a signer may create subscriptions off chain.
interface IDelegator {
    /// @notice The signer has changed. Signatures of the previous one that were not used yet are void.
    event SignerUpdated(address indexed previous, address indexed signer);

    /// @notice The account whose EIP-712 signature acts for this contract: an EOA, or a contract with ERC-1271.
    function signer() external view returns (address);
}
