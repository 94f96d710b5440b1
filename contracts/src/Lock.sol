// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICoordinator} from "./interfaces/ICoordinator.sol";

/// @title Lock
/// @notice One lock over every entry point. It is gone at the end of the transaction.
abstract contract Lock {
    /// @dev Nothing runs, a call to a verifier, token or signer runs, a consumer's callback runs.
    uint256 internal constant FREE = 0;
    uint256 internal constant LOCKED = 1;
    uint256 internal constant IN_CALLBACK = 2;

    uint256 internal transient _lock;

    /// @dev For what may not happen within any call that the Coordinator makes.
    function _checkFree() internal view {
        if (_lock != FREE) revert ICoordinator.Reentered();
    }

    /// @dev For what a consumer may do in its callback: ask again, or stop.
    function _checkNotLocked() internal view {
        if (_lock == LOCKED) revert ICoordinator.Reentered();
    }
}
