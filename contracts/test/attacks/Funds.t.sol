// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICoordinator} from "../../src/interfaces/ICoordinator.sol";
import {IEIP712Coordinator} from "../../src/interfaces/IEIP712Coordinator.sol";
import {ILedger} from "../../src/interfaces/ILedger.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {Verdict} from "../../src/interfaces/IVerifier.sol";
import {Answer, Subscription} from "../../src/Subscription.sol";
import {Oracle} from "../Mocks.sol";
import {AttackBase} from "./AttackBase.sol";

/// @dev A payer empties, un-allows or cancels after the node computed; a verifier, a creator or the protocol raises its
/// fee between simulation and inclusion; a request that never expires; a refund with a forged struct; `msg.value`
/// counted twice in a multicall; payers that are their own nodes; ether that nobody deposited.
contract FundsAttacks is AttackBase {
    string private constant MODEL = "demo/digits:1";
    string private constant LATEST = "demo/digits@latest";

    // --- A payer that does not want to pay

    /// @dev Everything that could make the payment fail, between the node's work and its delivery.
    function _dodge(uint32 id, Subscription memory s) private {
        uint256 free = _free(PAYER);
        vm.prank(PAYER);
        coordinator.withdraw(PAYER, address(0), free);
        _refused(PAYER, abi.encodeCall(ILedger.withdraw, (PAYER, address(0), 1)), ILedger.InsufficientBalance.selector);
        vm.prank(PAYER);
        coordinator.allow(address(puppet), address(0), 0);
        _refused(PAYER, _call(ICoordinator.expire.selector, id, s), ICoordinator.NotExpired.selector);
    }

    function test_Attack_PayerEmptiesAndCancelsAfterTheNodeComputed() public {
        Subscription memory s = _paid();
        uint32 id = _create(s);
        _dodge(id, s);
        bytes4 reason = ICoordinator.PaidUntilDeadline.selector;
        _refused(PAYER, _call(ICoordinator.cancelSubscriptionAsPayer.selector, id, s), reason);
        _refused(s.owner, abi.encodeCall(ICoordinator.cancelSubscription, (id)), reason);
        _assertStillAnswered(_books(), id, s);
    }

    /// @dev Of an interval that has begun all answers are paid, whenever in it the payer or the owner stops.
    function testFuzz_Attack_PayerCancelsAnIntervalThatHasBegun(uint256 moment, bool byOwner, bool between) public {
        Subscription memory s = _paidEachMinute(FOREVER, 2);
        uint32 id = _create(s);
        if (between) _deliver(id, 1, s);
        vm.warp(START + _bound(moment, 0, 59));
        _dodge(id, s);
        vm.prank(byOwner ? s.owner : PAYER);
        if (byOwner) coordinator.cancelSubscription(id);
        else coordinator.cancelSubscriptionAsPayer(id, s);
        _refused(PAYER, _call(ICoordinator.expire.selector, id, s), ICoordinator.NotExpired.selector);

        Books memory books = _books();
        if (!between) {
            _deliver(id, 1, s);
            _expectPaid(books, s, NODE);
        }
        _deliverBy(OTHER_NODE, id, 1, s);
        _expectPaid(books, s, OTHER_NODE);
        _assertBooks(books);

        // It gets back what no interval needs any more, and pays for no other.
        coordinator.expire(id, s);
        _expectReleased(books, PAYER, between ? FEE : 0);
        _assertBooks(books);
        _refused(NODE, _delivery(id, s), ICoordinator.SubscriptionNotFound.selector);
    }

    /// @dev Without cancelling: what has begun is paid, and nobody is asked to work for what is not.
    function testFuzz_Attack_PayerEmptiesBetweenTheAnswersOfAnInterval(uint256 answers) public {
        answers = _bound(answers, 0, 3);
        Subscription memory s = _paidEachMinute(FOREVER, 3);
        uint32 id = _create(s);
        Books memory books = _books();
        for (uint160 i = 1; i <= 3; ++i) {
            cast.push(address(i));
        }
        books = _books();
        for (uint160 i = 1; i <= 3; ++i) {
            if (i > answers && _free(PAYER) != 0) {
                _dodge(id, s);
                books = _books();
            }
            uint256 toppedUp = _free(PAYER) == 0 ? 0 : FEE;
            _deliverBy(address(i), id, 1, s);
            _expectLocked(books, PAYER, toppedUp);
            _expectPaid(books, s, address(i));
            _assertBooks(books);
        }
        if (answers == 3) return;
        vm.warp(START + 60);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.IntervalNotFunded.selector, 2, 1));
        _deliver(id, 2, s);
        _assertBooks(books);
    }

    // --- Fees that rise between simulation and inclusion

    /// @dev Neither by terms of its own nor from within the call that asks it.
    function testFuzz_Attack_VerifierRaisesItsFeeBeforeInclusion(uint96 raised) public {
        raised = uint96(_bound(raised, 1, type(uint96).max));
        vm.assume(raised != VERIFIER_FEE);
        Subscription memory s = _judged();
        uint32 id = _create(s);
        Books memory books = _books();

        oracle.setScript(address(coordinator), abi.encodeCall(ILedger.withdraw, (ATTACKER, address(0), raised)));
        s.verifierFee = raised;
        _refused(NODE, _delivery(id, s), ICoordinator.TermsMismatch.selector);
        _refused(address(oracle), _delivery(id, s), ICoordinator.TermsMismatch.selector);
        _assertBooks(books);
        s.verifierFee = VERIFIER_FEE;
        _assertStillAnswered(books, id, s);
        vm.assertFalse(oracle.scriptOk());
    }

    /// @dev The creator moves its alias to a dearer version and its payout to another account.
    function test_Attack_CreatorRaisesItsShareBeforeInclusion() public {
        _publish("1", ROYALTY_BPS);
        models.setAlias("demo", "digits", "latest", "1");
        Subscription memory s = _paid();
        s.containerId = keccak256(bytes(LATEST));
        vm.prank(s.owner);
        uint32 id = coordinator.createSubscription(s, LATEST, FEATURES);
        Books memory books = _books();

        _publish("2", 5_000);
        models.setAlias("demo", "digits", "latest", "2");
        models.setRoyaltyTo("demo", "digits", "1", ATTACKER);
        models.setRoyaltyTo("demo", "digits", "2", ATTACKER);
        models.setPrice("demo", "digits", "1", address(0), 100 ether);
        _assertStillAnswered(books, id, s);

        // What was not created before costs what it says, or is not created.
        vm.prank(s.owner);
        vm.expectRevert(
            abi.encodeWithSelector(ICoordinator.RoyaltyMismatch.selector, CREATOR, ROYALTY_BPS, ATTACKER, 5_000)
        );
        coordinator.createSubscription(s, LATEST, FEATURES);
        _assertBooks(books);
    }

    /// @dev The mirror image: the consumer leaves out, lowers or redirects what the creator asks for.
    function testFuzz_Attack_ConsumerPaysTheCreatorLess(uint16 bps, bool redirected) public {
        _publish("1", ROYALTY_BPS);
        Subscription memory s = _paid();
        s.containerId = keccak256(bytes(MODEL));
        s.royaltyBps = uint16(_bound(bps, 0, redirected ? 9_900 : ROYALTY_BPS - 1));
        if (redirected) s.royaltyTo = ATTACKER;
        if (s.royaltyBps == 0) s.royaltyTo = address(0);
        Books memory books = _books();
        vm.prank(s.owner);
        vm.expectPartialRevert(ICoordinator.RoyaltyMismatch.selector);
        coordinator.createSubscription(s, MODEL, FEATURES);
        _assertBooks(books);
    }

    /// @dev Not defended: the registry knows single containers. A chain is a name of its own, to which no creator's terms
    /// apply: nodes decide what they serve.
    function test_Documented_AChainOfContainersOwesNoRoyalty() public {
        _publish("1", ROYALTY_BPS);
        string memory chain = string.concat(MODEL, ",labels");
        Subscription memory s = _paid();
        (s.containerId, s.royaltyTo, s.royaltyBps) = (keccak256(bytes(chain)), address(0), 0);
        vm.prank(s.owner);
        uint32 id = coordinator.createSubscription(s, chain, FEATURES);
        _assertStillAnswered(_books(), id, s);
    }

    /// @dev The share is part of the code; whoever is paid by it, and whoever deployed it, has no other way in.
    function test_Attack_ProtocolRaisesItsShareBeforeInclusion() public {
        Subscription memory s = _paid();
        uint32 id = _create(s);
        Books memory books = _books();
        string[6] memory doors = [
            "setProtocolShare(uint16)",
            "setProtocolTo(address)",
            "transferOwnership(address)",
            "upgradeTo(address)",
            "pause()",
            "initialize(address,address,uint16,address)"
        ];
        for (uint256 i; i < doors.length; ++i) {
            bytes memory data = abi.encodeWithSignature(doors[i], 500, PROTOCOL, 500, PROTOCOL);
            _refused(PROTOCOL, data, bytes4(0));
            _refused(address(this), data, bytes4(0));
        }
        IEIP712Coordinator dearer = _deployWith(500, PROTOCOL);
        _refused(NODE, address(dearer), _delivery(id, s), ICoordinator.SubscriptionNotFound.selector);
        _assertStillAnswered(books, id, s);
    }

    /// @dev Not defended: a verifier says who shares the node's part, and says so at the delivery. Creator, protocol and
    /// payer lose nothing by it; a node serves only verifiers whose code it knows.
    function test_Documented_AnUnknownVerifierMayGiveTheNodesPartAway() public {
        Subscription memory s = _judged();
        uint32 id = _create(s);
        address[] memory payees = new address[](1);
        payees[0] = ATTACKER;
        oracle.setPayees(payees);
        Books memory books = _books();
        _deliver(id, 1, s);
        _expectPaid(books, s, ATTACKER);
        _assertBooks(books);
    }

    function _publish(string memory version, uint16 bps) private {
        (address owner,) = models.getNamespace("demo");
        if (owner == address(0)) models.claimNamespace("demo");
        models.publish("demo", "digits", version, IModelRegistry.Publication(keccak256("m"), "uri", CREATOR, bps));
    }

    // --- Requests that never expire

    /// @dev Any terms at all: what was locked is answered, or it is the payer's again within two years.
    function testFuzz_Attack_ARequestThatNeverExpires(
        uint256 frequency,
        uint32 period,
        uint40 activeAt,
        uint40 deadline,
        uint16 redundancy
    ) public {
        Subscription memory s = _paid();
        s.frequency = frequency % 2 == 0 ? 1 : frequency;
        (s.period, s.activeAt, s.deadline) = (period % 500 days, activeAt, deadline);
        if (activeAt % 8 != 0) s.activeAt = uint40(START + activeAt % 400 days);
        if (deadline % 8 != 0) s.deadline = s.frequency == 1 ? s.activeAt + deadline % 100 days : 0;
        s.redundancy = uint16(_bound(redundancy, 1, 100));
        Books memory before = _books();
        vm.prank(s.owner);
        try coordinator.createSubscription(s, CONTAINER, FEATURES) returns (uint32 id) {
            vm.assertEq(_locked(PAYER), uint256(FEE) * s.redundancy);
            if (s.frequency > 1) {
                vm.prank(PAYER);
                coordinator.cancelSubscriptionAsPayer(id, s);
            }
            vm.warp(START + 2 * 365 days + 1);
            vm.prank(ATTACKER);
            coordinator.expire(id, s);
        } catch {}
        _assertBooks(before);
    }

    /// @dev The owner never cancels and the verifier never decides, whatever it does instead.
    function test_Attack_AVerifierThatNeverDecidesKeepsTheMoney() public {
        for (uint8 mood; mood < 7; ++mood) {
            vm.warp(START);
            Subscription memory s = _judged();
            oracle.setMood(Oracle.Mood.Answer);
            oracle.set(Verdict.Pending, UNTIL);
            Books memory before = _books();
            uint32 id = _create(s);
            _deliver(id, 1, s);
            Answer memory a = Answer(id, 1, 1, NODE, UNTIL, keccak256(FEATURES));

            oracle.setMood(Oracle.Mood(mood));
            vm.warp(UNTIL);
            bytes memory settle = abi.encodeCall(ICoordinator.settle, (a, s, OUTPUT, PROOF));
            (bool ok, bytes memory result) = address(coordinator).call{gas: 10_000_000}(settle);
            vm.assertFalse(ok);
            vm.assertEq(bytes32(bytes4(result)), bytes32(ICoordinator.StillPending.selector));
            vm.warp(uint256(UNTIL) + 1);
            vm.prank(ATTACKER);
            (ok,) = address(coordinator).call{gas: 10_000_000}(settle);
            vm.assertTrue(ok);
            _assertBooks(before);
        }
    }

    // --- Forged structs

    /// @dev One bit of one word of the terms, in each call that moves locked money.
    function testFuzz_Attack_RefundWithAForgedStruct(uint256 field, uint256 bit) public {
        field = _bound(field, 0, 20);
        Subscription memory ending = _paid();
        uint32 over = _create(ending);
        Subscription memory poor = _paidEachMinute(FOREVER, 1);
        poor.payer = address(0);
        _fund(address(puppet), FEE);
        uint32 paused = _create(poor);
        _deliver(paused, 1, poor);
        _fund(address(puppet), FEE);
        Subscription memory pending = _judged();
        oracle.set(Verdict.Pending, UNTIL);
        uint32 waiting = _create(pending);
        _deliver(waiting, 1, pending);
        oracle.set(Verdict.Invalid, 0);
        vm.warp(uint256(ending.deadline) + 1);

        Answer memory a = Answer(waiting, 1, 1, NODE, UNTIL, keccak256(FEATURES));
        bytes memory settle = abi.encodeCall(ICoordinator.settle, (a, pending, OUTPUT, PROOF));
        bytes[4] memory calls = [
            _call(ICoordinator.expire.selector, over, ending),
            _call(ICoordinator.fund.selector, paused, poor),
            _call(ICoordinator.cancelSubscriptionAsPayer.selector, paused, poor),
            settle
        ];
        Books memory books = _books();
        for (uint256 i; i < 4; ++i) {
            bytes memory forged = _flipped(calls[i], i == 3 ? 6 + field : 1 + field, bit);
            vm.prank(i == 2 ? address(puppet) : ATTACKER);
            (bool ok,) = address(coordinator).call(forged);
            vm.assertFalse(ok, "forged terms were taken");
        }
        _assertBooks(books);

        // As they are, they are good.
        for (uint256 i; i < 4; ++i) {
            vm.prank(i == 2 ? address(puppet) : ATTACKER);
            (bool ok,) = address(coordinator).call(calls[i]);
            vm.assertTrue(ok);
        }
        _expectReleased(books, PAYER, 2 * FEE);
        _expectLocked(books, address(puppet), FEE);
        _assertBooks(books);
    }

    /// @dev A refund of what was paid out, of what is somebody else's, and twice.
    function test_Attack_RefundTwiceOrOfWhatWasAnswered() public {
        Subscription memory s = _paid();
        s.redundancy = 2;
        uint32 id = _create(s);
        _create(s); // another's money lies beside it
        _deliver(id, 1, s);
        vm.warp(uint256(s.deadline) + 1);
        Books memory books = _books();
        bytes memory expire = _call(ICoordinator.expire.selector, id, s);
        bytes[] memory twice = new bytes[](2);
        (twice[0], twice[1]) = (expire, expire);
        bytes4 gone = ICoordinator.SubscriptionNotFound.selector;
        _refused(PAYER, abi.encodeCall(ICoordinator.multicall, (twice)), gone);
        _refused(PAYER, abi.encodeCall(ICoordinator.deliverModelOutputs, (twice)), ICoordinator.NotADelivery.selector);
        _assertBooks(books);
        vm.prank(PAYER);
        coordinator.expire(id, s);
        _refused(PAYER, expire, gone);
        _expectReleased(books, PAYER, FEE);
        _assertBooks(books);
    }

    // --- msg.value in a multicall

    function testFuzz_Attack_ValueCountedTwiceInAMulticall(uint256 amount, uint8 times) public {
        amount = _bound(amount, 1, 50 ether);
        bytes[] memory calls = new bytes[](_bound(times, 2, 10));
        for (uint256 i; i < calls.length; ++i) {
            calls[i] = abi.encodeCall(ILedger.deposit, (ATTACKER, address(0), amount));
        }
        vm.deal(ATTACKER, amount);
        Books memory books = _books();
        bytes memory batch = abi.encodeCall(ICoordinator.multicall, (calls));
        vm.prank(ATTACKER);
        (bool ok,) = address(coordinator).call{value: amount}(batch);
        vm.assertFalse(ok, "multicall took ether");
        _refused(ATTACKER, batch, ILedger.WrongValue.selector);
        batch = abi.encodeCall(ICoordinator.deliverModelOutputs, (calls));
        vm.prank(ATTACKER);
        (ok,) = address(coordinator).call{value: amount}(batch);
        vm.assertFalse(ok, "a batch took ether");
        _refused(ATTACKER, batch, ICoordinator.NotADelivery.selector);
        _assertBooks(books);
    }

    // --- More of our own

    /// @dev Owner, payer, node, creator and verifier in one: it pays itself what it had, less the protocol's share.
    function testFuzz_Attack_PayerIsItsOwnNodeAndCreator(uint128 fee, uint16 royaltyBps) public {
        fee = uint128(_bound(fee, 1, 50 ether));
        royaltyBps = uint16(_bound(royaltyBps, 1, 10_000 - PROTOCOL_BPS));
        address self = address(puppet);
        _fund(self, fee);
        Subscription memory s = _paidTerms(fee);
        (s.node, s.payer, s.royaltyTo, s.royaltyBps) = (self, self, self, royaltyBps);
        uint32 id = _create(s);
        Books memory books = _books();
        _deliverBy(self, id, 1, s);
        _expectPaid(books, s, self);
        _assertBooks(books);
        vm.assertLe(_free(self), fee);
    }

    /// @dev Ether that came without a deposit is nobody's; it cannot be had by depositing nothing.
    function test_Attack_EtherThatWasForcedInIsWithdrawn() public {
        vm.deal(address(coordinator), address(coordinator).balance + 5 ether);
        Books memory books = _books();
        bytes4 short = ILedger.InsufficientBalance.selector;
        _refused(ATTACKER, abi.encodeCall(ILedger.withdraw, (ATTACKER, address(0), 1)), short);
        _refused(
            ATTACKER, abi.encodeCall(ILedger.deposit, (ATTACKER, address(0), 5 ether)), ILedger.WrongValue.selector
        );
        bytes memory own = abi.encodeCall(ILedger.deposit, (address(coordinator), address(0), 0));
        _refused(ATTACKER, own, ILedger.InvalidAccount.selector);
        uint256 free = _free(PAYER);
        _refused(PAYER, abi.encodeCall(ILedger.withdraw, (PAYER, address(0), free + 1)), short);
        _assertBooks(books);
    }
}
