// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICoordinator} from "../src/interfaces/ICoordinator.sol";
import {ILedger} from "../src/interfaces/ILedger.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {DelegateRequest, Subscription} from "../src/Subscription.sol";
import {Base} from "./Base.sol";
import {Oracle, Token} from "./Mocks.sol";
import {Puppet} from "./Puppet.sol";

/// @dev Subscriptions that pay.
contract PaidTest is Base {
    uint128 private constant FEE = 1 ether;
    address private constant CREATOR = address(0xC4EA);
    address private constant PAYER = address(0x9A7E4);
    uint8 private constant PAID = 1;
    uint8 private constant RECURRING = 2;
    uint8 private constant CANCELLED = 4;
    uint8 private constant PAUSED = 8;

    function _flags(uint32 id) private view returns (uint8) {
        return uint8(uint256(_word(address(puppet), id)));
    }

    function _assertTotal() private view {
        uint256 sum = _free(address(puppet)) + _locked(address(puppet)) + _free(NODE) + _free(OTHER_NODE)
            + _free(CREATOR) + _free(PAYER) + _locked(PAYER) + _free(PROTOCOL);
        vm.assertEq(sum, coordinator.totalOf(address(0)));
        vm.assertEq(address(coordinator).balance, sum);
    }

    // --- One-time

    function testFuzz_LocksAndPays(uint128 fee, uint8 redundancy) public {
        fee = uint128(_bound(fee, 1, type(uint128).max / 255));
        redundancy = uint8(_bound(redundancy, 1, 4));
        Subscription memory s = _paidTerms(fee);
        s.redundancy = redundancy;
        uint256 total = uint256(fee) * redundancy;
        _fund(address(puppet), total + 5);

        (address payer, address token, uint256 amount) = coordinator.quoteSubscription(s);
        vm.assertEq(payer, address(puppet));
        vm.assertEq(token, address(0));
        vm.assertEq(amount, total);
        uint32 id = _create(s);
        vm.assertEq(_word(address(puppet), id), _commitment(s) | bytes32(uint256(PAID)));
        _assertMoney(address(puppet), 5, total);

        for (uint160 i = 1; i <= redundancy; ++i) {
            vm.expectEmit(address(coordinator));
            emit ILedger.Credited(address(i), address(0), fee);
            _deliverBy(address(i), id, 1, s);
            _assertMoney(address(i), fee, 0);
            _assertMoney(address(puppet), 5, total - i * fee);
        }
        vm.assertEq(_word(address(puppet), id), 0);
        vm.prank(address(1));
        coordinator.withdraw(NODE, address(0), fee);
        vm.assertEq(NODE.balance, fee);
    }

    function testFuzz_RevertWhen_TheBalanceIsTooLow(uint128 fee, uint8 redundancy, uint256 missing) public {
        fee = uint128(_bound(fee, 1, type(uint128).max));
        redundancy = uint8(_bound(redundancy, 1, 255));
        uint256 total = uint256(fee) * redundancy;
        uint256 available = total - _bound(missing, 1, total);
        if (available > type(uint128).max) available = type(uint128).max;
        Subscription memory s = _paidTerms(fee);
        s.redundancy = redundancy;
        _fund(address(puppet), available);
        vm.prank(address(puppet));
        vm.expectRevert(
            abi.encodeWithSelector(ILedger.InsufficientBalance.selector, address(puppet), address(0), available, total)
        );
        coordinator.createSubscription(s, CONTAINER, FEATURES);
    }

    function test_PaysInTokens() public {
        Token token = new Token();
        token.mint(address(this), 100);
        token.approve(address(coordinator), 100);
        coordinator.deposit(address(puppet), address(token), 100);
        Subscription memory s = _paidTerms(60);
        s.token = address(token);
        uint32 id = _create(s);
        _deliver(id, 1, s);
        vm.prank(NODE);
        coordinator.withdraw(NODE, address(token), 60);
        vm.assertEq(token.balanceOf(NODE), 60);
        (uint128 free, uint128 locked) = coordinator.balanceOf(address(puppet), address(token));
        vm.assertEq(free, 40);
        vm.assertEq(locked, 0);
        vm.assertEq(_free(NODE), 0);
    }

    /// @dev Reverting refuses the answer: nobody is paid, the slot stays open.
    function test_ARefusedAnswerIsNotPaid() public {
        _fund(address(puppet), FEE);
        Subscription memory s = _paidTerms(FEE);
        uint32 id = _create(s);
        puppet.setMood(Puppet.Mood.Revert);
        vm.expectRevert();
        _deliver(id, 1, s);
        _assertMoney(address(puppet), 0, FEE);
        puppet.setMood(Puppet.Mood.Store);
        _deliverBy(OTHER_NODE, id, 1, s);
        _assertMoney(OTHER_NODE, FEE, 0);
    }

    /// @dev In isolated mode it does not: the node did its work.
    function test_AnIsolatedConsumerPaysAnyway() public {
        _fund(address(puppet), FEE);
        Subscription memory s = _paidTerms(FEE);
        s.mode = 16;
        uint32 id = _create(s);
        puppet.setMood(Puppet.Mood.BurnGas);
        vm.expectEmit(address(coordinator));
        emit ICoordinator.SubscriptionFulfilled(address(puppet), id, NODE, 1, 1, false);
        _deliver(id, 1, s);
        _assertMoney(NODE, FEE, 0);
        vm.assertEq(_word(address(puppet), id), 0);
        vm.assertEq(puppet.count(), 0);
    }

    // --- The deadline

    function test_RevertWhen_ItHasNoDeadline() public {
        Subscription memory s = _paidTerms(FEE);
        s.deadline = 0;
        vm.prank(address(puppet));
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.DeadlineMissing.selector, FEE));
        coordinator.createSubscription(s, CONTAINER, FEATURES);
    }

    function testFuzz_WhatIsUnusedReturnsAfterTheDeadline(uint8 redundancy, uint8 answers, uint40 late) public {
        redundancy = uint8(_bound(redundancy, 1, 6));
        answers = uint8(_bound(answers, 0, redundancy - 1));
        _fund(address(puppet), uint256(FEE) * redundancy);
        Subscription memory s = _paidTerms(FEE);
        s.redundancy = redundancy;
        uint32 id = _create(s);
        for (uint160 i = 1; i <= answers; ++i) {
            _deliverBy(address(i), id, 1, s);
        }

        vm.warp(s.deadline);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.NotExpired.selector, s.deadline, s.deadline));
        coordinator.expire(id, s);
        vm.warp(uint256(s.deadline) + _bound(late, 1, type(uint40).max));
        vm.expectEmit(address(coordinator));
        uint256 refund = uint256(FEE) * (redundancy - answers);
        emit ICoordinator.SubscriptionExpired(address(puppet), id, refund);
        vm.prank(PAYER); // anyone
        coordinator.expire(id, s);

        _assertMoney(address(puppet), refund, 0);
        vm.assertEq(_word(address(puppet), id), 0);
        vm.expectRevert(_notFound(address(puppet), id));
        coordinator.expire(id, s);
        vm.expectRevert(_notFound(address(puppet), id));
        _deliver(id, 1, s);
    }

    function test_AnswersAreTakenUpToTheDeadline() public {
        _fund(address(puppet), 2 * FEE);
        Subscription memory s = _paidTerms(FEE);
        uint32 id = _create(s);
        uint32 other = _create(s);
        vm.warp(s.deadline);
        _deliver(id, 1, s);
        vm.warp(uint256(s.deadline) + 1);
        vm.expectRevert(
            abi.encodeWithSelector(ICoordinator.DeadlinePassed.selector, uint256(s.deadline) + 1, s.deadline)
        );
        _deliver(other, 1, s);
    }

    /// @dev The shortest there is: one second, that of the start, which may be this one.
    function testFuzz_ADeadlineIsNotBeforeTheStart(uint32 ahead) public {
        ahead = uint32(_bound(ahead, 0, 365 days));
        _fund(address(puppet), FEE);
        Subscription memory s = _paidTerms(FEE);
        s.activeAt = s.deadline = uint40(START + ahead);
        uint32 id = _create(s);
        vm.warp(START + ahead);
        _deliver(id, 1, s);
        _assertMoney(NODE, FEE, 0);

        s.activeAt = s.deadline + 1;
        vm.prank(address(puppet));
        vm.expectRevert(
            abi.encodeWithSelector(ICoordinator.DeadlineBeforeStart.selector, s.deadline, uint256(s.deadline) + 1)
        );
        coordinator.createSubscription(s, CONTAINER, FEATURES);
        s.activeAt = s.deadline = uint40(START + ahead - 1);
        vm.prank(address(puppet));
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.DeadlinePassed.selector, START + ahead, s.deadline));
        coordinator.createSubscription(s, CONTAINER, FEATURES);
    }

    function test_RevertWhen_CancelledBeforeTheDeadline() public {
        _fund(address(puppet), FEE);
        uint32 id = _create(_paidTerms(FEE));
        bytes memory reason = abi.encodeWithSelector(ICoordinator.PaidUntilDeadline.selector, address(puppet), id);
        vm.expectRevert(reason);
        puppet.cancel(id);
        vm.warp(START + 2 hours);
        vm.expectRevert(reason);
        puppet.cancel(id);
    }

    function test_AFreeRequestMayHaveADeadline() public {
        Subscription memory s = _terms();
        s.deadline = uint40(START + 10);
        uint32 id = _create(s);
        vm.warp(START + 11);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.DeadlinePassed.selector, START + 11, s.deadline));
        _deliver(id, 1, s);
        coordinator.expire(id, s);
        vm.assertEq(_word(address(puppet), id), 0);
        s.deadline = 0;
        id = _create(s);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.NotExpired.selector, START + 11, FOREVER));
        coordinator.expire(id, s);
    }

    // --- The split

    function _publish(uint16 royaltyBps) private {
        models.claimNamespace("demo");
        models.publish("demo", "digits", "1", IModelRegistry.Publication(keccak256("m"), "uri", CREATOR, royaltyBps));
    }

    function _publishedTerms(uint16 royaltyBps) private view returns (Subscription memory s) {
        s = _paidTerms(FEE);
        s.containerId = keccak256("demo/digits:1");
        (s.royaltyTo, s.royaltyBps) = (CREATOR, royaltyBps);
    }

    function _createPublished(Subscription memory s) private returns (uint32) {
        vm.prank(address(puppet));
        return coordinator.createSubscription(s, "demo/digits:1", FEATURES);
    }

    function testFuzz_TheSharesAreTheFee(uint128 fee, uint16 royaltyBps, uint16 protocolBps, uint96 verifierFee)
        public
    {
        protocolBps = uint16(_bound(protocolBps, 1, 500));
        royaltyBps = uint16(_bound(royaltyBps, 1, 9500));
        coordinator = _deployWith(protocolBps, PROTOCOL);
        puppet = _puppet();
        fee = uint128(_bound(fee, 1, type(uint128).max));
        uint256 creator = uint256(fee) * royaltyBps / 10_000;
        uint256 protocol = uint256(fee) * protocolBps / 10_000;
        Oracle oracle = new Oracle();
        Subscription memory s = _paidTerms(fee);
        (s.royaltyTo, s.royaltyBps, s.verifier) = (CREATOR, royaltyBps, address(oracle));
        s.verifierFee = uint96(_bound(verifierFee, 0, fee - creator - protocol));
        _fund(address(puppet), fee);
        uint32 id = _create(s);
        _deliver(id, 1, s);

        vm.assertEq(_free(CREATOR), creator);
        vm.assertEq(_free(PROTOCOL), protocol);
        vm.assertEq(_free(address(oracle)), s.verifierFee);
        vm.assertEq(_free(NODE), fee - creator - protocol - s.verifierFee);
        _assertMoney(address(puppet), 0, 0);
        (uint256 a, uint256 b, uint256 c, uint256 d) = coordinator.quoteAnswer(s);
        vm.assertEq(a, _free(NODE));
        vm.assertEq(b, creator);
        vm.assertEq(c, s.verifierFee);
        vm.assertEq(d, protocol);
    }

    function test_RevertWhen_TheSharesExceedTheFee() public {
        coordinator = _deployWith(500, PROTOCOL);
        puppet = _puppet();
        Subscription memory s = _paidTerms(1000);
        (s.royaltyTo, s.royaltyBps, s.verifier, s.verifierFee) = (CREATOR, 9000, address(new Oracle()), 51);
        vm.prank(address(puppet));
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.FeeTooLow.selector, uint128(1000), 900 + 51 + 50));
        coordinator.createSubscription(s, CONTAINER, FEATURES);
        s.verifierFee = 50;
        _fund(address(puppet), 1000);
        uint32 id = _create(s);
        _deliver(id, 1, s);
        vm.assertEq(_free(NODE), 0);
    }

    function test_TheCreatorsTermsAreKept() public {
        _publish(1000);
        _fund(address(puppet), 10 * FEE);
        Subscription memory s = _publishedTerms(1000);
        uint32 id = _createPublished(s);
        // The creator may change whom later subscriptions pay, not this one.
        models.setRoyaltyTo("demo", "digits", "1", PAYER);
        vm.prank(NODE);
        coordinator.deliverModelOutput(id, 1, s, OUTPUT, PROOF);
        vm.assertEq(_free(CREATOR), FEE / 10);
        vm.assertEq(_free(NODE), FEE - FEE / 10);
        _assertTotal();
    }

    function _expectRoyalty(Subscription memory s, address to, uint16 bps) private {
        vm.prank(address(puppet));
        vm.expectRevert(
            abi.encodeWithSelector(ICoordinator.RoyaltyMismatch.selector, s.royaltyTo, s.royaltyBps, to, bps)
        );
        coordinator.createSubscription(s, "demo/digits:1", FEATURES);
    }

    function testFuzz_RevertWhen_TheCreatorGetsLess(uint16 given) public {
        _publish(1000);
        _fund(address(puppet), FEE);
        Subscription memory s = _publishedTerms(uint16(_bound(given, 1, 999)));
        _expectRoyalty(s, CREATOR, 1000);
        (s.royaltyTo, s.royaltyBps) = (address(0), 0);
        _expectRoyalty(s, CREATOR, 1000);
        (s.royaltyTo, s.royaltyBps) = (PAYER, 1000);
        _expectRoyalty(s, CREATOR, 1000);
        (s.royaltyTo, s.royaltyBps) = (CREATOR, 1001); // more is welcome
        _createPublished(s);
    }

    function test_RevertWhen_ARoyaltyGoesNowhere() public {
        _fund(address(puppet), FEE);
        Subscription memory s = _publishedTerms(1000); // not published
        s.royaltyTo = address(0);
        _expectRoyalty(s, address(0), 0);
        (s.royaltyTo, s.royaltyBps) = (CREATOR, 0);
        _expectRoyalty(s, address(0), 0);
    }

    function test_AFreeRequestOwesTheCreatorNothing() public {
        _publish(1000);
        Subscription memory s = _publishedTerms(0);
        (s.royaltyTo, s.fee, s.deadline) = (address(0), 0, 0);
        uint32 id = _createPublished(s);
        _deliver(id, 1, s);
        vm.assertEq(puppet.count(), 1);
    }

    function test_RevertWhen_TheProtocolTakesTooMuch() public {
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.InvalidProtocolShare.selector, 501, PROTOCOL));
        this.deployWith(501, PROTOCOL);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.InvalidProtocolShare.selector, 1, address(0)));
        this.deployWith(1, address(0));
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.InvalidProtocolShare.selector, 0, PROTOCOL));
        this.deployWith(0, PROTOCOL);
    }

    function deployWith(uint16 bps, address to) external {
        _deployWith(bps, to);
    }

    // --- Payers

    function _payerTerms() private view returns (Subscription memory s) {
        s = _paidTerms(FEE);
        s.payer = PAYER;
    }

    function test_APayerPays() public {
        _fund(PAYER, 3 * FEE);
        vm.prank(PAYER);
        coordinator.allow(address(puppet), address(0), 2 * FEE);
        Subscription memory s = _payerTerms();
        uint32 id = _create(s);
        vm.assertEq(coordinator.allowance(PAYER, address(puppet), address(0)), FEE);
        _assertMoney(PAYER, 2 * FEE, FEE);

        // Neither emptying the balance nor taking the allowance back touches what is locked.
        vm.prank(PAYER);
        coordinator.allow(address(puppet), address(0), 0);
        vm.prank(PAYER);
        coordinator.withdraw(PAYER, address(0), 2 * FEE);
        vm.prank(PAYER);
        vm.expectRevert(abi.encodeWithSelector(ILedger.InsufficientBalance.selector, PAYER, address(0), 0, 1));
        coordinator.withdraw(PAYER, address(0), 1);
        _deliver(id, 1, s);
        _assertMoney(NODE, FEE, 0);
        _assertMoney(PAYER, 0, 0);
    }

    function testFuzz_RevertWhen_ThePayerAllowsLess(uint128 allowed) public {
        allowed = uint128(_bound(allowed, 0, FEE - 1));
        _fund(PAYER, 3 * FEE);
        vm.prank(PAYER);
        coordinator.allow(address(puppet), address(0), allowed);
        Subscription memory s = _payerTerms();
        vm.prank(address(puppet));
        vm.expectRevert(
            abi.encodeWithSelector(
                ILedger.InsufficientAllowance.selector, PAYER, address(puppet), address(0), allowed, FEE
            )
        );
        coordinator.createSubscription(s, CONTAINER, FEATURES);
    }

    function test_AnUnlimitedAllowanceStays() public {
        _fund(PAYER, 2 * FEE);
        vm.prank(PAYER);
        coordinator.allow(address(puppet), address(0), type(uint128).max);
        _create(_payerTerms());
        vm.assertEq(coordinator.allowance(PAYER, address(puppet), address(0)), type(uint128).max);
    }

    function test_TheRefundIsThePayers() public {
        _fund(PAYER, FEE);
        vm.prank(PAYER);
        coordinator.allow(address(puppet), address(0), FEE);
        Subscription memory s = _payerTerms();
        uint32 id = _create(s);
        vm.warp(uint256(s.deadline) + 1);
        coordinator.expire(id, s);
        _assertMoney(PAYER, FEE, 0);
        _assertMoney(address(puppet), 0, 0);
    }

    function test_AnotherCannotUseAPayersMoney() public {
        _fund(PAYER, FEE);
        vm.prank(PAYER);
        coordinator.allow(address(puppet), address(0), FEE);
        Subscription memory s = _payerTerms();
        s.owner = NODE;
        vm.prank(NODE);
        vm.expectRevert(abi.encodeWithSelector(ILedger.InsufficientAllowance.selector, PAYER, NODE, address(0), 0, FEE));
        coordinator.createSubscription(s, CONTAINER, FEATURES);
    }

    // --- Delegated

    function test_ADelegatedRequestIsPaidAtOnce() public {
        _fund(address(puppet), FEE);
        DelegateRequest memory r = _request(5, _paidTerms(FEE));
        _deliverDelegate(r, 1);
        _assertMoney(NODE, FEE, 0);
        _assertMoney(address(puppet), 0, 0);
    }

    function test_ADelegatedRequestLocksWhenItIsCreated() public {
        _fund(address(puppet), FEE);
        DelegateRequest memory r = _request(5, _paidTerms(FEE));
        uint32 id = _createDelegate(r);
        _assertMoney(address(puppet), 0, FEE);
        vm.prank(address(puppet));
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.PaidUntilDeadline.selector, address(puppet), id));
        coordinator.cancelSubscription(id);
        _createDelegate(r); // locks nothing again
        _assertMoney(address(puppet), 0, FEE);
        _deliverDelegate(r, 1);
        _assertMoney(NODE, FEE, 0);
        _assertMoney(address(puppet), 0, 0);
    }

    function test_RevertWhen_ADelegatedRequestIsNotCovered() public {
        _fund(address(puppet), FEE - 1);
        DelegateRequest memory r = _request(5, _paidTerms(FEE));
        bytes memory reason =
            abi.encodeWithSelector(ILedger.InsufficientBalance.selector, address(puppet), address(0), FEE - 1, FEE);
        vm.expectRevert(reason);
        _createDelegate(r);
        vm.expectRevert(reason);
        _deliverDelegate(r, 1);
        vm.assertFalse(coordinator.isNonceUsed(address(puppet), 5));
    }

    function test_AnExpiredDelegatedRequestNeverReturns() public {
        _fund(address(puppet), 2 * FEE);
        Subscription memory s = _paidTerms(FEE);
        DelegateRequest memory r = _request(5, s);
        uint32 id = _createDelegate(r);
        vm.warp(uint256(s.deadline) + 1);
        coordinator.expire(id, s);
        vm.expectRevert(abi.encodeWithSignature("NonceUsed(address,uint32)", address(puppet), 5));
        _createDelegate(r);
        _assertMoney(address(puppet), 2 * FEE, 0);
    }

    // --- Inside the callback

    /// @dev It may ask a paid question; its money is what the delivery has left it.
    function test_ACallbackAsksAPaidQuestion() public {
        _fund(address(puppet), 3 * FEE);
        Subscription memory s = _paidRecurring(FOREVER, 1, FEE);
        uint32 id = _create(s);
        puppet.setScript(_createCall(_paidTerms(FEE)));
        _deliver(id, 1, s);
        vm.assertTrue(puppet.scriptOk());
        _assertMoney(address(puppet), 0, 2 * FEE);
        vm.warp(START + 60);
        _deliver(id, 2, s); // cannot be topped up now
        vm.assertEq(_flags(id), PAID | RECURRING | PAUSED);
        vm.assertFalse(puppet.scriptOk());
        _assertMoney(address(puppet), 0, FEE);
        _assertTotal();
    }

    /// @dev What it asked goes with the callback where that fails, and the lock is free for the next delivery.
    function test_AFailingCallbackLeavesNoLock() public {
        _fund(address(puppet), 2 * FEE);
        Subscription memory s = _paidTerms(FEE);
        s.mode = 16;
        s.maxGasLimit = overhead + 60_000; // enough to ask, not to store what came
        uint32 id = _create(s);
        puppet.setScript(_createCall(_paidTerms(FEE)));
        _deliver(id, 1, s);
        vm.assertEq(puppet.count(), 0);
        _assertMoney(address(puppet), FEE, 0);
        vm.assertEq(coordinator.lastId(), id);
    }

    /// @dev It cannot move money out: what pays for the next one is counted before and after.
    function test_MoneyIsLockedInACallback() public {
        _fund(address(puppet), 3 * FEE);
        Subscription memory paused = _paidRecurring(FOREVER, 1, FEE);
        uint32 id = _create(paused);
        Subscription memory s = _paidTerms(FEE);
        bytes[6] memory scripts = [
            abi.encodeCall(ILedger.withdraw, (NODE, address(0), 1)),
            abi.encodeCall(ILedger.deposit, (NODE, address(0), 0)),
            abi.encodeCall(ILedger.allow, (NODE, address(0), 1)),
            abi.encodeCall(ICoordinator.expire, (id, paused)),
            abi.encodeCall(ICoordinator.fund, (id, paused)),
            abi.encodeCall(ICoordinator.deliverModelOutputs, (new bytes[](0)))
        ];
        for (uint256 i; i < scripts.length; ++i) {
            _fund(address(puppet), FEE);
            uint32 other = _create(s);
            puppet.setScript(scripts[i]);
            _deliver(other, 1, s);
            vm.assertFalse(puppet.scriptOk());
            vm.assertEq(puppet.scriptResult(), abi.encodeWithSelector(ICoordinator.Reentered.selector));
        }
    }

    function _createCall(Subscription memory s) private pure returns (bytes memory) {
        return abi.encodeWithSignature(
            "createSubscription((address,bytes32,bytes32,uint256,uint32,uint40,uint16,uint48,uint32,uint8,address,uint96,address,bytes32,uint96,address,address,uint128,address,uint16,uint40),string,bytes)",
            s,
            CONTAINER,
            FEATURES
        );
    }

    // --- Terms that lock money for too long

    function test_RevertWhen_MoneyWouldBeLockedForTooLong() public {
        _fund(address(puppet), 10 * FEE);
        uint256 latest = START + 365 days;
        Subscription memory s = _paidTerms(FEE);
        s.deadline = uint40(latest + 1);
        _expect(s, abi.encodeWithSelector(ICoordinator.TooFarAhead.selector, "deadline", latest + 1, latest));
        s = _paidRecurring(FOREVER, 1, FEE);
        s.activeAt = uint40(latest + 1);
        _expect(s, abi.encodeWithSelector(ICoordinator.TooFarAhead.selector, "activeAt", latest + 1, latest));
        s = _paidRecurring(FOREVER, 1, FEE);
        s.period = uint32(365 days + 1);
        _expect(s, abi.encodeWithSelector(ICoordinator.TooFarAhead.selector, "period", 365 days + 1, 365 days));
        s = _paidRecurring(FOREVER, 1, FEE);
        (s.activeAt, s.period) = (uint40(latest), 365 days);
        _create(s);
        s = _paidTerms(FEE);
        s.deadline = uint40(latest);
        _create(s);
    }

    function testFuzz_RevertWhen_AVerifiersFeeIsNobodys(uint96 verifierFee) public {
        Subscription memory s = _paidTerms(type(uint128).max);
        s.verifierFee = uint96(_bound(verifierFee, 1, type(uint96).max));
        _expect(s, abi.encodeWithSelector(ICoordinator.NeedsVerifier.selector, "verifierFee", s.verifierFee));
    }

    function test_RevertWhen_TheTokenHasNoCode() public {
        Subscription memory s = _paidTerms(FEE);
        s.token = address(0x7070);
        _expect(s, abi.encodeWithSelector(ILedger.TokenWithoutCode.selector, s.token));
    }

    function _expect(Subscription memory s, bytes memory reason) private {
        vm.prank(address(puppet));
        vm.expectRevert(reason);
        coordinator.createSubscription(s, CONTAINER, FEATURES);
    }
}
