// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICoordinator} from "../../src/interfaces/ICoordinator.sol";
import {Symbolic} from "./Symbolic.sol";

/// @dev When it is a node's turn, for every subscription and node. A product of two variables of this width is beyond
/// the solver: there are a few windows here, and fuzzing takes the rest (`Batch.t.sol`).
contract TurnsSymbolic is Symbolic {
    ICoordinator private coordinator;

    function setUp() public {
        coordinator = _deployCoordinator();
    }

    function _checkBelow(address owner, uint32 id, uint32 interval, address node, uint32 window) private view {
        assert(coordinator.turnDelay(owner, id, interval, node, window) < window);
    }

    function check_IsBelowTheWindow(address owner, uint32 id, uint32 interval, address node) external view {
        _checkBelow(owner, id, interval, node, 12);
        _checkBelow(owner, id, interval, node, 60);
        _checkBelow(owner, id, interval, node, 1 hours);
        _checkBelow(owner, id, interval, node, type(uint32).max);
    }

    function check_IsZeroWithoutAWindow(address owner, uint32 id, uint32 interval, address node) external view {
        assert(coordinator.turnDelay(owner, id, interval, node, 0) == 0);
    }

    /// @dev hash · window >> 256, added up from other halves than the contract's.
    function _checkHigh(address owner, uint32 id, uint32 interval, address node, uint32 window) private view {
        uint256 hash = uint256(keccak256(abi.encode(owner, id, interval, node)));
        uint256 low = uint256(uint128(hash)) * window;
        uint256 high = (hash >> 128) * window;
        assert(coordinator.turnDelay(owner, id, interval, node, window) == (high + (low >> 128)) >> 128);
    }

    function check_IsTheHighHalfOfTheProduct(address owner, uint32 id, uint32 interval, address node) external view {
        _checkHigh(owner, id, interval, node, 12);
        _checkHigh(owner, id, interval, node, 60);
    }
}
