// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICoordinator} from "../../src/interfaces/ICoordinator.sol";
import {Symbolic} from "./Symbolic.sol";

/// @dev Which interval it is. The first property holds for all arguments; what follows from it by the laws of division
/// is beyond the solver at full width, so it is decided for 8 and 4 bits here, and by fuzzing (`Deliver.t.sol`).
contract IntervalsSymbolic is Symbolic {
    ICoordinator private coordinator;

    function setUp() public {
        coordinator = _deployCoordinator();
    }

    function _interval(uint40 activeAt, uint32 period) private view returns (bool ok, uint32 interval) {
        try coordinator.getSubscriptionInterval(activeAt, period) returns (uint32 n) {
            return (true, n);
        } catch {
            return (false, 0);
        }
    }

    /// @dev It reverts before the start and where the interval has no 32 bits, and nowhere else: nothing overflows.
    function check_IsTheReference(uint40 activeAt, uint32 period, uint64 now_) external {
        vm.warp(now_);
        (bool ok, uint32 interval) = _interval(activeAt, period);
        if (now_ < activeAt) return assert(!ok);
        uint256 expected = period == 0 ? 1 : uint256(now_ - activeAt) / period + 1;
        assert(ok == (expected <= type(uint32).max));
        if (ok) assert(interval == expected);
    }

    /// @dev Interval n is [activeAt + (n - 1) · period, activeAt + n · period).
    function check_Boundaries(uint8 elapsed, uint8 period) external {
        vm.assume(period != 0 && period < 16);
        vm.warp(elapsed);
        (, uint256 interval) = _interval(0, period);
        unchecked {
            assert(elapsed - (interval - 1) * period < period);
        }
    }

    function check_NeverGoesBack(uint8 first, uint8 later, uint8 period) external {
        vm.assume(first <= later && period < 16);
        vm.warp(first);
        (, uint32 interval) = _interval(0, period);
        vm.warp(later);
        (, uint32 next) = _interval(0, period);
        assert(interval <= next);
    }
}
