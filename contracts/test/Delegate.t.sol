// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICoordinator} from "../src/interfaces/ICoordinator.sol";
import {IEIP712Coordinator} from "../src/interfaces/IEIP712Coordinator.sol";
import {DelegateRequest, Subscription} from "../src/Subscription.sol";
import {Base} from "./Base.sol";
import {BadDelegator, Puppet, Wallet} from "./Puppet.sol";

/// @dev Subscriptions that are signed off chain.
contract DelegateTest is Base {
    uint32 private constant DELEGATED = 2 ** 31;
    uint256 private constant CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    function _nonceUsed(uint32 nonce) private view returns (bytes memory) {
        return abi.encodeWithSelector(IEIP712Coordinator.NonceUsed.selector, address(puppet), nonce);
    }

    function _invalid() private view returns (bytes memory) {
        return
            abi.encodeWithSelector(IEIP712Coordinator.InvalidSignature.selector, address(puppet), vm.addr(SIGNER_KEY));
    }

    function _assertBothRevert(DelegateRequest memory r, bytes memory reason) private {
        vm.expectRevert(reason);
        _createDelegate(r);
        vm.expectRevert(reason);
        _deliverDelegate(r, 1);
        vm.assertFalse(coordinator.isNonceUsed(r.subscription.owner, r.nonce));
    }

    // --- Create

    function testFuzz_CreatesWhatWasSigned(uint32 nonce, uint40 expiry, uint256 frequency, uint16 redundancy) public {
        nonce = uint32(_bound(nonce, 0, DELEGATED - 1));
        expiry = uint40(_bound(expiry, START, type(uint40).max));
        Subscription memory s =
            _recurring(_bound(frequency, 1, type(uint256).max), 60, uint16(_bound(redundancy, 1, type(uint16).max)));
        DelegateRequest memory r =
            DelegateRequest(nonce, expiry, s, CONTAINER, FEATURES, _sign(SIGNER_KEY, nonce, expiry, s));

        vm.expectEmit(address(coordinator));
        emit ICoordinator.SubscriptionCreated(address(puppet), DELEGATED | nonce, s.containerId, s, CONTAINER, FEATURES);
        vm.assertEq(_createDelegate(r), DELEGATED | nonce);
        vm.assertEq(_word(address(puppet), DELEGATED | nonce), _commitment(s));
        vm.assertTrue(coordinator.isNonceUsed(address(puppet), nonce));
        vm.assertEq(coordinator.lastId(), 0);
    }

    function test_CreatingAgainReturnsTheSameId() public {
        DelegateRequest memory r = _request(5, _terms());
        uint32 id = _createDelegate(r);
        vm.recordLogs();
        r.signature = "";
        vm.warp(START + 1000);
        r.expiry = 0; // neither is looked at again
        vm.assertEq(_createDelegate(r), id);
        vm.assertEq(vm.getRecordedLogs().length, 0);
    }

    function test_OwnerCancelsADelegatedSubscription() public {
        DelegateRequest memory r = _request(5, _terms());
        uint32 id = _createDelegate(r);
        vm.expectEmit(address(coordinator));
        emit ICoordinator.SubscriptionCancelled(address(puppet), id);
        puppet.cancel(id);
        vm.expectRevert(_nonceUsed(5));
        _createDelegate(r);
        vm.expectRevert(_nonceUsed(5));
        _deliverDelegate(r, 1);
    }

    // --- Create and deliver

    function testFuzz_CreatesAndDeliversAtOnce(uint32 nonce, bytes calldata output, bytes calldata proof) public {
        nonce = uint32(_bound(nonce, 0, DELEGATED - 1));
        Subscription memory s = _terms();
        DelegateRequest memory r = _request(nonce, s);

        vm.expectEmit(address(coordinator));
        emit ICoordinator.SubscriptionCreated(address(puppet), DELEGATED | nonce, s.containerId, s, CONTAINER, FEATURES);
        vm.expectEmit(address(coordinator));
        emit ICoordinator.SubscriptionFulfilled(address(puppet), DELEGATED | nonce, NODE, 1, 1, true);
        vm.prank(NODE);
        coordinator.deliverModelOutputDelegate(r, 1, output, proof);

        vm.assertEq(puppet.last().id, DELEGATED | nonce);
        vm.assertEq(puppet.last().output, output);
        vm.assertEq(puppet.last().proof, proof);
        vm.assertEq(_word(address(puppet), DELEGATED | nonce), 0);
    }

    function test_OneAnswerWritesNothingButItsBit() public {
        DelegateRequest memory r = _request(5, _terms());
        vm.record();
        _deliverDelegate(r, 1);
        (, bytes32[] memory writes) = vm.accesses(address(coordinator));
        vm.assertEq(writes.length, 1);
        vm.assertEq(uint256(vm.load(address(coordinator), writes[0])), 1 << 5);
    }

    function test_DeliversToWhatWasCreatedBefore() public {
        DelegateRequest memory r = _request(5, _terms());
        uint32 id = _createDelegate(r);
        r.signature = "";
        _deliverDelegate(r, 1);
        vm.assertEq(puppet.last().id, id);
        vm.expectRevert(_nonceUsed(5));
        _deliverDelegate(r, 1);
    }

    function test_APlainDeliveryFindsADelegatedSubscription() public {
        Subscription memory s = _terms();
        uint32 id = _createDelegate(_request(5, s));
        _deliver(id, 1, s);
        vm.assertEq(puppet.last().id, id);
    }

    function test_RecurringRedundantIsCreatedOnceAndDeliveredOften() public {
        Subscription memory s = _recurring(2, 60, 2);
        DelegateRequest memory r = _request(5, s);
        _deliverDelegate(r, 1);
        vm.prank(OTHER_NODE);
        coordinator.deliverModelOutputDelegate(r, 1, OUTPUT, PROOF);
        vm.warp(START + 60);
        puppet.updateSigner(address(0)); // only the first delivery needed it
        _deliverDelegate(r, 2);
        vm.prank(OTHER_NODE);
        coordinator.deliverModelOutputDelegate(r, 2, OUTPUT, PROOF);
        vm.assertEq(puppet.count(), 4);
        vm.expectRevert(_nonceUsed(5));
        _deliverDelegate(r, 2);
    }

    function test_AFirstDeliveryMayBeTheLast() public {
        Subscription memory s = _recurring(2, 60, 1);
        vm.warp(START + 60);
        s.activeAt = uint40(START);
        DelegateRequest memory r = _request(5, s);
        _deliverDelegate(r, 2);
        vm.assertEq(_word(address(puppet), DELEGATED | 5), 0);
        vm.expectRevert(_nonceUsed(5));
        _deliverDelegate(r, 2);
    }

    function test_AFailedDeliveryLeavesTheNonceUnused() public {
        DelegateRequest memory r = _request(5, _terms());
        puppet.setMood(Puppet.Mood.Revert);
        vm.expectRevert(
            abi.encodeWithSelector(
                ICoordinator.CallbackFailed.selector,
                address(puppet),
                DELEGATED | 5,
                abi.encodeWithSelector(Puppet.Refused.selector, 42)
            )
        );
        _deliverDelegate(r, 1);
        vm.assertFalse(coordinator.isNonceUsed(address(puppet), 5));
        puppet.setMood(Puppet.Mood.Store);
        _deliverDelegate(r, 1);
        vm.assertEq(puppet.count(), 1);
    }

    function test_DeliveryChecksApply() public {
        Subscription memory s = _terms();
        s.node = OTHER_NODE;
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.NotNamedNode.selector, NODE, OTHER_NODE));
        _deliverDelegate(_request(1, s), 1);
        s.node = address(0);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.IntervalMismatch.selector, 2, 1));
        _deliverDelegate(_request(1, s), 2);
        vm.txGasPrice(101 gwei);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.GasPriceTooHigh.selector, 101 gwei, 100 gwei));
        _deliverDelegate(_request(1, s), 1);
    }

    function test_CreationChecksApply() public {
        Subscription memory s = _recurring(1, 0, 0);
        _assertBothRevert(_request(1, s), abi.encodeWithSelector(ICoordinator.ZeroRedundancy.selector));
        s = _terms();
        s.mode = 32;
        _assertBothRevert(_request(1, s), abi.encodeWithSelector(ICoordinator.UnknownMode.selector, 32));
        DelegateRequest memory r = _request(1, _terms());
        r.container = "other";
        _assertBothRevert(
            r,
            abi.encodeWithSelector(
                ICoordinator.ContainerMismatch.selector, r.subscription.containerId, keccak256("other")
            )
        );
        r = _request(1, _terms());
        r.features = "other";
        _assertBothRevert(
            r,
            abi.encodeWithSelector(
                ICoordinator.FeaturesMismatch.selector, r.subscription.featuresHash, keccak256("other")
            )
        );
    }

    // --- Nonces

    function testFuzz_RevertWhen_NonceIsTooHigh(uint32 nonce) public {
        nonce = uint32(_bound(nonce, DELEGATED, type(uint32).max));
        bytes memory reason = abi.encodeWithSelector(IEIP712Coordinator.NonceTooHigh.selector, nonce);
        _assertBothRevert(_request(nonce, _terms()), reason);
        vm.expectRevert(reason);
        coordinator.burnNonce(nonce);
    }

    function testFuzz_OwnerBurnsANonce(uint32 nonce) public {
        nonce = uint32(_bound(nonce, 0, DELEGATED - 1));
        vm.expectEmit(address(coordinator));
        emit IEIP712Coordinator.NonceBurned(address(puppet), nonce);
        vm.prank(address(puppet));
        coordinator.burnNonce(nonce);

        vm.assertTrue(coordinator.isNonceUsed(address(puppet), nonce));
        DelegateRequest memory r = _request(nonce, _terms());
        vm.expectRevert(_nonceUsed(nonce));
        _createDelegate(r);
        vm.expectRevert(_nonceUsed(nonce));
        _deliverDelegate(r, 1);
        vm.prank(address(puppet));
        vm.expectRevert(_nonceUsed(nonce));
        coordinator.burnNonce(nonce);
    }

    function testFuzz_NoncesDoNotTouchEachOther(uint32 a, uint32 b) public {
        a = uint32(_bound(a, 0, DELEGATED - 1));
        b = uint32(_bound(b, 0, DELEGATED - 1));
        vm.assume(a != b);
        vm.prank(address(puppet));
        coordinator.burnNonce(a);
        vm.assertFalse(coordinator.isNonceUsed(address(puppet), b));
        vm.assertFalse(coordinator.isNonceUsed(NODE, a));
        _deliverDelegate(_request(b, _terms()), 1);
        vm.assertTrue(coordinator.isNonceUsed(address(puppet), a));
    }

    function test_RevertWhen_BurningAUsedNonce() public {
        _createDelegate(_request(5, _terms()));
        vm.prank(address(puppet));
        vm.expectRevert(_nonceUsed(5));
        coordinator.burnNonce(5);
    }

    // --- Attacks

    /// @dev Two signed structs under one nonce: the first wins, the second never lives.
    function test_RevertWhen_TwoStructsShareANonce() public {
        DelegateRequest memory first = _request(5, _recurring(FOREVER, 60, 1));
        Subscription memory s = _terms();
        s.maxGasPrice = 99 gwei;
        DelegateRequest memory second = _request(5, s);
        uint32 id = _createDelegate(first);
        vm.expectRevert(_mismatch(address(puppet), id));
        _createDelegate(second);
        vm.expectRevert(_mismatch(address(puppet), id));
        _deliverDelegate(second, 1);
        vm.expectRevert(_mismatch(address(puppet), id));
        _deliver(id, 1, s);

        puppet.cancel(id);
        vm.expectRevert(_nonceUsed(5));
        _deliverDelegate(second, 1);
    }

    function test_RevertWhen_ReplayedAfterCompletion() public {
        DelegateRequest memory r = _request(5, _terms());
        _deliverDelegate(r, 1);
        vm.expectRevert(_nonceUsed(5));
        _deliverDelegate(r, 1);
        vm.expectRevert(_nonceUsed(5));
        _createDelegate(r);
        vm.expectRevert(_notFound(address(puppet), DELEGATED | 5));
        _deliver(DELEGATED | 5, 1, r.subscription);
    }

    function testFuzz_RevertWhen_TermsAreOtherThanSigned(uint48 maxGasPrice, uint32 period, address node) public {
        Subscription memory s = _terms();
        DelegateRequest memory r = _request(5, s);
        maxGasPrice = uint48(_bound(maxGasPrice, 1, type(uint48).max));
        vm.assume(maxGasPrice != s.maxGasPrice || period != s.period || node != s.node);
        (s.maxGasPrice, s.period, s.node) = (maxGasPrice, period, node);
        vm.expectRevert(_invalid());
        _createDelegate(r);
    }

    function test_RevertWhen_NonceOrExpiryIsOtherThanSigned() public {
        DelegateRequest memory r = _request(5, _terms());
        r.nonce = 6;
        _assertBothRevert(r, _invalid());
        r = _request(5, _terms());
        r.expiry -= 1;
        _assertBothRevert(r, _invalid());
    }

    function testFuzz_RevertWhen_Expired(uint40 expiry, uint40 late) public {
        expiry = uint40(_bound(expiry, 1, type(uint40).max - 1));
        late = uint40(_bound(late, 1, type(uint40).max - expiry));
        vm.warp(expiry);
        Subscription memory s = _terms();
        DelegateRequest memory r = DelegateRequest(5, expiry, s, CONTAINER, FEATURES, _sign(SIGNER_KEY, 5, expiry, s));
        vm.warp(uint256(expiry) + late);
        _assertBothRevert(
            r, abi.encodeWithSelector(IEIP712Coordinator.SignatureExpired.selector, uint256(expiry) + late, expiry)
        );
        vm.warp(expiry); // still good in its last second
        _deliverDelegate(r, 1);
    }

    function test_RevertWhen_SignerWasRotated() public {
        DelegateRequest memory r = _request(5, _terms());
        puppet.updateSigner(NODE);
        _assertBothRevert(
            r, abi.encodeWithSelector(IEIP712Coordinator.InvalidSignature.selector, address(puppet), NODE)
        );
    }

    function test_RevertWhen_ThereIsNoSigner() public {
        puppet.updateSigner(address(0));
        DelegateRequest memory r = _request(5, _terms());
        bytes memory reason =
            abi.encodeWithSelector(IEIP712Coordinator.InvalidSignature.selector, address(puppet), address(0));
        _assertBothRevert(r, reason);
        r.signature = new bytes(65); // recovers nobody, which is not the zero address
        _assertBothRevert(r, reason);
    }

    function testFuzz_RevertWhen_AnotherSigned(uint256 key) public {
        key = _bound(key, 1, CURVE_ORDER - 1);
        vm.assume(key != SIGNER_KEY);
        DelegateRequest memory r = _request(5, _terms());
        r.signature = _sign(key, 5, NO_EXPIRY, r.subscription);
        _assertBothRevert(r, _invalid());
    }

    /// @dev The same signature with the other s, which the curve accepts as well.
    function test_RevertWhen_SignatureIsMalleated() public {
        DelegateRequest memory r = _request(5, _terms());
        (uint8 v, bytes32 rr, bytes32 ss) =
            vm.sign(SIGNER_KEY, _digest(address(coordinator), block.chainid, 5, NO_EXPIRY, r.subscription));
        r.signature = abi.encodePacked(rr, bytes32(CURVE_ORDER - uint256(ss)), v == 27 ? uint8(28) : uint8(27));
        _assertBothRevert(r, _invalid());
    }

    function testFuzz_RevertWhen_SignatureIsGarbage(bytes calldata signature) public {
        DelegateRequest memory r = _request(5, _terms());
        r.signature = signature;
        _assertBothRevert(r, _invalid());
    }

    function testFuzz_RevertWhen_SignedForAnotherChain(uint64 chain) public {
        vm.assume(chain != block.chainid);
        DelegateRequest memory r = _request(5, _terms());
        r.signature = _signDigest(SIGNER_KEY, _digest(address(coordinator), chain, 5, NO_EXPIRY, r.subscription));
        _assertBothRevert(r, _invalid());
    }

    /// @dev After a fork of the chain, signatures belong to the side whose id they name.
    function test_RevertWhen_TheChainForks() public {
        DelegateRequest memory r = _request(5, _terms());
        vm.chainId(block.chainid + 1);
        _assertBothRevert(r, _invalid());
        _deliverDelegate(_request(5, r.subscription), 1);
    }

    function test_RevertWhen_SignedForAnotherCoordinator() public {
        IEIP712Coordinator other = _deploy();
        DelegateRequest memory r = _request(5, _terms());
        r.signature = _signDigest(SIGNER_KEY, _digest(address(other), block.chainid, 5, NO_EXPIRY, r.subscription));
        _assertBothRevert(r, _invalid());
    }

    function test_RevertWhen_TheOwnerIsNotAContract() public {
        Subscription memory s = _terms();
        s.owner = vm.addr(SIGNER_KEY); // not even the signer itself
        DelegateRequest memory r = _request(5, s);
        _assertBothRevert(r, abi.encodeWithSelector(IEIP712Coordinator.InvalidSignature.selector, s.owner, address(0)));
    }

    function test_RevertWhen_TheOwnerNamesNoSigner() public {
        BadDelegator bad = new BadDelegator(address(coordinator), vm.addr(SIGNER_KEY), false);
        Subscription memory s = _terms();
        s.owner = address(bad);
        _assertBothRevert(
            _request(5, s),
            abi.encodeWithSelector(IEIP712Coordinator.InvalidSignature.selector, address(bad), address(0))
        );
    }

    // --- ERC-1271

    function test_AWalletSigns() public {
        Wallet wallet = new Wallet(Wallet.Character.Honest);
        puppet.updateSigner(address(wallet));
        Subscription memory s = _terms();
        wallet.approve(_digest(address(coordinator), block.chainid, 5, NO_EXPIRY, s));
        DelegateRequest memory r = _request(5, s);
        r.signature = hex"c0ffee"; // the wallet's own business
        _deliverDelegate(r, 1);
        vm.assertEq(puppet.count(), 1);
        r.nonce = 6;
        vm.expectRevert(
            abi.encodeWithSelector(IEIP712Coordinator.InvalidSignature.selector, address(puppet), address(wallet))
        );
        _deliverDelegate(r, 1);
    }

    /// @dev The key of a signer that became a contract no longer signs for it.
    function test_RevertWhen_AWalletLies() public {
        for (uint8 i = uint8(Wallet.Character.AlwaysNo); i <= uint8(Wallet.Character.ReturnsNothing); ++i) {
            Wallet wallet = new Wallet(Wallet.Character(i));
            puppet.updateSigner(address(wallet));
            _assertBothRevert(
                _request(5, _terms()),
                abi.encodeWithSelector(IEIP712Coordinator.InvalidSignature.selector, address(puppet), address(wallet))
            );
        }
    }
}
