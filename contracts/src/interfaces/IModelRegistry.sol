// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title IModelRegistry
/// @notice Models that creators have published.
interface IModelRegistry {
    /// @notice What the creator of a container earns of each paid answer; zeros where nobody has published it.
    function terms(bytes32 containerId) external view returns (address royaltyTo, uint16 royaltyBps);
}
