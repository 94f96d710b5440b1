// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICoordinator} from "../../src/interfaces/ICoordinator.sol";
import {IEIP712Coordinator} from "../../src/interfaces/IEIP712Coordinator.sol";
import {ILedger} from "../../src/interfaces/ILedger.sol";
import {DelegateRequest, Subscription} from "../../src/Subscription.sol";
import {Token} from "../Mocks.sol";
import {AttackBase} from "./AttackBase.sol";

/// @dev Fee arithmetic at the edges; timestamps at their limits; ids or nonces that wrap; struct fields with more bits
/// than they have.
contract BoundAttacks is AttackBase {
    uint256 private constant FITS = type(uint128).max;

    /// @dev The payer of the other tests makes room for sums at the limit.
    function _empty() private {
        uint256 free = _free(PAYER);
        vm.prank(PAYER);
        coordinator.withdraw(PAYER, address(0), free);
    }

    function _edge(uint256 seed, uint256 value) private pure returns (uint128) {
        uint128[10] memory edges = [1, 2, 99, 100, 9_999, 10_000, 10_001, 2 ** 127, uint128(FITS) - 1, uint128(FITS)];
        return seed % 2 == 0 ? uint128(_bound(value, 1, FITS)) : edges[seed / 2 % 10];
    }

    // --- Fees

    /// @dev Shares of more than the fee are refused; any others add up to it, to the last wei.
    function testFuzz_Attack_FeeSharesAtTheEdges(uint256 seed, uint128 value, uint16 royaltyBps, uint96 verifierFee)
        public
    {
        _empty();
        Subscription memory s = _judged();
        s.fee = _edge(seed, value);
        s.payer = address(0);
        s.royaltyBps = seed % 3 == 0 ? royaltyBps : royaltyBps % 10_000;
        if (s.royaltyBps == 0) s.royaltyTo = address(0);
        s.verifierFee = seed % 5 == 0 ? verifierFee : uint96(verifierFee % (uint256(s.fee) / 50 + 1));
        _fund(s.owner, s.fee);
        Books memory books = _books();

        uint256 others = uint256(s.fee) * s.royaltyBps / 10_000 + s.verifierFee + uint256(s.fee) * PROTOCOL_BPS / 10_000;
        if (others > s.fee) {
            vm.prank(s.owner);
            vm.expectRevert(abi.encodeWithSelector(ICoordinator.FeeTooLow.selector, s.fee, others));
            coordinator.createSubscription(s, CONTAINER, FEATURES);
            return _assertBooks(books);
        }
        uint32 id = _create(s);
        _expectLocked(books, s.owner, s.fee);
        _assertBooks(books);
        _assertStillAnswered(books, id, s);
    }

    /// @dev fee · redundancy, cut to 128 bits, would be next to nothing.
    function testFuzz_Attack_FeeTimesRedundancyWraps(uint16 redundancy, uint64 rest, bool recurring, bool byPayer)
        public
    {
        redundancy = uint16(_bound(redundancy, 2, type(uint16).max));
        Subscription memory s = recurring ? _paidEachMinute(FOREVER, redundancy) : _paid();
        s.redundancy = redundancy;
        s.fee = uint128((FITS + redundancy) / redundancy + rest % 1000);
        if (!byPayer) s.payer = address(0);
        uint256 total = uint256(s.fee) * redundancy;
        vm.assertGt(total, FITS);
        _fund(s.owner, 1 ether);
        Books memory books = _books();
        (,, uint256 quote) = coordinator.quoteSubscription(s);
        vm.assertEq(quote, total);
        address payer = byPayer ? PAYER : s.owner;
        uint256 free = _free(payer);
        vm.prank(s.owner);
        vm.expectRevert(abi.encodeWithSelector(ILedger.InsufficientBalance.selector, payer, address(0), free, total));
        coordinator.createSubscription(s, CONTAINER, FEATURES);
        _assertBooks(books);
    }

    /// @dev Amounts of more than 128 bits, in and out.
    function testFuzz_Attack_AmountsWrap(uint256 amount) public {
        amount = _bound(amount, FITS + 1, type(uint256).max / 2);
        address token = vm.deployCode("Mocks.sol:Token");
        Token(token).mint(ATTACKER, amount);
        vm.prank(ATTACKER);
        Token(token).approve(address(coordinator), FOREVER);
        money = token;
        Books memory books = _books();
        bytes memory deposit = abi.encodeCall(ILedger.deposit, (ATTACKER, token, amount));
        _refused(ATTACKER, deposit, ILedger.TotalTooHigh.selector);
        bytes memory withdraw = abi.encodeCall(ILedger.withdraw, (ATTACKER, token, amount));
        _refused(ATTACKER, withdraw, ILedger.InsufficientBalance.selector);
        _assertBooks(books);
        money = address(0);
        books = _books();
        withdraw = abi.encodeCall(ILedger.withdraw, (PAYER, address(0), (1 << 128) + 1 ether));
        _refused(PAYER, withdraw, ILedger.InsufficientBalance.selector);
        _assertBooks(books);
    }

    // --- Timestamps

    /// @dev In every second a paid request can either be answered or be refunded, and never both.
    function testFuzz_Attack_AnsweredAndRefunded(uint256 moment, uint256 frequency, uint32 period, bool nearTheEnd)
        public
    {
        Subscription memory s = _paid();
        if (frequency % 3 != 0) {
            s = _paidEachMinute(_bound(frequency, 2, 1000), 1);
            s.period = uint32(_bound(period, 1, 365 days));
        }
        uint32 id = _create(s);
        uint256 end = s.frequency == 1 ? uint256(s.deadline) + 1 : START + s.frequency * s.period;
        vm.warp(nearTheEnd ? end - 2 + moment % 4 : _bound(moment, START, end + 1000));
        Books memory books = _books();

        uint32 interval = coordinator.getSubscriptionInterval(s.activeAt, s.period);
        uint256 snapshot = vm.snapshotState();
        vm.prank(NODE);
        (bool answered,) =
            address(coordinator).call(abi.encodeCall(ICoordinator.deliverModelOutput, (id, interval, s, OUTPUT, PROOF)));
        vm.assertEq(answered, block.timestamp < end);
        if (answered) {
            if (s.frequency != 1 && interval != s.frequency) _expectLocked(books, PAYER, FEE); // topped up
            _expectPaid(books, s, NODE);
            _assertBooks(books);
        }
        vm.revertToState(snapshot);
        books = _books();
        vm.prank(ATTACKER);
        (bool refunded,) = address(coordinator).call(_call(ICoordinator.expire.selector, id, s));
        vm.assertEq(refunded, !answered);
        if (refunded) _expectReleased(books, PAYER, FEE);
        _assertBooks(books);
    }

    /// @dev After 2^32 intervals their number does not fit any more: no answer is taken for interval 1 again, and what
    /// is locked is not lost.
    function testFuzz_Attack_IntervalsWrap(uint32 late) public {
        Subscription memory s = _paidEachMinute(FOREVER, 1);
        s.period = 1;
        Books memory books = _books();
        uint32 id = _create(s);
        vm.warp(START + 2 ** 32 + late - 1);
        uint256 before = _free(NODE);
        vm.prank(NODE);
        (bool ok,) =
            address(coordinator).call(abi.encodeCall(ICoordinator.deliverModelOutput, (id, late, s, OUTPUT, PROOF)));
        vm.assertFalse(ok);
        vm.assertEq(_free(NODE), before);
        vm.prank(PAYER);
        coordinator.cancelSubscriptionAsPayer(id, s);
        vm.warp(START + 2 ** 32 + uint256(late));
        coordinator.expire(id, s);
        _assertBooks(books);
    }

    /// @dev The last seconds that the terms can name, and terms that name seconds out of reach.
    function test_Attack_TimestampsAtTheirLimits() public {
        Subscription memory s = _paid();
        s.deadline = type(uint40).max;
        _expectRefusal(s, ICoordinator.TooFarAhead.selector);
        (s.deadline, s.activeAt) = (uint40(START + 1), type(uint40).max);
        _expectRefusal(s, ICoordinator.DeadlineBeforeStart.selector);
        (s.deadline, s.activeAt) = (uint40(START - 1), 0);
        _expectRefusal(s, ICoordinator.DeadlinePassed.selector);
        s.deadline = 0;
        _expectRefusal(s, ICoordinator.DeadlineMissing.selector);
        s = _paidEachMinute(FOREVER, 1);
        s.activeAt = type(uint40).max;
        _expectRefusal(s, ICoordinator.TooFarAhead.selector);
        s.activeAt = 0;
        s.period = 0;
        _expectRefusal(s, ICoordinator.ZeroPeriod.selector);
        s.period = type(uint32).max;
        _expectRefusal(s, ICoordinator.TooFarAhead.selector);

        vm.warp(uint256(type(uint40).max) - 1);
        s = _paid();
        s.deadline = type(uint40).max;
        Books memory books = _books();
        uint32 answered = _create(s);
        uint32 missed = _create(s);
        vm.warp(type(uint40).max);
        _deliver(answered, 1, s);
        _refused(PAYER, _call(ICoordinator.expire.selector, missed, s), ICoordinator.NotExpired.selector);
        vm.warp(uint256(type(uint40).max) + 1);
        _refused(NODE, _delivery(missed, s), ICoordinator.DeadlinePassed.selector);
        coordinator.expire(missed, s);
        _expectLocked(books, PAYER, FEE);
        _expectPaid(books, s, NODE);
        _assertBooks(books);
    }

    function _expectRefusal(Subscription memory s, bytes4 reason) private {
        Books memory books = _books();
        vm.prank(s.owner);
        vm.expectPartialRevert(reason);
        coordinator.createSubscription(s, CONTAINER, FEATURES);
        _assertBooks(books);
    }

    // --- Ids and nonces

    /// @dev The id after the last would be that of a signed request, and the nonce after the last that of nonce 0.
    function testFuzz_Attack_IdsOrNoncesWrap(uint32 nonce) public {
        nonce = uint32(_bound(nonce, 0, 2 ** 31 - 1));
        Subscription memory s = _paid();
        DelegateRequest memory r = _request(nonce, s);
        _createDelegate(r);
        vm.store(address(coordinator), bytes32(uint256(3)), bytes32(uint256(2 ** 31 - 1)));
        vm.assertEq(coordinator.lastId(), 2 ** 31 - 1);
        Books memory books = _books();
        vm.prank(s.owner);
        vm.expectRevert(ICoordinator.IdsExhausted.selector);
        coordinator.createSubscription(s, CONTAINER, FEATURES);

        uint32 high = nonce | 2 ** 31;
        DelegateRequest memory alias_ = _request(high, s);
        bytes4 tooHigh = IEIP712Coordinator.NonceTooHigh.selector;
        bytes memory deliver = abi.encodeCall(IEIP712Coordinator.deliverModelOutputDelegate, (alias_, 1, OUTPUT, PROOF));
        _refused(ATTACKER, deliver, tooHigh);
        _refused(ATTACKER, abi.encodeCall(IEIP712Coordinator.burnNonce, (high)), tooHigh);
        _refused(s.owner, abi.encodeCall(IEIP712Coordinator.burnNonce, (high)), tooHigh);
        _assertBooks(books);
        _assertStillAnswered(books, high, s);
        bytes memory replay = abi.encodeCall(IEIP712Coordinator.deliverModelOutputDelegate, (r, 1, OUTPUT, PROOF));
        _refused(ATTACKER, replay, IEIP712Coordinator.NonceUsed.selector);
        _assertBooks(books);
    }

    /// @dev The 65,535th answer is the last: the next ordinal is not 1 again.
    function test_Attack_OrdinalsWrap() public {
        Subscription memory s = _paid();
        (s.redundancy, s.fee, s.royaltyTo, s.royaltyBps) = (type(uint16).max, 1, address(0), 0);
        uint32 id = _create(s);
        _deliver(id, 1, s);
        // The cursor stands behind the word: all but one have answered, and have been paid.
        bytes32 slot = keccak256(abi.encode(id, keccak256(abi.encode(s.owner, uint256(4)))));
        bytes32 cursor = bytes32(uint256(slot) + 1);
        vm.assertEq(uint256(vm.load(address(coordinator), cursor)), 1 << 32 | 1);
        vm.store(address(coordinator), cursor, bytes32(uint256(type(uint16).max - 1) << 32 | 1));
        Books memory books = _books();
        _deliverBy(OTHER_NODE, id, 1, s);
        vm.assertEq(puppet.last().redundancy, type(uint16).max);
        _expectPaid(books, s, OTHER_NODE);
        _refused(ATTACKER, _delivery(id, s), ICoordinator.SubscriptionNotFound.selector);
        vm.warp(uint256(s.deadline) + 1);
        _refused(PAYER, _call(ICoordinator.expire.selector, id, s), ICoordinator.SubscriptionNotFound.selector);
        _assertBooks(books);
    }

    // --- More bits than a field has

    /// @dev The Coordinator hashes terms as they come: with dirty upper bits they would be the same struct to Solidity
    /// and another to the hash. Such terms are never created, and never match.
    function testFuzz_Attack_TermsWithDirtyBits(uint256 field, uint256 bit) public {
        uint16[21] memory widths =
            [160, 256, 256, 256, 32, 40, 16, 48, 32, 8, 160, 96, 160, 256, 96, 160, 160, 128, 160, 16, 40];
        field = _bound(field, 0, 20);
        if (widths[field] == 256) field = 4;
        bit = _bound(bit, widths[field], 255);
        Subscription memory s = _paid();
        uint32 id = _create(s);
        Books memory books = _books();
        _dirty(NODE, _flipped(_delivery(id, s), 2 + field, bit));
        _dirty(PAYER, _flipped(_call(ICoordinator.expire.selector, id, s), 1 + field, bit));
        bytes memory signed =
            abi.encodeCall(IEIP712Coordinator.deliverModelOutputDelegate, (_request(5, s), 1, OUTPUT, PROOF));
        _dirty(NODE, _flipped(signed, 6 + field, bit));
        _assertBooks(books);
        _assertStillAnswered(books, id, s);
    }

    function _dirty(address who, bytes memory data) private {
        vm.prank(who);
        (bool ok,) = address(coordinator).call(data);
        vm.assertFalse(ok, "dirty bits were taken");
    }
}
