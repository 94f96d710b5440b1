// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICoordinator} from "../src/interfaces/ICoordinator.sol";
import {ILedger} from "../src/interfaces/ILedger.sol";
import {Subscription} from "../src/Subscription.sol";
import {Base} from "./Base.sol";

/// @dev Recurring subscriptions that pay: what is locked, pausing, cancelling.
contract RecurringTest is Base {
    uint128 private constant FEE = 1 ether;
    address private constant PAYER = address(0x9A7E4);
    uint8 private constant PAID = 1;
    uint8 private constant RECURRING = 2;
    uint8 private constant CANCELLED = 4;
    uint8 private constant PAUSED = 8;

    function _flags(uint32 id) private view returns (uint8) {
        return uint8(uint256(_word(address(puppet), id)));
    }

    function _assertTotal() private view {
        uint256 sum = _free(address(puppet)) + _locked(address(puppet)) + _free(NODE) + _free(OTHER_NODE) + _free(PAYER)
            + _locked(PAYER);
        vm.assertEq(sum, coordinator.totalOf(address(0)));
        vm.assertEq(address(coordinator).balance, sum);
    }

    function _payerTerms() private view returns (Subscription memory s) {
        s = _paidTerms(FEE);
        s.payer = PAYER;
    }

    // --- Recurring

    function test_ARecurringOneKeepsOneIntervalLocked() public {
        _fund(address(puppet), 10 * FEE);
        Subscription memory s = _paidRecurring(3, 2, FEE);
        uint32 id = _create(s);
        vm.assertEq(_flags(id), PAID | RECURRING);
        _assertMoney(address(puppet), 8 * FEE, 2 * FEE);
        _deliver(id, 1, s);
        _assertMoney(address(puppet), 7 * FEE, 2 * FEE);
        _deliverBy(OTHER_NODE, id, 1, s);
        _assertMoney(address(puppet), 6 * FEE, 2 * FEE);
        vm.warp(START + 60);
        _deliver(id, 2, s);
        _assertMoney(address(puppet), 5 * FEE, 2 * FEE);
        // The last interval is paid from what is locked.
        vm.warp(START + 120);
        _deliver(id, 3, s);
        _assertMoney(address(puppet), 5 * FEE, FEE);
        _deliverBy(OTHER_NODE, id, 3, s);
        _assertMoney(address(puppet), 5 * FEE, 0);
        vm.assertEq(_word(address(puppet), id), 0);
        _assertMoney(NODE, 3 * FEE, 0);
        _assertMoney(OTHER_NODE, 2 * FEE, 0);
        _assertTotal();
    }

    /// @dev Whether the payer has more or not: no interval follows, so there is nothing to lock for, and nothing to pause.
    function testFuzz_TheLastIntervalLocksNothingMore(uint8 frequency, uint8 redundancy, uint128 more) public {
        frequency = uint8(_bound(frequency, 2, 4));
        redundancy = uint8(_bound(redundancy, 1, 3));
        more = uint128(_bound(more, 0, 10 * FEE));
        Subscription memory s = _paidRecurring(frequency, redundancy, FEE);
        _fund(address(puppet), uint256(frequency) * redundancy * FEE);
        uint32 id = _create(s);
        for (uint32 interval = 1; interval < frequency; ++interval) {
            for (uint160 node = 1; node <= redundancy; ++node) {
                _deliverBy(address(node), id, interval, s);
            }
            vm.warp(START + uint256(interval) * 60);
        }
        _assertMoney(address(puppet), 0, uint256(redundancy) * FEE);
        _fund(address(puppet), more);
        for (uint160 node = 1; node <= redundancy; ++node) {
            vm.assertEq(_flags(id), PAID | RECURRING);
            _deliverBy(address(node), id, frequency, s);
            _assertMoney(address(puppet), more, (redundancy - node) * FEE);
        }
        vm.assertEq(_word(address(puppet), id), 0);
    }

    function test_WhatTheLastIntervalsLeaveReturns() public {
        _fund(address(puppet), 10 * FEE);
        Subscription memory s = _paidRecurring(2, 2, FEE);
        uint32 id = _create(s);
        _deliver(id, 1, s);
        vm.warp(START + 60);
        _deliver(id, 2, s);
        vm.warp(START + 119);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.NotExpired.selector, START + 119, START + 119));
        coordinator.expire(id, s);
        vm.warp(START + 120);
        coordinator.expire(id, s);
        _assertMoney(address(puppet), 8 * FEE, 0);
        _assertTotal();
    }

    /// @dev The payer takes its money away after nodes have started: all of the interval is paid, and no other begins.
    function test_PausesWhenItCannotBePaid() public {
        _fund(address(puppet), 3 * FEE);
        Subscription memory s = _paidRecurring(FOREVER, 2, FEE);
        uint32 id = _create(s);
        vm.prank(address(puppet));
        coordinator.withdraw(address(puppet2()), address(0), FEE);

        vm.expectEmit(address(coordinator));
        emit ICoordinator.SubscriptionPaused(address(puppet), id, 1);
        _deliver(id, 1, s);
        vm.assertEq(_flags(id), PAID | RECURRING | PAUSED);
        _assertMoney(address(puppet), 0, FEE);
        _deliverBy(OTHER_NODE, id, 1, s);
        _assertMoney(address(puppet), 0, 0);
        _assertMoney(OTHER_NODE, FEE, 0);

        vm.warp(START + 60);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.IntervalNotFunded.selector, 2, 1));
        _deliver(id, 2, s);
        (address payer,, uint256 amount) = coordinator.quoteFund(id, s);
        vm.assertEq(payer, address(puppet));
        vm.assertEq(amount, 2 * FEE);
        vm.expectRevert(
            abi.encodeWithSelector(ILedger.InsufficientBalance.selector, address(puppet), address(0), 0, 2 * FEE)
        );
        coordinator.fund(id, s);

        _fund(address(puppet), 3 * FEE);
        vm.expectEmit(address(coordinator));
        emit ICoordinator.SubscriptionResumed(address(puppet), id);
        vm.prank(NODE); // anyone
        coordinator.fund(id, s);
        vm.assertEq(_flags(id), PAID | RECURRING);
        _assertMoney(address(puppet), FEE, 2 * FEE);
        _deliver(id, 2, s);
        _assertMoney(address(puppet), 0, 2 * FEE);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.NotPaused.selector, address(puppet), id));
        coordinator.fund(id, s);
    }

    function puppet2() private pure returns (address) {
        return address(0x2222);
    }

    /// @dev Money that comes back in between does not unpause by itself, and leaves nothing half funded.
    function test_APausedIntervalIsNotToppedUpByHalves() public {
        _fund(address(puppet), 3 * FEE);
        Subscription memory s = _paidRecurring(FOREVER, 3, FEE);
        uint32 id = _create(s);
        _deliver(id, 1, s);
        _fund(address(puppet), 10 * FEE);
        _deliverBy(OTHER_NODE, id, 1, s);
        _assertMoney(address(puppet), 10 * FEE, FEE);
        vm.warp(START + 60);
        coordinator.fund(id, s);
        _assertMoney(address(puppet), 8 * FEE, 3 * FEE);
    }

    /// @dev Resumed, it is as if it had never paused: nothing is missing, and all of it returns in the end.
    function test_ResumedItIsWholeAgain() public {
        _fund(address(puppet), 2 * FEE);
        Subscription memory s = _paidRecurring(FOREVER, 2, FEE);
        uint32 id = _create(s);
        _deliver(id, 1, s);
        _deliverBy(OTHER_NODE, id, 1, s);
        _fund(address(puppet), 2 * FEE);
        coordinator.fund(id, s);
        (,, uint256 missing) = coordinator.quoteFund(id, s);
        vm.assertEq(missing, 0);
        puppet.cancel(id);
        coordinator.expire(id, s);
        _assertMoney(address(puppet), 2 * FEE, 0);
        _assertTotal();
    }

    /// @dev Three answers an interval, the first cannot be replaced, the next interval waits though two fees are left.
    function test_AnIntervalBeginsOnlyWhenAllOfItIsFunded() public {
        _fund(address(puppet), 3 * FEE);
        Subscription memory s = _paidRecurring(FOREVER, 3, FEE);
        uint32 id = _create(s);
        _deliver(id, 1, s);
        vm.warp(START + 60);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.IntervalNotFunded.selector, 2, 1));
        _deliver(id, 2, s);
        puppet.cancel(id);
        vm.warp(START + 120);
        coordinator.expire(id, s);
        _assertMoney(address(puppet), 2 * FEE, 0);
    }

    function test_AnAllowanceThatIsTakenBackPauses() public {
        _fund(PAYER, 10 * FEE);
        vm.prank(PAYER);
        coordinator.allow(address(puppet), address(0), 10 * FEE);
        Subscription memory s = _paidRecurring(FOREVER, 1, FEE);
        s.payer = PAYER;
        uint32 id = _create(s);
        vm.prank(PAYER);
        coordinator.allow(address(puppet), address(0), 0);
        _deliver(id, 1, s);
        vm.assertEq(_flags(id), PAID | RECURRING | PAUSED);
        _assertMoney(NODE, FEE, 0);
        _assertMoney(PAYER, 9 * FEE, 0);
    }

    // --- Cancelling

    function test_CancellingStopsWhatHasNotBegun() public {
        _fund(address(puppet), 10 * FEE);
        Subscription memory s = _paidRecurring(FOREVER, 2, FEE);
        uint32 id = _create(s);
        _deliver(id, 1, s);
        vm.warp(START + 59);
        vm.expectEmit(address(coordinator));
        emit ICoordinator.SubscriptionCancelled(address(puppet), id);
        puppet.cancel(id);
        vm.assertEq(_flags(id), PAID | RECURRING | CANCELLED);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.AlreadyCancelled.selector, address(puppet), id));
        puppet.cancel(id);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.NotExpired.selector, START + 59, START + 59));
        coordinator.expire(id, s);

        // The interval that has begun is answered and paid, and not topped up.
        _deliverBy(OTHER_NODE, id, 1, s);
        _assertMoney(OTHER_NODE, FEE, 0);
        _assertMoney(address(puppet), 7 * FEE, FEE);
        // It has all its answers, so nothing more can come.
        coordinator.expire(id, s);
        _assertMoney(address(puppet), 8 * FEE, 0);
        vm.assertEq(_word(address(puppet), id), 0);
        _assertTotal();
    }

    function test_RevertWhen_DeliveredAfterTheCancelledInterval() public {
        _fund(address(puppet), 10 * FEE);
        Subscription memory s = _paidRecurring(FOREVER, 1, FEE);
        uint32 id = _create(s);
        vm.warp(START + 30);
        puppet.cancel(id);
        vm.warp(START + 60);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.IntervalCancelled.selector, 2, 1));
        _deliver(id, 2, s);
        coordinator.expire(id, s);
        _assertMoney(address(puppet), 10 * FEE, 0);
    }

    function test_CancelledBeforeItsStartItIsOverAtOnce() public {
        _fund(address(puppet), 10 * FEE);
        Subscription memory s = _paidRecurring(FOREVER, 1, FEE);
        s.activeAt = uint40(START + 1000);
        uint32 id = _create(s);
        puppet.cancel(id);
        coordinator.expire(id, s);
        _assertMoney(address(puppet), 10 * FEE, 0);

        id = _create(s);
        puppet.cancel(id);
        vm.warp(START + 1000);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.IntervalCancelled.selector, 1, 0));
        _deliver(id, 1, s);
    }

    function test_CancelledAfterItsEndItIsOver() public {
        _fund(address(puppet), 10 * FEE);
        Subscription memory s = _paidRecurring(2, 1, FEE);
        uint32 id = _create(s);
        vm.warp(START + 1000);
        puppet.cancel(id);
        coordinator.expire(id, s);
        _assertMoney(address(puppet), 10 * FEE, 0);
    }

    function test_ThePayerMayCancel() public {
        _fund(PAYER, 10 * FEE);
        vm.prank(PAYER);
        coordinator.allow(address(puppet), address(0), 10 * FEE);
        Subscription memory s = _paidRecurring(FOREVER, 1, FEE);
        s.payer = PAYER;
        uint32 id = _create(s);
        vm.prank(NODE);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.NotPayer.selector, NODE, PAYER));
        coordinator.cancelSubscriptionAsPayer(id, s);
        vm.prank(PAYER);
        coordinator.cancelSubscriptionAsPayer(id, s);
        _deliver(id, 1, s); // it had begun
        _assertMoney(NODE, FEE, 0);
        coordinator.expire(id, s);
        _assertMoney(PAYER, 9 * FEE, 0);

        s = _payerTerms();
        id = _create(s);
        vm.prank(PAYER);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.PaidUntilDeadline.selector, address(puppet), id));
        coordinator.cancelSubscriptionAsPayer(id, s);
    }

    function test_RevertWhen_FundingACancelledOne() public {
        _fund(address(puppet), FEE);
        Subscription memory s = _paidRecurring(FOREVER, 1, FEE);
        uint32 id = _create(s);
        _deliver(id, 1, s);
        puppet.cancel(id);
        _fund(address(puppet), FEE);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.NotPaused.selector, address(puppet), id));
        coordinator.fund(id, s);
    }

    function test_AFreeRecurringOneExpiresToo() public {
        Subscription memory s = _recurring(2, 60, 1);
        uint32 id = _create(s);
        vm.warp(START + 120);
        coordinator.expire(id, s);
        vm.assertEq(_word(address(puppet), id), 0);
        s = _recurring(FOREVER, 60, 1);
        id = _create(s);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.NotExpired.selector, START + 120, FOREVER));
        coordinator.expire(id, s);
    }
}
