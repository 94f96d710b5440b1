// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {INodeRegistry} from "../../src/interfaces/INodeRegistry.sol";
import {IOptimisticVerifier} from "../../src/interfaces/IOptimisticVerifier.sol";
import {Verdict} from "../../src/interfaces/IVerifier.sol";
import {Subscription} from "../../src/Subscription.sol";
import {Base} from "../Base.sol";
import {Oracle} from "../Mocks.sol";

/// @dev Everyone who can have money, all of whose books are compared before and after an attack; and terms in which
/// everyone has a part: a payer that is not the owner, a creator, a verifier, the protocol.
abstract contract AttackBase is Base {
    /// @dev All that an account has.
    struct Entry {
        /// In the Coordinator's ledger.
        uint256 free;
        uint256 locked;
        /// Outside of it.
        uint256 wallet;
        /// Bonds towards `judge`.
        uint256 bond;
        uint256 staked;
        uint256 unbonding;
        /// What it may withdraw of the node registry, and of `court`.
        uint256 credit;
    }

    struct Books {
        Entry[] entries;
        uint256 total;
        uint256 holdings;
    }

    uint128 internal constant FEE = 1 ether;
    uint96 internal constant VERIFIER_FEE = 0.05 ether;
    uint96 internal constant BOND = 2 ether;
    uint16 internal constant ROYALTY_BPS = 1_000;
    uint16 internal constant PROTOCOL_BPS = 100;
    uint40 internal constant UNTIL = uint40(START + 1 days);
    uint8 internal constant ISOLATED = 16;

    address internal constant PAYER = address(0x9A7E4);
    address internal constant CREATOR = address(0xC4EA);
    address internal constant ATTACKER = address(0xBAD);
    address internal constant ACCOMPLICE = address(0xACC);

    Oracle internal oracle;

    /// @dev Whose books are kept, in which token, and with bonds towards which verifier.
    address[] internal cast;
    address internal money;
    address internal judge;
    address internal court;

    function setUp() public virtual override {
        super.setUp();
        coordinator = _deployWith(PROTOCOL_BPS, PROTOCOL);
        puppet = _puppet();
        oracle = Oracle(vm.deployCode("Mocks.sol:Oracle"));
        judge = address(oracle);
        cast = [
            address(puppet),
            PAYER,
            NODE,
            OTHER_NODE,
            CREATOR,
            address(oracle),
            PROTOCOL,
            ATTACKER,
            ACCOMPLICE,
            address(this)
        ];
        _fund(PAYER, 100 ether);
        vm.prank(PAYER);
        coordinator.allow(address(puppet), address(0), type(uint128).max);
    }

    // --- Terms

    /// @dev One answer by any node, now; the payer pays creator, protocol and node.
    function _paid() internal view returns (Subscription memory s) {
        s = _paidTerms(FEE);
        (s.payer, s.royaltyTo, s.royaltyBps) = (PAYER, CREATOR, ROYALTY_BPS);
    }

    /// @dev An answer by each of `redundancy` nodes a minute.
    function _paidEachMinute(uint256 frequency, uint16 redundancy) internal view returns (Subscription memory s) {
        s = _paidRecurring(frequency, redundancy, FEE);
        (s.payer, s.royaltyTo, s.royaltyBps) = (PAYER, CREATOR, ROYALTY_BPS);
    }

    /// @dev With a verifier, which is paid too.
    function _judged() internal view returns (Subscription memory s) {
        s = _paid();
        (s.verifier, s.verifierFee) = (address(oracle), VERIFIER_FEE);
    }

    function _createWith(Subscription memory s, bytes memory features, bytes memory params) internal returns (uint32) {
        vm.prank(s.owner);
        return coordinator.createSubscription(s, CONTAINER, features, params);
    }

    function _bond(address node, address verifier, uint256 amount) internal {
        vm.deal(address(this), amount);
        nodes.postBond{value: amount}(node, verifier);
    }

    // --- Attempts

    /// @dev `who` calls and is refused for this reason.
    function _refused(address who, address target, bytes memory data, bytes4 reason) internal {
        vm.prank(who);
        (bool ok, bytes memory result) = target.call(data);
        vm.assertFalse(ok, "not refused");
        vm.assertEq(bytes32(bytes4(result)), bytes32(reason));
    }

    function _refused(address who, bytes memory data, bytes4 reason) internal {
        _refused(who, address(coordinator), data, reason);
    }

    function _delivery(uint32 id, Subscription memory s) internal view returns (bytes memory) {
        return abi.encodeCall(coordinator.deliverModelOutput, (id, 1, s, OUTPUT, PROOF));
    }

    /// @dev A function that takes an id and terms, as `expire`, `fund` and `cancelSubscriptionAsPayer` do.
    function _call(bytes4 selector, uint32 id, Subscription memory s) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, id, s);
    }

    /// @dev A call with one bit of one word of its arguments changed.
    function _flipped(bytes memory data, uint256 word, uint256 bit) internal pure returns (bytes memory forged) {
        forged = bytes.concat(data);
        assembly {
            let at := add(add(forged, 0x24), mul(word, 0x20))
            mstore(at, xor(mload(at), shl(and(bit, 0xff), 1)))
        }
    }

    // --- Books

    function _books() internal view returns (Books memory books) {
        books.entries = new Entry[](cast.length);
        uint256 sum;
        for (uint256 i; i < cast.length; ++i) {
            books.entries[i] = _entry(cast[i]);
            sum += books.entries[i].free + books.entries[i].locked;
        }
        (books.total, books.holdings) = (coordinator.totalOf(money), _walletOf(address(coordinator)));
        vm.assertEq(sum, books.total, "somebody's money is not in the books");
        vm.assertGe(books.holdings, books.total);
        vm.assertGe(address(nodes).balance, nodes.totalHeld());
    }

    function _entry(address who) private view returns (Entry memory e) {
        (e.free, e.locked) = coordinator.balanceOf(who, money);
        e.wallet = _walletOf(who);
        INodeRegistry.Bond memory bond = nodes.getBond(who, judge);
        (e.bond, e.staked, e.unbonding) = (bond.active, bond.locked, bond.unbonding);
        e.credit = nodes.creditOf(who);
        if (court != address(0)) e.credit += IOptimisticVerifier(court).creditOf(who);
    }

    function _walletOf(address who) private view returns (uint256) {
        return money == address(0) ? who.balance : IERC20(money).balanceOf(who);
    }

    /// @dev The entry of one account, to write into it what is expected.
    function _of(Books memory books, address who) internal view returns (Entry memory) {
        for (uint256 i; i < cast.length; ++i) {
            if (cast[i] == who) return books.entries[i];
        }
        revert("not in the cast");
    }

    /// @dev Expects an answer to be paid as its terms say, computed here from the terms alone.
    function _expectPaid(Books memory books, Subscription memory s, address node) internal view {
        uint256 creator = uint256(s.fee) * s.royaltyBps / 10_000;
        uint256 protocol = uint256(s.fee) * PROTOCOL_BPS / 10_000;
        _of(books, s.payer == address(0) ? s.owner : s.payer).locked -= s.fee;
        if (creator != 0) _of(books, s.royaltyTo).free += creator;
        if (s.verifierFee != 0) _of(books, s.verifier).free += s.verifierFee;
        _of(books, PROTOCOL).free += protocol;
        _of(books, node).free += s.fee - creator - protocol - s.verifierFee;
    }

    /// @dev Expects that so much of what an account had free is locked.
    function _expectLocked(Books memory books, address who, uint256 amount) internal view {
        _of(books, who).free -= amount;
        _of(books, who).locked += amount;
    }

    function _expectReleased(Books memory books, address who, uint256 amount) internal view {
        _of(books, who).locked -= amount;
        _of(books, who).free += amount;
    }

    /// @dev Everyone has what these books say, and the sum of it is there.
    function _assertBooks(Books memory expected) internal view {
        Books memory found = _books();
        for (uint256 i; i < cast.length; ++i) {
            (Entry memory e, Entry memory f) = (expected.entries[i], found.entries[i]);
            _assertSame(e.free, f.free, i, "free");
            _assertSame(e.locked, f.locked, i, "locked");
            _assertSame(e.wallet, f.wallet, i, "wallet");
            _assertSame(e.bond, f.bond, i, "bond");
            _assertSame(e.staked, f.staked, i, "staked");
            _assertSame(e.unbonding, f.unbonding, i, "unbonding");
            _assertSame(e.credit, f.credit, i, "credit");
        }
        vm.assertEq(found.total, expected.total, "total");
        vm.assertEq(found.holdings, expected.holdings, "holdings");
    }

    function _assertSame(uint256 expected, uint256 found, uint256 i, string memory what) private pure {
        if (expected == found) return;
        vm.assertEq(found, expected, string.concat(what, " of number ", vm.toString(i), " in the cast"));
    }

    /// @dev What was attacked still works: a node is paid for its answer, as the terms say.
    function _assertStillAnswered(Books memory books, uint32 id, Subscription memory s) internal {
        oracle.set(Verdict.Valid, 0);
        uint256 count = puppet.count();
        _deliver(id, 1, s);
        _expectPaid(books, s, NODE);
        _assertBooks(books);
        vm.assertEq(puppet.count(), count + 1);
    }
}
