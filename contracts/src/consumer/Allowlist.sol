// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IAllowlist} from "../interfaces/IAllowlist.sol";

/// @title Allowlist
/// @notice For consumers that trust some nodes only. Nodes read `isAllowedNode` before they compute; who does not,
/// finds its delivery reverted.
/// @dev Put `onlyAllowedNode(node)` on `_receiveModelOutput`, and `onlyAllowedNode(caller)` on `getModelFeatures`: then
/// others do not even get features to work with.
abstract contract Allowlist is IAllowlist {
    /// @inheritdoc IAllowlist
    mapping(address node => bool) public isAllowedNode;

    /// @notice Refuses nodes that are not allowed.
    modifier onlyAllowedNode(address node) {
        if (!isAllowedNode[node]) revert NodeNotAllowed(node);
        _;
    }

    /// @param nodes Who is allowed from the beginning.
    constructor(address[] memory nodes) {
        for (uint256 i; i < nodes.length; ++i) {
            _setAllowedNode(nodes[i], true);
        }
    }

    /// @notice Allows a node, or (`allowed` false) does not any more.
    /// @dev Who may do so is for the contract to say.
    function _setAllowedNode(address node, bool allowed) internal {
        isAllowedNode[node] = allowed;
        emit NodeAllowed(node, allowed);
    }
}
