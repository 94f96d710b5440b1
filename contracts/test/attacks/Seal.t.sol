// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICoordinator} from "../../src/interfaces/ICoordinator.sol";
import {INodeRegistry} from "../../src/interfaces/INodeRegistry.sol";
import {ISealedQuorumVerifier as ISealed} from "../../src/interfaces/ISealedQuorumVerifier.sol";
import {Subscription} from "../../src/Subscription.sol";
import {AttackBase} from "./AttackBase.sol";

/// @dev One operator's throw-away accounts filling the redundancy of a bonded subscription; copying the first answer
/// under seal; sealed commits that never reveal; ties; a payer that reads the reveals and does not pay.
contract SealAttacks is AttackBase {
    bytes private constant LIE = hex"2b";
    bytes32 private constant SALT = keccak256("salt");
    bytes private constant EVIDENCE = abi.encode(bytes32(0), new uint256[](0));

    ISealed private verifier;
    bytes private params;

    function setUp() public override {
        super.setUp();
        bytes memory arguments = abi.encode(address(coordinator), address(nodes));
        verifier = ISealed(vm.deployCode("SealedQuorumVerifier.sol:SealedQuorumVerifier", arguments));
        params = abi.encode(ISealed.Params(ISealed.Rule.Equal, 2, 5, 60, 60, 0));
        judge = address(verifier);
        _bond(NODE, judge, BOND);
        _bond(OTHER_NODE, judge, BOND);
        _bond(ATTACKER, judge, BOND);
    }

    function _sealed() private view returns (Subscription memory s) {
        s = _paid();
        (s.verifier, s.verifierParams, s.minBond, s.mode) = (judge, keccak256(params), BOND, 4);
    }

    function _hash(address node, uint32 id, Subscription memory s, bytes memory output) private view returns (bytes32) {
        return verifier.hashCommitment(s.owner, id, 1, node, s.featuresHash, keccak256(output), SALT);
    }

    function _commit(address node, uint32 id, Subscription memory s, bytes memory output) private {
        bytes32 hash = _hash(node, id, s, output);
        vm.prank(node);
        verifier.commit(id, s, params, hash);
    }

    function _revealCall(uint32 id, Subscription memory s, bytes memory output) private pure returns (bytes memory) {
        return abi.encodeCall(ISealed.reveal, (s.owner, id, 1, s.featuresHash, output, SALT));
    }

    function _reveal(address node, uint32 id, Subscription memory s, bytes memory output) private {
        vm.prank(node);
        verifier.reveal(s.owner, id, 1, s.featuresHash, output, SALT);
    }

    function _deliverySealed(uint32 id, Subscription memory s, bytes memory output)
        private
        view
        returns (bytes memory)
    {
        return abi.encodeCall(coordinator.deliverModelOutput, (id, 1, s, output, EVIDENCE));
    }

    /// @dev The node's part, in two.
    function _expectShared(Books memory books, Subscription memory s, address first, address second) private view {
        _expectPaid(books, s, first);
        uint256 half = _shareOf(s) / 2;
        _of(books, first).free -= half;
        _of(books, second).free += half;
    }

    function _shareOf(Subscription memory s) private view returns (uint256 share) {
        (share,,,) = coordinator.quoteAnswer(s);
    }

    // --- Throw-away accounts

    /// @dev Three answers by bonded nodes: accounts without a bond do not count, and one bond does not go round.
    function test_Attack_ThrowAwayAccountsFillABondedRedundancy() public {
        Subscription memory s = _paid();
        (s.verifier, s.minBond, s.redundancy) = (address(oracle), BOND, 3);
        uint32 id = _create(s);
        judge = address(oracle);
        _bond(ATTACKER, judge, BOND);
        Books memory books = _books();
        for (uint160 i = 1; i <= 20; ++i) {
            _refused(address(0x7000 + i), _delivery(id, s), ICoordinator.BondTooLow.selector);
        }
        _assertBooks(books);

        // With one bond it has one answer, and has to wait before it can take the bond elsewhere.
        vm.prank(ATTACKER);
        coordinator.deliverModelOutput(id, 1, s, OUTPUT, PROOF);
        _expectPaid(books, s, ATTACKER);
        _refused(ATTACKER, _delivery(id, s), ICoordinator.AlreadyDelivered.selector);
        vm.prank(ATTACKER);
        nodes.startUnbonding(judge, BOND);
        bytes memory withdraw = abi.encodeCall(INodeRegistry.withdrawBond, (judge, ATTACKER));
        _refused(ATTACKER, address(nodes), withdraw, INodeRegistry.StillUnbonding.selector);
        bytes memory post = abi.encodeCall(INodeRegistry.postBond, (ACCOMPLICE, judge));
        _refused(ATTACKER, address(nodes), post, INodeRegistry.ZeroAmount.selector);
        vm.warp(s.deadline);
        _refused(ATTACKER, address(nodes), withdraw, INodeRegistry.StillUnbonding.selector);
        _refused(ACCOMPLICE, _delivery(id, s), ICoordinator.BondTooLow.selector);
        _of(books, ATTACKER).bond -= BOND;
        _of(books, ATTACKER).unbonding += BOND;
        _assertBooks(books);

        // The places are free for others.
        _bond(NODE, judge, BOND);
        _bond(OTHER_NODE, judge, BOND);
        _of(books, NODE).bond += BOND;
        _of(books, OTHER_NODE).bond += BOND;
        _deliver(id, 1, s);
        _expectPaid(books, s, NODE);
        _deliverBy(OTHER_NODE, id, 1, s);
        _expectPaid(books, s, OTHER_NODE);
        _assertBooks(books);
    }

    /// @dev Under seal there are no places to fill: a crowd of liars that do not agree keeps nobody out.
    function test_Attack_ThrowAwayAccountsFillASealedRound() public {
        Subscription memory s = _sealed();
        uint32 id = _create(s, params);
        bytes32 hash = keccak256("hash");
        bytes memory commit = abi.encodeCall(ISealed.commit, (id, s, params, hash));
        _refused(ACCOMPLICE, judge, commit, INodeRegistry.InsufficientBond.selector);
        for (uint160 i; i < 10; ++i) {
            address sybil = address(0x7000 + i);
            cast.push(sybil);
            _bond(sybil, judge, BOND);
        }
        Books memory books = _books();
        for (uint160 i; i < 10; ++i) {
            _commit(address(0x7000 + i), id, s, abi.encode(i));
        }
        _commit(NODE, id, s, OUTPUT);
        _commit(OTHER_NODE, id, s, OUTPUT);
        vm.warp(START + 60);
        for (uint160 i; i < 10; ++i) {
            _reveal(address(0x7000 + i), id, s, abi.encode(i));
        }
        _reveal(NODE, id, s, OUTPUT);
        _reveal(OTHER_NODE, id, s, OUTPUT);
        vm.warp(START + 120);
        _refused(address(0x7000), _deliverySealed(id, s, abi.encode(0)), ICoordinator.InvalidAnswer.selector);
        vm.prank(ATTACKER);
        coordinator.deliverModelOutput(id, 1, s, OUTPUT, EVIDENCE);
        _expectShared(books, s, NODE, OTHER_NODE);
        _assertBooks(books);
    }

    function _create(Subscription memory s, bytes memory own) private returns (uint32) {
        return _createWith(s, FEATURES, own);
    }

    // --- Copies

    /// @dev The copy of a commit cannot be opened, an answer that is seen comes too late, and whoever delivers it gets
    /// nothing: its stake is the payer's.
    function test_Attack_CopyingTheFirstAnswerUnderSeal() public {
        Subscription memory s = _sealed();
        uint32 id = _create(s, params);
        Books memory books = _books();
        bytes32 seen = _hash(NODE, id, s, OUTPUT);
        _commit(NODE, id, s, OUTPUT);
        _commit(OTHER_NODE, id, s, OUTPUT);
        vm.prank(ATTACKER);
        verifier.commit(id, s, params, seen);
        _refused(
            ATTACKER, judge, abi.encodeCall(ISealed.commit, (id, s, params, seen)), ISealed.AlreadyCommitted.selector
        );

        vm.warp(START + 60);
        _reveal(NODE, id, s, OUTPUT); // output and salt are public now
        bytes4 mismatch = ISealed.CommitmentMismatch.selector;
        _refused(ATTACKER, judge, _revealCall(id, s, OUTPUT), mismatch);
        _refused(ACCOMPLICE, judge, _revealCall(id, s, OUTPUT), mismatch);
        _refused(NODE, judge, _revealCall(id, s, OUTPUT), mismatch); // once
        bytes memory late = abi.encodeCall(ISealed.commit, (id, s, params, _hash(ACCOMPLICE, id, s, OUTPUT)));
        _refused(ACCOMPLICE, judge, late, ISealed.NotInCommitWindow.selector);
        _refused(ATTACKER, _deliverySealed(id, s, OUTPUT), ICoordinator.BondTooLow.selector); // its bond is staked
        _refused(NODE, _deliverySealed(id, s, OUTPUT), ICoordinator.VerifierFailed.selector); // reveals go on
        _reveal(OTHER_NODE, id, s, OUTPUT);

        vm.warp(START + 120);
        _bond(ATTACKER, judge, BOND);
        _of(books, ATTACKER).bond += BOND;
        vm.prank(ATTACKER);
        coordinator.deliverModelOutput(id, 1, s, OUTPUT, EVIDENCE);
        verifier.forfeit(s.owner, id, 1, ATTACKER);
        _expectShared(books, s, NODE, OTHER_NODE);
        _of(books, ATTACKER).bond -= BOND;
        _of(books, PAYER).credit += BOND;
        _assertBooks(books);
    }

    // --- Silence

    /// @dev Whoever does not like what others reveal cannot keep its stake, nor take it away, nor hold the answer up.
    function testFuzz_Attack_SealedCommitsThatNeverReveal(uint160 silent) public {
        silent = uint160(_bound(silent, 1, 5));
        Subscription memory s = _sealed();
        uint32 id = _create(s, params);
        for (uint160 i; i < silent; ++i) {
            cast.push(address(0x7000 + i));
            _bond(address(0x7000 + i), judge, BOND);
        }
        Books memory books = _books();
        for (uint160 i; i < silent; ++i) {
            _commit(address(0x7000 + i), id, s, LIE);
        }
        _commit(NODE, id, s, OUTPUT);
        _commit(OTHER_NODE, id, s, OUTPUT);

        address liar = address(0x7000);
        bytes memory forfeit = abi.encodeCall(ISealed.forfeit, (s.owner, id, 1, liar));
        bytes memory unbond = abi.encodeCall(INodeRegistry.startUnbonding, (judge, 1));
        bytes memory withdraw = abi.encodeCall(INodeRegistry.withdrawBond, (judge, liar));
        _refused(liar, judge, forfeit, ISealed.RevealsNotOver.selector);
        vm.warp(START + 60);
        _reveal(NODE, id, s, OUTPUT);
        _reveal(OTHER_NODE, id, s, OUTPUT);
        vm.warp(START + 120);
        _refused(liar, judge, _revealCall(id, s, LIE), ISealed.NotInRevealWindow.selector);
        _refused(liar, address(nodes), unbond, INodeRegistry.InsufficientBond.selector);
        _refused(liar, address(nodes), withdraw, INodeRegistry.ZeroAmount.selector);
        bytes memory honest = abi.encodeCall(ISealed.forfeit, (s.owner, id, 1, NODE));
        _refused(liar, judge, honest, ISealed.NothingCommitted.selector);

        vm.prank(NODE);
        coordinator.deliverModelOutput(id, 1, s, OUTPUT, EVIDENCE);
        _expectShared(books, s, NODE, OTHER_NODE);
        for (uint160 i; i < silent; ++i) {
            vm.prank(ATTACKER); // whoever asks, it is the payer's
            verifier.forfeit(s.owner, id, 1, address(0x7000 + i));
            _of(books, address(0x7000 + i)).bond -= BOND;
            _of(books, PAYER).credit += BOND;
        }
        _refused(liar, judge, forfeit, ISealed.NothingCommitted.selector);
        _assertBooks(books);
    }

    /// @dev All but one are silent: there is no answer, the fee returns, and silence has a price.
    function test_Attack_SilenceLeavesTheRequestWithoutAnAnswer() public {
        Subscription memory s = _sealed();
        Books memory books = _books();
        uint32 id = _create(s, params);
        _commit(NODE, id, s, OUTPUT);
        _commit(ATTACKER, id, s, OUTPUT);
        vm.warp(START + 60);
        _reveal(NODE, id, s, OUTPUT);
        vm.warp(START + 120);
        _refused(NODE, _deliverySealed(id, s, OUTPUT), ICoordinator.InvalidAnswer.selector);
        vm.warp(uint256(s.deadline) + 1);
        verifier.forfeit(s.owner, id, 1, ATTACKER);
        coordinator.expire(id, s);
        _of(books, ATTACKER).bond -= BOND;
        _of(books, PAYER).credit += BOND;
        _assertBooks(books);
    }

    /// @dev As many liars as honest nodes: neither side is believed or paid.
    function test_Attack_ATieIsSoldAsAnAnswer() public {
        Subscription memory s = _sealed();
        _bond(ACCOMPLICE, judge, BOND);
        Books memory books = _books();
        uint32 id = _create(s, params);
        address[4] memory all = [NODE, OTHER_NODE, ATTACKER, ACCOMPLICE];
        for (uint256 i; i < 4; ++i) {
            _commit(all[i], id, s, i < 2 ? OUTPUT : LIE);
        }
        vm.warp(START + 60);
        for (uint256 i; i < 4; ++i) {
            _reveal(all[i], id, s, i < 2 ? OUTPUT : LIE);
        }
        vm.warp(START + 120);
        _refused(ATTACKER, _deliverySealed(id, s, LIE), ICoordinator.InvalidAnswer.selector);
        _refused(NODE, _deliverySealed(id, s, OUTPUT), ICoordinator.InvalidAnswer.selector);
        vm.warp(uint256(s.deadline) + 1);
        coordinator.expire(id, s);
        _assertBooks(books);
    }

    /// @dev Not defended: who has most of the bonds that take part is believed. `minBond` and k are what that costs.
    function test_Documented_WhoHasMostBondsDecides() public {
        Subscription memory s = _sealed();
        _bond(ACCOMPLICE, judge, BOND);
        uint32 id = _create(s, params);
        Books memory books = _books();
        _commit(NODE, id, s, OUTPUT);
        _commit(ATTACKER, id, s, LIE);
        _commit(ACCOMPLICE, id, s, LIE);
        vm.warp(START + 60);
        _reveal(NODE, id, s, OUTPUT);
        _reveal(ATTACKER, id, s, LIE);
        _reveal(ACCOMPLICE, id, s, LIE);
        vm.warp(START + 120);
        vm.prank(NODE);
        coordinator.deliverModelOutput(id, 1, s, LIE, EVIDENCE);
        _expectShared(books, s, ATTACKER, ACCOMPLICE);
        _assertBooks(books);
    }

    // --- Payers that read and do not pay

    /// @dev Reveals are public. The payer stops the subscription once it has read them: the round is paid.
    function test_Attack_PayerCancelsOnceItHasReadTheReveals() public {
        Subscription memory s = _paidEachMinute(FOREVER, 1);
        s.period = 300;
        (s.verifier, s.verifierParams, s.minBond, s.mode) = (judge, keccak256(params), BOND, 4);
        uint32 id = _create(s, params);
        _commit(NODE, id, s, OUTPUT);
        _commit(OTHER_NODE, id, s, OUTPUT);
        vm.warp(START + 60);
        _reveal(NODE, id, s, OUTPUT);
        vm.prank(PAYER);
        coordinator.cancelSubscriptionAsPayer(id, s);
        bytes memory expire = _call(ICoordinator.expire.selector, id, s);
        _refused(PAYER, expire, ICoordinator.NotExpired.selector);
        _reveal(OTHER_NODE, id, s, OUTPUT);
        vm.warp(START + 120);
        Books memory books = _books();
        vm.prank(NODE);
        coordinator.deliverModelOutput(id, 1, s, OUTPUT, EVIDENCE);
        _expectShared(books, s, NODE, OTHER_NODE);
        _assertBooks(books);
    }

    /// @dev Windows that end just before the deadline or the next interval, so that no block is left to deliver in:
    /// between the last reveal and the end there are always `MIN_WINDOW` seconds.
    function testFuzz_Attack_WindowsLeaveNoTimeToDeliver(uint32 commitWindow, uint32 revealWindow, uint256 spare)
        public
    {
        commitWindow = uint32(_bound(commitWindow, 30, 1 days));
        revealWindow = uint32(_bound(revealWindow, 30, 1 days));
        spare = _bound(spare, 0, 40);
        params = abi.encode(ISealed.Params(ISealed.Rule.Equal, 2, 5, commitWindow, revealWindow, 0));
        Books memory books = _books();
        Subscription memory s = _sealed();
        s.deadline = uint40(START + commitWindow + revealWindow + spare);
        Subscription memory again = _paidEachMinute(FOREVER, 1);
        again.period = uint32(commitWindow + revealWindow + spare);
        (again.verifier, again.verifierParams, again.minBond, again.mode) = (judge, s.verifierParams, BOND, 4);
        if (spare < verifier.MIN_WINDOW()) {
            vm.prank(s.owner);
            vm.expectPartialRevert(ISealed.WindowsTooLong.selector);
            coordinator.createSubscription(s, CONTAINER, FEATURES, params);
            vm.prank(s.owner);
            vm.expectPartialRevert(ISealed.WindowsTooLong.selector);
            coordinator.createSubscription(again, CONTAINER, FEATURES, params);
        } else {
            _create(s, params);
            _create(again, params);
            _expectLocked(books, PAYER, 2 * FEE);
        }
        _assertBooks(books);
    }
}
