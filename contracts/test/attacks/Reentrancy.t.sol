// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICoordinator} from "../../src/interfaces/ICoordinator.sol";
import {IEIP712Coordinator} from "../../src/interfaces/IEIP712Coordinator.sol";
import {ILedger} from "../../src/interfaces/ILedger.sol";
import {Verdict} from "../../src/interfaces/IVerifier.sol";
import {Answer, DelegateRequest, Subscription} from "../../src/Subscription.sol";
import {AttackBase} from "./AttackBase.sol";
import {Intruder} from "./Intruder.sol";

/// @dev Every entry point entered from every call that the Coordinator makes: consumers (in batches, provisionally, in
/// settlements), verifiers, tokens, receivers of ether, signers.
contract ReentrancyAttacks is AttackBase {
    string private constant PLAIN = "createSubscription(string,bytes,uint48,uint32,uint256,uint32,uint16)";
    string private constant TERMS = "(address,bytes32,bytes32,uint256,uint32,uint40,uint16,uint48,uint32,uint8,address,"
        "uint96,address,bytes32,uint96,address,address,uint128,address,uint16,uint40)";
    uint256 private constant ENTRY_POINTS = 18;

    /// @dev A callback may ask and cancel: the first five. Nothing else may do anything.
    uint256 private constant IN_CALLBACK = 31;

    Intruder private intruder;
    address private self;

    /// @dev Everything is prepared so that each call would work, and bring the intruder something where it can.
    function setUp() public override {
        super.setUp();
        intruder = new Intruder();
        self = address(intruder);
        cast.push(self);
        _fund(self, 10 ether);
        intruder.act(address(coordinator), abi.encodeCall(ILedger.allow, (address(puppet), address(0), 10 ether)));

        Subscription memory ending = _paid();
        (ending.payer, ending.deadline) = (address(0), uint40(START + 10));
        _fund(address(puppet), FEE);
        uint32 over = _create(ending);
        vm.warp(START + 11);

        Subscription memory paying = _paidEachMinute(FOREVER, 1);
        paying.payer = self;
        uint32 billed = _create(paying);
        Subscription memory poor = _paidEachMinute(FOREVER, 1);
        poor.payer = address(0);
        _fund(address(puppet), FEE);
        uint32 paused = _create(poor);
        _deliver(paused, 1, poor);
        _fund(address(puppet), FEE);

        _plan(abi.encodeWithSignature(PLAIN, CONTAINER, FEATURES, 100 gwei, overhead, 1, 0, 1));
        _plan(_createCall());
        _plan(
            abi.encodeWithSignature(
                string.concat("createSubscription(", TERMS, ",string,bytes,bytes)"), _own(), CONTAINER, FEATURES, ""
            )
        );
        _plan(abi.encodeCall(ICoordinator.cancelSubscription, (_create(_own()))));
        _plan(_call(ICoordinator.cancelSubscriptionAsPayer.selector, billed, paying));
        _plan(abi.encodeCall(ILedger.deposit, (self, address(0), 0)));
        _plan(abi.encodeCall(ILedger.withdraw, (ATTACKER, address(0), 1 ether)));
        _plan(abi.encodeCall(ILedger.allow, (ATTACKER, address(0), 1 ether)));
        _plan(_call(ICoordinator.expire.selector, over, ending));
        _plan(_call(ICoordinator.fund.selector, paused, poor));
        _plan(abi.encodeCall(IEIP712Coordinator.burnNonce, (9)));
        _planDeliveries();
        vm.assertEq(intruder.plans(), ENTRY_POINTS);
    }

    function _planDeliveries() private {
        Subscription memory open = _paid();
        bytes memory delivery = _delivery(_create(open), open);
        _plan(delivery);
        bytes[] memory calls = new bytes[](1);
        calls[0] = delivery;
        _plan(abi.encodeCall(ICoordinator.deliverModelOutputs, (calls)));
        calls[0] = abi.encodeCall(ILedger.withdraw, (ATTACKER, address(0), 1 ether));
        _plan(abi.encodeCall(ICoordinator.multicall, (calls)));

        Subscription memory judged = _judged();
        oracle.set(Verdict.Pending, UNTIL);
        uint32 waiting = _create(judged);
        _deliver(waiting, 1, judged);
        oracle.set(Verdict.Valid, 0);
        Answer memory a = Answer(waiting, 1, 1, NODE, UNTIL, keccak256(FEATURES));
        _plan(abi.encodeCall(ICoordinator.settle, (a, judged, OUTPUT, PROOF)));

        DelegateRequest memory r = _request(1, open);
        _plan(
            abi.encodeCall(
                IEIP712Coordinator.createSubscriptionDelegate, (1, NO_EXPIRY, open, CONTAINER, FEATURES, r.signature)
            )
        );
        _plan(abi.encodeCall(IEIP712Coordinator.createSubscriptionDelegateVerified, (_request(2, open), "")));
        _plan(abi.encodeCall(IEIP712Coordinator.deliverModelOutputDelegate, (_request(3, open), 1, OUTPUT, PROOF)));
    }

    function _plan(bytes memory data) private {
        intruder.plan(address(coordinator), data);
    }

    /// @dev A free question of the intruder's own, with all the gas that it wants.
    function _own() private view returns (Subscription memory s) {
        s = _terms();
        (s.owner, s.maxGasLimit) = (self, overhead + 20_000_000);
    }

    function _createCall() private view returns (bytes memory) {
        return abi.encodeWithSignature(
            string.concat("createSubscription(", TERMS, ",string,bytes)"), _own(), CONTAINER, FEATURES
        );
    }

    /// @dev It was there so many times, and got in where it may and nowhere else.
    function _assertStruck(uint256 times, uint256 entered) private view {
        vm.assertEq(intruder.strikes(), times, "strikes");
        vm.assertEq(intruder.entered(), entered, "entered");
        bytes4[] memory reasons = intruder.reasons();
        vm.assertEq(reasons.length, times * ENTRY_POINTS);
        for (uint256 i; i < reasons.length; ++i) {
            if (entered >> (i % ENTRY_POINTS) & 1 == 0) {
                vm.assertEq(bytes32(reasons[i]), bytes32(ICoordinator.Reentered.selector));
            }
        }
    }

    /// @dev Outside of any call each of them works: none of the refusals below has another cause than the lock.
    function test_EachAttemptWorksOutsideOfACall() public {
        for (uint256 i; i < ENTRY_POINTS; ++i) {
            uint256 snapshot = vm.snapshotState();
            (address target, bytes memory data) = intruder.planOf(i);
            vm.prank(self);
            (bool ok,) = target.call(data);
            vm.assertTrue(ok, vm.toString(i));
            _books(); // everything adds up
            vm.revertToState(snapshot);
        }
    }

    // --- From consumers

    function test_Attack_ConsumerReentersFromItsCallback() public {
        Subscription memory s = _own();
        uint32 id = _create(s);
        Books memory books = _books();
        intruder.arm(true);
        _deliver(id, 1, s);
        _assertStruck(1, IN_CALLBACK);
        _assertBooks(books);
    }

    /// @dev Paid, and paid out while it tries: the node has its fee whatever it did.
    function test_Attack_ConsumerReentersFromASettlement() public {
        Subscription memory s = _judged();
        (s.owner, s.payer, s.maxGasLimit) = (self, address(0), overhead + 20_000_000);
        oracle.set(Verdict.Pending, UNTIL);
        uint32 id = _create(s);
        _deliver(id, 1, s);
        oracle.set(Verdict.Valid, 0);
        Books memory books = _books();
        intruder.arm(true);
        coordinator.settle(Answer(id, 1, 1, NODE, UNTIL, keccak256(FEATURES)), s, OUTPUT, PROOF);
        _assertStruck(1, IN_CALLBACK);
        _expectPaid(books, s, NODE);
        _assertBooks(books);
    }

    function test_Attack_ConsumerReentersFromAProvisionalCallback() public {
        Subscription memory s = _own();
        (s.verifier, s.mode) = (address(oracle), 8);
        oracle.set(Verdict.Pending, UNTIL);
        uint32 id = _create(s);
        Books memory books = _books();
        intruder.arm(true);
        _deliver(id, 1, s);
        oracle.set(Verdict.Valid, 0);
        _assertStruck(1, IN_CALLBACK);
        _assertBooks(books);
    }

    /// @dev Between two other items: those are delivered and paid, it has got nowhere.
    function test_Attack_ABatchItemReenters() public {
        Subscription memory s = _own();
        Subscription memory other = _paid();
        bytes[] memory items = new bytes[](3);
        items[0] = _delivery(_create(other), other);
        items[1] = _delivery(_create(s), s);
        items[2] = _delivery(_create(other), other);
        Books memory books = _books();
        intruder.arm(true);
        vm.prank(NODE);
        coordinator.deliverModelOutputs(items);
        _assertStruck(1, IN_CALLBACK);
        _expectPaid(books, other, NODE);
        _expectPaid(books, other, NODE);
        _assertBooks(books);
    }

    /// @dev The intruder delivers to itself, by a multicall of its own.
    function test_Attack_AMulticallReenters() public {
        Subscription memory s = _own();
        bytes[] memory items = new bytes[](2);
        items[0] = _delivery(_create(s), s);
        items[1] = _delivery(_create(s), s);
        Books memory books = _books();
        intruder.arm(true);
        intruder.act(address(coordinator), abi.encodeCall(ICoordinator.multicall, (items)));
        // The second time there is nothing left to cancel.
        vm.assertEq(intruder.strikes(), 2);
        vm.assertEq(intruder.entered(), IN_CALLBACK);
        _assertBooks(books);
    }

    // --- From verifiers

    function test_Attack_VerifierReenters() public {
        Subscription memory s = _paid();
        s.verifier = self;
        uint32 id = _create(s);
        uint32 later = _create(s);
        Books memory books = _books();
        intruder.arm(true);
        _deliver(id, 1, s);
        _assertStruck(2, 0); // for the verdict, for the payees
        _expectPaid(books, s, NODE);
        _assertBooks(books);

        intruder.setVerdict(Verdict.Pending, UNTIL);
        _deliver(later, 1, s);
        _assertStruck(3, 0);
        intruder.setVerdict(Verdict.Invalid, 0);
        coordinator.settle(Answer(later, 1, 1, NODE, UNTIL, keccak256(FEATURES)), s, OUTPUT, PROOF);
        _assertStruck(4, 0);
        _expectReleased(books, PAYER, FEE);
        _assertBooks(books);
    }

    /// @dev While terms are checked, and while the features of an interval are asked for, it is only looked at.
    function test_Attack_VerifierReentersWhileTermsAreChecked() public {
        Subscription memory s = _own();
        (s.verifier, s.mode, s.featuresHash) = (self, 1, 0);
        Books memory books = _books();
        intruder.arm(true);
        vm.prank(self);
        uint32 id = coordinator.createSubscription(s, CONTAINER, "");
        _deliver(id, 1, s); // it has committed to features, the verifier has accepted, the callback has come
        vm.assertEq(intruder.strikes(), 2);
        vm.assertEq(intruder.entered(), IN_CALLBACK);
        _assertBooks(books);
    }

    // --- From tokens and receivers

    function test_Attack_TokenReenters() public {
        intruder.mint(ATTACKER, 10);
        Books memory books = _books();
        intruder.arm(true);
        vm.prank(ATTACKER);
        coordinator.deposit(ATTACKER, self, 10);
        _assertStruck(1, 0);
        vm.prank(ATTACKER);
        coordinator.withdraw(ATTACKER, self, 4);
        _assertStruck(2, 0);
        _assertBooks(books);
        money = self;
        books = _books();
        vm.assertEq(_of(books, ATTACKER).free, 6);
        vm.assertEq(_of(books, ATTACKER).wallet, 4);
        vm.assertEq(books.holdings, 6);
    }

    function test_Attack_ReceiverOfEtherReenters() public {
        Books memory books = _books();
        intruder.arm(true);
        intruder.act(address(coordinator), abi.encodeCall(ILedger.withdraw, (self, address(0), 2 ether)));
        _assertStruck(1, 0);
        _of(books, self).free -= 2 ether;
        _of(books, self).wallet += 2 ether;
        books.total -= 2 ether;
        books.holdings -= 2 ether;
        _assertBooks(books);
    }

    // --- From signers

    /// @dev Asked for its signer, and as that signer for its signature. Had it got in it would have signed nothing.
    function test_Attack_SignerReenters() public {
        Subscription memory s = _paid();
        (s.owner, s.payer) = (self, address(0));
        Books memory books = _books();
        intruder.arm(true);
        DelegateRequest memory r = _request(20, s);
        _createDelegate(r);
        intruder.arm(false);
        _deliverDelegate(r, 1);
        _expectLocked(books, self, FEE);
        _expectPaid(books, s, NODE);
        _assertBooks(books);
    }
}
