// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Reads one word from a contract that may do anything but change state.
library StaticRead {
    /// @dev Return data beyond a word is not copied.
    /// @return value What it answers; 0 where it has no answer.
    /// @return ok Whether it has one.
    function word(address target, bytes memory data) internal view returns (uint256 value, bool ok) {
        assembly ("memory-safe") {
            ok := staticcall(gas(), target, add(data, 0x20), mload(data), 0x00, 0x20)
            ok := and(ok, gt(returndatasize(), 0x1f))
            value := mul(ok, mload(0x00))
        }
    }
}
