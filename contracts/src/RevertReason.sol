// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICoordinator} from "./interfaces/ICoordinator.sol";

/// @notice What a failed call says of itself.
library RevertReason {
    /// @dev At most so much of a callback's or verifier's revert data is kept.
    uint256 internal constant MAX = 256;

    /// @dev The beginning of the last call's revert data. Copying all of it could cost more than the call itself.
    function read(uint256 max) internal pure returns (bytes memory reason) {
        assembly ("memory-safe") {
            let size := returndatasize()
            if gt(size, max) { size := max }
            reason := mload(0x40)
            mstore(reason, size)
            returndatacopy(add(reason, 0x20), 0, size)
            mstore(0x40, add(reason, and(add(size, 0x3f), not(0x1f))))
        }
    }

    /// @dev Passes the last call's revert data on.
    function bubble() internal pure {
        assembly ("memory-safe") {
            let free := mload(0x40)
            returndatacopy(free, 0, returndatasize())
            revert(free, returndatasize())
        }
    }

    /// @dev A call that failed without a word, with nearly all gas gone, has run out of it: then nothing may happen.
    function checkGas(bytes memory reason, uint256 gasBefore) internal view {
        if (reason.length == 0 && gasleft() < gasBefore / 32) {
            revert ICoordinator.InsufficientGas(gasBefore, gasBefore + 1);
        }
    }
}
