// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title INodeRegistry
/// @notice Nodes and their bonds.
interface INodeRegistry {
    /// @notice The bond of `node` that `verifier` may slash: what is being withdrawn no longer counts.
    function bondOf(address node, address verifier) external view returns (uint256);
}
