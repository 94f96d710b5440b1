// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice A consumer that takes answers from some nodes only, and says so before they work.
interface IAllowlist {
    /// @notice Answers of `node` are taken from now on, or (`allowed` false) not any more.
    event NodeAllowed(address indexed node, bool allowed);

    /// @notice The consumer takes no answers from this node.
    error NodeNotAllowed(address node);

    /// @notice Whether an answer of `node` would be taken. Nodes ask before they compute.
    function isAllowedNode(address node) external view returns (bool);
}
