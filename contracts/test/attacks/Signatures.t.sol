// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICoordinator} from "../../src/interfaces/ICoordinator.sol";
import {IEIP712Coordinator} from "../../src/interfaces/IEIP712Coordinator.sol";
import {ILedger} from "../../src/interfaces/ILedger.sol";
import {Verdict} from "../../src/interfaces/IVerifier.sol";
import {DelegateRequest, Subscription} from "../../src/Subscription.sol";
import {Wallet} from "../Puppet.sol";
import {AttackBase} from "./AttackBase.sol";
import {Intruder} from "./Intruder.sol";

/// @dev A consumer whose `signer()` is any word.
contract OddSigner {
    uint256 public signer;

    function set(uint256 newSigner) external {
        signer = newSigner;
    }
}

/// @dev A consumer that burns all gas when it is asked for its signer.
contract BurningSigner {
    fallback() external {
        assembly {
            invalid()
        }
    }
}

/// @dev Two signed structs under one nonce; a signature replayed after its subscription was completed; delegated
/// delivery with other terms than were signed; a signature malleated, expired, from a rotated signer, for another chain
/// or another Coordinator; ERC-1271 signers that lie or change their mind; a signer that burns all gas.
contract SignatureAttacks is AttackBase {
    uint32 private constant NONCE = 5;
    uint32 private constant ID = 2 ** 31 | NONCE;
    uint256 private constant CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    function _createCall(DelegateRequest memory r) private pure returns (bytes memory) {
        return abi.encodeCall(
            IEIP712Coordinator.createSubscriptionDelegate,
            (r.nonce, r.expiry, r.subscription, r.container, r.features, r.signature)
        );
    }

    function _deliverCall(DelegateRequest memory r) private pure returns (bytes memory) {
        return abi.encodeCall(IEIP712Coordinator.deliverModelOutputDelegate, (r, 1, OUTPUT, PROOF));
    }

    /// @dev Every way in for a signed request, each refused for the same reason.
    function _allRefused(DelegateRequest memory r, bytes4 reason) private {
        _refused(ATTACKER, _createCall(r), reason);
        _refused(ATTACKER, _deliverCall(r), reason);
        bytes memory verified = abi.encodeCall(IEIP712Coordinator.createSubscriptionDelegateVerified, (r, ""));
        _refused(ATTACKER, verified, reason);
        bytes[] memory calls = new bytes[](1);
        calls[0] = _deliverCall(r);
        _refused(ATTACKER, abi.encodeCall(ICoordinator.multicall, (calls)), reason);
        vm.prank(ATTACKER);
        coordinator.deliverModelOutputs(calls);
    }

    /// @dev Refused, and nothing has moved; the request as it was signed is good.
    function _assertForged(DelegateRequest memory forged, bytes4 reason, DelegateRequest memory signed) private {
        Books memory books = _books();
        _allRefused(forged, reason);
        _assertBooks(books);
        vm.assertFalse(coordinator.isNonceUsed(forged.subscription.owner, forged.nonce));
        vm.assertEq(puppet.count(), 0);
        _deliverDelegate(signed, 1);
        _expectLocked(books, PAYER, FEE);
        _expectPaid(books, signed.subscription, NODE);
        _assertBooks(books);
    }

    // --- Nonces

    /// @dev The second pays five times as much, to the attacker. It never lives: not beside the first, not after it.
    function test_Attack_TwoSignedStructsUnderOneNonce() public {
        Subscription memory s = _paid();
        Subscription memory dear = _paid();
        (dear.fee, dear.node) = (5 * FEE, ATTACKER);
        DelegateRequest memory second = _request(NONCE, dear);
        Books memory books = _books();
        _createDelegate(_request(NONCE, s));
        _expectLocked(books, PAYER, FEE);

        bytes4 mismatch = ICoordinator.TermsMismatch.selector;
        _allRefused(second, mismatch);
        _refused(ATTACKER, _delivery(ID, dear), mismatch);
        _refused(ATTACKER, _call(ICoordinator.expire.selector, ID, dear), mismatch);
        _assertBooks(books);
        _assertStillAnswered(books, ID, s);
        _allRefused(second, IEIP712Coordinator.NonceUsed.selector);
        _refused(ATTACKER, _delivery(ID, dear), ICoordinator.SubscriptionNotFound.selector);
        _assertBooks(books);
    }

    // --- Replays

    /// @dev After its answer, in the same batch already; after it was cancelled, or expired, or while it is pending.
    function testFuzz_Attack_SignatureReplayedAfterItsSubscriptionEnded(uint256 ending) public {
        ending = _bound(ending, 0, 3);
        Subscription memory s = ending == 2 ? _paidEachMinute(FOREVER, 1) : _judged();
        DelegateRequest memory r = _request(NONCE, s);
        Books memory books = _books();
        if (ending == 0) {
            bytes[] memory items = new bytes[](3);
            (items[0], items[1], items[2]) = (_deliverCall(r), _deliverCall(r), _deliverCall(r));
            vm.prank(NODE);
            coordinator.deliverModelOutputs(items);
            _expectLocked(books, PAYER, FEE);
            _expectPaid(books, s, NODE);
            vm.assertEq(puppet.count(), 1);
        } else if (ending == 1) {
            _createDelegate(r);
            vm.warp(uint256(s.deadline) + 1);
            coordinator.expire(ID, s);
        } else if (ending == 2) {
            s.activeAt = uint40(START + 1 hours);
            r = _request(NONCE, s);
            _createDelegate(r);
            puppet.cancel(ID);
            coordinator.expire(ID, s);
        } else {
            oracle.set(Verdict.Pending, UNTIL);
            _deliverDelegate(r, 1);
            _expectLocked(books, PAYER, FEE);
        }
        _allRefused(r, IEIP712Coordinator.NonceUsed.selector);
        _refused(ATTACKER, _delivery(ID, s), ICoordinator.SubscriptionNotFound.selector);
        bytes memory burn = abi.encodeCall(IEIP712Coordinator.burnNonce, (NONCE));
        _refused(s.owner, burn, IEIP712Coordinator.NonceUsed.selector);
        _assertBooks(books);
    }

    // --- Other terms than were signed

    /// @dev Any bit of any word of the terms, of the nonce and of the expiry.
    function testFuzz_Attack_DeliveredWithOtherTermsThanWereSigned(uint256 field, uint256 bit) public {
        field = _bound(field, 0, 22);
        DelegateRequest memory r = _request(NONCE, _paid());
        // The request is the first argument, its head is 26 words: nonce, expiry, 21 of terms, three offsets.
        bytes memory deliver = _flipped(_deliverCall(r), 4 + field, bit);
        bytes memory create = _flipped(_createCall(r), field, bit);
        Books memory books = _books();
        vm.prank(ATTACKER);
        (bool ok,) = address(coordinator).call(deliver);
        vm.assertFalse(ok, "delivered");
        vm.prank(ATTACKER);
        (ok,) = address(coordinator).call(create);
        vm.assertFalse(ok, "created");
        _assertBooks(books);
        vm.assertFalse(coordinator.isNonceUsed(address(puppet), NONCE));
        vm.prank(NODE);
        (ok,) = address(coordinator).call(_deliverCall(r));
        vm.assertTrue(ok);
        _expectLocked(books, PAYER, FEE);
        _expectPaid(books, r.subscription, NODE);
        _assertBooks(books);
    }

    /// @dev The container and the features are not in the struct: their hashes are.
    function testFuzz_Attack_DeliveredWithOtherFeaturesThanWereSigned(bytes calldata other) public {
        vm.assume(keccak256(other) != keccak256(FEATURES) && keccak256(other) != keccak256(bytes(CONTAINER)));
        DelegateRequest memory r = _request(NONCE, _paid());
        Books memory books = _books();
        r.features = other;
        _allRefused(r, ICoordinator.FeaturesMismatch.selector);
        (r.features, r.container) = (FEATURES, string(other));
        _allRefused(r, ICoordinator.ContainerMismatch.selector);
        _assertBooks(books);
    }

    // --- Signatures that are not the owner's any more

    /// @dev The other s, the other v, the compact form, v from 0: one signature has one form.
    function test_Attack_SignatureMalleated() public {
        DelegateRequest memory r = _request(NONCE, _paid());
        (uint8 v, bytes32 rr, bytes32 ss) =
            vm.sign(SIGNER_KEY, _digest(address(coordinator), block.chainid, NONCE, NO_EXPIRY, r.subscription));
        bytes32 other = bytes32(CURVE_ORDER - uint256(ss));
        uint8 flipped = v == 27 ? 28 : 27;
        bytes[5] memory forms = [
            abi.encodePacked(rr, other, flipped),
            abi.encodePacked(rr, other, v),
            abi.encodePacked(rr, ss, v - 27),
            abi.encodePacked(rr, bytes32(uint256(ss) | uint256(v - 27) << 255)),
            abi.encodePacked(rr, ss, v, uint8(0))
        ];
        Books memory books = _books();
        for (uint256 i; i < 5; ++i) {
            DelegateRequest memory forged = _request(NONCE, r.subscription);
            forged.signature = forms[i];
            _allRefused(forged, IEIP712Coordinator.InvalidSignature.selector);
        }
        _assertBooks(books);
        _assertForged(_withSignature(r, forms[0]), IEIP712Coordinator.InvalidSignature.selector, r);
    }

    function _withSignature(DelegateRequest memory r, bytes memory signature)
        private
        pure
        returns (DelegateRequest memory)
    {
        return DelegateRequest(r.nonce, r.expiry, r.subscription, r.container, r.features, signature);
    }

    function testFuzz_Attack_SignatureExpired(uint40 late) public {
        Subscription memory s = _paid();
        s.deadline = uint40(START + 300 days);
        uint40 expiry = uint40(START + 60);
        DelegateRequest memory r = _request(NONCE, s);
        (r.expiry, r.signature) = (expiry, _sign(SIGNER_KEY, NONCE, expiry, s));
        DelegateRequest memory longer = _withSignature(r, r.signature);
        longer.expiry = NO_EXPIRY;
        vm.warp(uint256(expiry) + _bound(late, 1, 299 days));
        Books memory books = _books();
        _allRefused(r, IEIP712Coordinator.SignatureExpired.selector);
        _allRefused(longer, IEIP712Coordinator.InvalidSignature.selector);
        _assertBooks(books);
        vm.assertFalse(coordinator.isNonceUsed(s.owner, NONCE));
    }

    /// @dev The old key signs after it was taken away, and presents what it signed before.
    function test_Attack_SignatureFromARotatedSigner() public {
        DelegateRequest memory r = _request(NONCE, _paid());
        puppet.updateSigner(vm.addr(0x2222));
        DelegateRequest memory good = _withSignature(r, _sign(0x2222, NONCE, NO_EXPIRY, r.subscription));
        _assertForged(r, IEIP712Coordinator.InvalidSignature.selector, good);
    }

    /// @dev Delegation switched off: the zero address is what a broken signature recovers to.
    function test_Attack_SignatureOfNobody() public {
        puppet.updateSigner(address(0));
        DelegateRequest memory r = _request(NONCE, _paid());
        Books memory books = _books();
        _allRefused(r, IEIP712Coordinator.InvalidSignature.selector);
        _allRefused(_withSignature(r, new bytes(65)), IEIP712Coordinator.InvalidSignature.selector);
        _allRefused(_withSignature(r, ""), IEIP712Coordinator.InvalidSignature.selector);
        _assertBooks(books);
    }

    function testFuzz_Attack_SignatureForAnotherChain(uint64 chain) public {
        vm.assume(chain != block.chainid);
        DelegateRequest memory r = _request(NONCE, _paid());
        bytes32 digest = _digest(address(coordinator), chain, NONCE, NO_EXPIRY, r.subscription);
        DelegateRequest memory foreign = _withSignature(r, _signDigest(SIGNER_KEY, digest));
        _assertForged(foreign, IEIP712Coordinator.InvalidSignature.selector, r);
    }

    /// @dev The chain forks after the request was signed: it is answered on the side whose id it names, and brought to the
    /// other, where the payer has the same money.
    function test_Attack_SignatureBroughtToTheOtherSideOfAFork() public {
        DelegateRequest memory r = _request(NONCE, _paid());
        vm.chainId(block.chainid + 1);
        DelegateRequest memory good = _request(NONCE, r.subscription);
        _assertForged(r, IEIP712Coordinator.InvalidSignature.selector, good);
    }

    /// @dev The same request is answered on one Coordinator and brought to the other, which has as much of its money.
    function test_Attack_SignatureForAnotherCoordinator() public {
        DelegateRequest memory r = _request(NONCE, _paid());
        IEIP712Coordinator other = _deployWith(PROTOCOL_BPS, PROTOCOL);
        bytes32 digest = _digest(address(other), block.chainid, NONCE, NO_EXPIRY, r.subscription);
        DelegateRequest memory foreign = _withSignature(r, _signDigest(SIGNER_KEY, digest));
        _assertForged(foreign, IEIP712Coordinator.InvalidSignature.selector, r);
        _refused(ATTACKER, address(other), _deliverCall(r), ILedger.InsufficientBalance.selector);
        vm.deal(address(this), FEE);
        other.deposit{value: FEE}(PAYER, address(0), FEE);
        vm.prank(PAYER);
        other.allow(address(puppet), address(0), FEE);
        _refused(ATTACKER, address(other), _deliverCall(r), IEIP712Coordinator.InvalidSignature.selector);
    }

    // --- ERC-1271

    function test_Attack_Erc1271SignersThatLie() public {
        Subscription memory s = _paid();
        for (uint8 i = uint8(Wallet.Character.AlwaysNo); i <= uint8(Wallet.Character.ReturnsNothing); ++i) {
            puppet.updateSigner(address(new Wallet(Wallet.Character(i))));
            Books memory books = _books();
            _allRefused(_request(NONCE, s), IEIP712Coordinator.InvalidSignature.selector);
            _assertBooks(books);
        }
        // The Coordinator itself, a registry or a precompile as a signer: they say nothing, or something else.
        address[4] memory odd = [address(coordinator), address(nodes), address(2), address(4)];
        for (uint256 i; i < 4; ++i) {
            puppet.updateSigner(odd[i]);
            Books memory books = _books();
            _allRefused(_request(NONCE, s), IEIP712Coordinator.InvalidSignature.selector);
            _assertBooks(books);
        }
        vm.assertFalse(coordinator.isNonceUsed(s.owner, NONCE));
    }

    /// @dev It says yes to everything, for an owner of its own: that opens nobody else's purse.
    function test_Attack_AnOwnerThatSignsEverythingSpendsAPayersMoney() public {
        Intruder liar = new Intruder();
        Subscription memory s = _paid();
        s.owner = address(liar);
        Books memory books = _books();
        _allRefused(_request(NONCE, s), ILedger.InsufficientAllowance.selector);
        s.payer = address(0);
        _allRefused(_request(NONCE, s), ILedger.InsufficientBalance.selector);
        (s.owner, s.payer) = (address(puppet), PAYER);
        DelegateRequest memory r = _request(NONCE, s);
        r.signature = "yes";
        _allRefused(r, IEIP712Coordinator.InvalidSignature.selector);
        _assertBooks(books);
    }

    /// @dev It signs, the node computes, it takes its word back: what was created is answered and paid.
    function test_Attack_ASignerChangesItsMindBetweenCreationAndDelivery() public {
        Wallet wallet = new Wallet(Wallet.Character.Honest);
        puppet.updateSigner(address(wallet));
        Subscription memory s = _paid();
        wallet.approve(_digest(address(coordinator), block.chainid, NONCE, NO_EXPIRY, s));
        DelegateRequest memory r = _request(NONCE, s);
        Books memory books = _books();
        _createDelegate(r);
        _expectLocked(books, PAYER, FEE);
        wallet.approve(0);
        puppet.updateSigner(address(0));
        _assertBooks(books);
        vm.assertEq(_createDelegate(r), ID);
        _deliverDelegate(r, 1);
        _expectPaid(books, s, NODE);
        _assertBooks(books);

        // Before the creation it changes everything: the node, which creates and delivers at once, loses its gas only.
        r = _request(NONCE + 1, s);
        _allRefused(r, IEIP712Coordinator.InvalidSignature.selector);
        _assertBooks(books);
    }

    // --- Signers that are no signers

    /// @dev `signer()` returns an address with dirty upper bits.
    function testFuzz_Attack_SignerIsMoreThanAnAddress(uint96 dirt) public {
        dirt = uint96(_bound(dirt, 1, type(uint96).max));
        OddSigner odd = new OddSigner();
        odd.set(uint256(uint160(vm.addr(SIGNER_KEY))) | uint256(dirt) << 160);
        Subscription memory s = _terms();
        s.owner = address(odd);
        Books memory books = _books();
        _allRefused(_request(NONCE, s), IEIP712Coordinator.InvalidSignature.selector);
        _assertBooks(books);
    }

    /// @dev In a batch, a consumer whose `signer()` burns all gas: the batch is undone, and costs its sender the gas. No
    /// money moves, and without that item all is as before. Simulate, and leave such owners out.
    function test_Attack_ASignerThatBurnsAllGas() public {
        Subscription memory s = _paid();
        uint32 id = _create(s);
        Subscription memory bad = _terms();
        bad.owner = address(new BurningSigner());
        bytes[] memory items = new bytes[](2);
        (items[0], items[1]) = (_deliverCall(_request(NONCE, bad)), _delivery(id, s));
        Books memory books = _books();
        vm.prank(NODE);
        (bool ok, bytes memory result) =
            address(coordinator).call{gas: 10_000_000}(abi.encodeCall(ICoordinator.deliverModelOutputs, (items)));
        vm.assertFalse(ok);
        vm.assertEq(bytes32(bytes4(result)), bytes32(ICoordinator.InsufficientGas.selector));
        _assertBooks(books);
        _assertStillAnswered(books, id, s);
    }
}
