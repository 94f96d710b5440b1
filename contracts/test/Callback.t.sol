// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICoordinator} from "../src/interfaces/ICoordinator.sol";
import {DelegateRequest, Subscription} from "../src/Subscription.sol";
import {Base} from "./Base.sol";
import {BadDelegator, Puppet, Wallet} from "./Puppet.sol";

/// @dev The consumer's callback: its gas, its failures, what it may call.
contract CallbackTest is Base {
    uint32 private id;
    Subscription private terms;

    function setUp() public override {
        super.setUp();
        terms = _terms();
        id = _create(terms);
    }

    function _failure(bytes memory reason) private view returns (bytes memory) {
        return abi.encodeWithSelector(ICoordinator.CallbackFailed.selector, address(puppet), id, reason);
    }

    // --- Failures

    function test_RevertWhen_ConsumerReverts() public {
        puppet.setMood(Puppet.Mood.Revert);
        vm.expectRevert(_failure(abi.encodeWithSelector(Puppet.Refused.selector, 42)));
        _deliver(id, 1, terms);
        vm.assertEq(_word(address(puppet), id), _commitment(terms));

        puppet.setMood(Puppet.Mood.Store);
        _deliverBy(OTHER_NODE, id, 1, terms);
        vm.assertEq(puppet.last().node, OTHER_NODE);
    }

    function test_RevertWhen_ConsumerBurnsAllGas() public {
        puppet.setMood(Puppet.Mood.BurnGas);
        bytes memory data = abi.encodeCall(coordinator.deliverModelOutput, (id, 1, terms, OUTPUT, PROOF));
        uint256 before = gasleft();
        (bool ok, bytes memory result) = address(coordinator).call(data);
        uint256 spent = before - gasleft();
        vm.assertFalse(ok);
        vm.assertEq(result, _failure(""));
        vm.assertLt(spent, CALLBACK_GAS + 60_000);
        vm.assertEq(_word(address(puppet), id), _commitment(terms));
    }

    function test_AMegabyteOfReturnDataIsNotCopied() public {
        // The consumer pays 2 million gas for its own memory; copying that once more would cost as much again.
        Subscription memory s = terms;
        s.maxGasLimit = overhead + 3_000_000;
        id = _create(s);
        puppet.setMood(Puppet.Mood.ReturnMegabyte);
        uint256 before = gasleft();
        _deliver(id, 1, s);
        vm.assertLt(before - gasleft(), 2_300_000);
        vm.assertEq(_word(address(puppet), id), 0);
    }

    function test_RevertWhen_ConsumerRevertsWithAMegabyte() public {
        Subscription memory s = terms;
        s.maxGasLimit = overhead + 3_000_000;
        id = _create(s);
        puppet.setMood(Puppet.Mood.RevertMegabyte);
        bytes memory data = abi.encodeCall(coordinator.deliverModelOutput, (id, 1, s, OUTPUT, PROOF));
        uint256 before = gasleft();
        (bool ok, bytes memory result) = address(coordinator).call(data);
        vm.assertLt(before - gasleft(), 2_300_000);
        vm.assertFalse(ok);
        vm.assertEq(result.length, 4 + 4 * 32 + 256);
        bytes memory reason = new bytes(256);
        reason[0x5f] = 0x80; // the free memory pointer
        vm.assertEq(result, _failure(reason));
    }

    // --- Gas

    /// @dev Whatever gas the transaction has, the callback starts with the same amount or nothing happens at all.
    function testFuzz_TheCallbackHasExactlyItsGas(uint256 given) public {
        given = _bound(given, 50_000, 2_000_000);
        Subscription memory s = terms;
        _deliver(id, 1, s);
        uint256 expected = puppet.gasSeen();
        vm.assertLe(expected, CALLBACK_GAS);
        vm.assertGe(expected, CALLBACK_GAS - 2_000);

        id = _create(s);
        bytes memory data = abi.encodeCall(coordinator.deliverModelOutput, (id, 1, s, OUTPUT, PROOF));
        (bool ok, bytes memory result) = address(coordinator).call{gas: given}(data);
        if (ok) {
            vm.assertEq(puppet.gasSeen(), expected);
            vm.assertEq(puppet.count(), 2);
        } else {
            vm.assertLt(given, CALLBACK_GAS + 60_000);
            vm.assertEq(bytes32(bytes4(result)), bytes32(ICoordinator.InsufficientGas.selector));
            vm.assertEq(_word(address(puppet), id), _commitment(s));
            vm.assertEq(puppet.count(), 1);
        }
    }

    /// @dev Around the threshold, gas by gas.
    function test_TheThresholdIsSharp() public {
        _deliver(id, 1, terms);
        uint256 expected = puppet.gasSeen();
        uint256 delivered;
        for (uint256 given = CALLBACK_GAS + 20_000; given < CALLBACK_GAS + 40_000; given += 61) {
            id = _create(terms);
            bytes memory data = abi.encodeCall(coordinator.deliverModelOutput, (id, 1, terms, OUTPUT, PROOF));
            (bool ok, bytes memory result) = address(coordinator).call{gas: given}(data);
            if (ok) {
                ++delivered;
                vm.assertEq(puppet.gasSeen(), expected);
            } else {
                vm.assertEq(delivered, 0, "less gas was enough before");
                vm.assertEq(bytes32(bytes4(result)), bytes32(ICoordinator.InsufficientGas.selector));
            }
        }
        vm.assertGt(delivered, 0);
        vm.assertLt(delivered, 327);
    }

    /// @dev What is left after a callback that took all its gas still suffices to finish.
    function test_TheReserveSufficesAfterAGreedyCallback() public {
        puppet.setMood(Puppet.Mood.BurnGas);
        for (uint256 given = CALLBACK_GAS + 20_000; given < CALLBACK_GAS + 40_000; given += 61) {
            bytes memory data = abi.encodeCall(coordinator.deliverModelOutput, (id, 1, terms, OUTPUT, PROOF));
            (bool ok, bytes memory result) = address(coordinator).call{gas: given}(data);
            vm.assertFalse(ok);
            bool named = bytes4(result) == ICoordinator.InsufficientGas.selector
                || bytes4(result) == ICoordinator.CallbackFailed.selector;
            vm.assertTrue(named, "ran out of gas outside the callback");
        }
    }

    function test_RevertWhen_GasIsInsufficient() public {
        bytes memory data = abi.encodeCall(coordinator.deliverModelOutput, (id, 1, terms, OUTPUT, PROOF));
        (bool ok, bytes memory result) = address(coordinator).call{gas: CALLBACK_GAS}(data);
        vm.assertFalse(ok);
        (uint256 available, uint256 required) = abi.decode(_tail(result), (uint256, uint256));
        vm.assertLt(available, CALLBACK_GAS);
        vm.assertEq(required, (uint256(CALLBACK_GAS) * 64 + 62) / 63 + 10_000);
    }

    function test_ACallbackWithoutGasOfItsOwn() public {
        Subscription memory s = terms;
        s.maxGasLimit = overhead;
        id = _create(s);
        vm.expectRevert(_failure(""));
        _deliver(id, 1, s);
    }

    function _tail(bytes memory result) private pure returns (bytes memory tail) {
        tail = new bytes(result.length - 4);
        for (uint256 i; i < tail.length; ++i) {
            tail[i] = result[i + 4];
        }
    }

    // --- What a callback may call

    /// @dev It may ask the next question, and the finished delivery does not disturb it.
    function test_ACallbackAsksTheNextQuestion() public {
        bytes4 plain = bytes4(keccak256("createSubscription(string,bytes,uint48,uint32,uint256,uint32,uint16)"));
        puppet.setScript(abi.encodeWithSelector(plain, CONTAINER, FEATURES, 100 gwei, overhead + CALLBACK_GAS, 1, 0, 1));
        _deliver(id, 1, terms);

        vm.assertTrue(puppet.scriptOk());
        uint32 next = abi.decode(puppet.scriptResult(), (uint32));
        vm.assertEq(next, id + 1);
        vm.assertEq(_word(address(puppet), id), 0);
        vm.assertEq(_word(address(puppet), next), _commitment(terms));
        _deliver(next, 1, terms);
        vm.assertEq(puppet.count(), 2);
    }

    function test_ACallbackAsksWithFullTerms() public {
        puppet.setScript(_createCall(terms));
        _deliver(id, 1, terms);
        vm.assertTrue(puppet.scriptOk());
        vm.assertEq(_word(address(puppet), id + 1), _commitment(terms));
    }

    /// @dev It may stop its own subscription: the delivery, whose effects came before, does not bring it back.
    function test_ACallbackCancelsItsOwnSubscription() public {
        Subscription memory s = _recurring(FOREVER, 60, 2);
        id = _create(s);
        puppet.setScript(abi.encodeCall(coordinator.cancelSubscription, (id)));
        _deliver(id, 1, s);

        vm.assertTrue(puppet.scriptOk());
        vm.assertEq(_word(address(puppet), id), 0);
        vm.expectRevert(_notFound(address(puppet), id));
        _deliverBy(OTHER_NODE, id, 1, s);
    }

    function test_ACallbackCancelsAnother() public {
        uint32 other = _create(terms);
        puppet.setScript(abi.encodeCall(coordinator.cancelSubscription, (other)));
        _deliver(id, 1, terms);
        vm.assertTrue(puppet.scriptOk());
        vm.assertEq(_word(address(puppet), other), 0);
    }

    function test_ACallbackCannotCancelWhatItCompleted() public {
        puppet.setScript(abi.encodeCall(coordinator.cancelSubscription, (id)));
        _deliver(id, 1, terms);
        vm.assertFalse(puppet.scriptOk());
        vm.assertEq(puppet.scriptResult(), _notFound(address(puppet), id));
    }

    function _assertLocked(bytes memory script) private {
        puppet.setScript(script);
        id = _create(terms);
        _deliver(id, 1, terms);
        vm.assertFalse(puppet.scriptOk());
        vm.assertEq(puppet.scriptResult(), abi.encodeWithSelector(ICoordinator.Reentered.selector));
    }

    function test_EverythingElseIsLockedInACallback() public {
        uint32 other = _create(terms);
        DelegateRequest memory r = _request(0, terms);
        _assertLocked(abi.encodeCall(coordinator.deliverModelOutput, (other, 1, terms, OUTPUT, PROOF)));
        _assertLocked(abi.encodeCall(coordinator.deliverModelOutputDelegate, (r, 1, OUTPUT, PROOF)));
        _assertLocked(_createDelegateCall(r));
        _assertLocked(abi.encodeCall(coordinator.burnNonce, (0)));
        vm.assertEq(_word(address(puppet), other), _commitment(terms));
        vm.assertFalse(coordinator.isNonceUsed(address(puppet), 0));
    }

    function test_ViewsAnswerInACallback() public {
        puppet.setScript(abi.encodeCall(coordinator.getSubscription, (address(puppet), id)));
        _deliver(id, 1, terms);
        vm.assertTrue(puppet.scriptOk());
        vm.assertEq(puppet.scriptResult(), abi.encode(bytes32(0), uint32(0), uint16(0)));
    }

    /// @dev The lock is free again after a delivery in the same transaction, and after one that failed.
    function test_DeliveriesFollowOneAnotherInOneTransaction() public {
        uint32 other = _create(terms);
        _deliver(id, 1, terms);
        puppet.setMood(Puppet.Mood.Revert);
        (bool ok,) =
            address(coordinator).call(abi.encodeCall(coordinator.deliverModelOutput, (other, 1, terms, OUTPUT, PROOF)));
        vm.assertFalse(ok);
        puppet.setMood(Puppet.Mood.Store);
        _deliver(other, 1, terms);
        _deliverDelegate(_request(0, terms), 1);
        vm.assertEq(puppet.count(), 3);
    }

    // --- What a signer may call: nothing

    /// @dev These signers answer well only if what they try to enter is locked.
    function test_EverythingIsLockedWhileTheSignerIsAsked() public {
        bytes[] memory scripts = _allEntryPoints();
        for (uint32 i; i < scripts.length; ++i) {
            BadDelegator owner = new BadDelegator(address(coordinator), vm.addr(SIGNER_KEY), true);
            owner.setScript(scripts[i]);
            Subscription memory s = terms;
            s.owner = address(owner);
            _deliverDelegate(_request(i, s), 1);
            vm.assertTrue(coordinator.isNonceUsed(address(owner), i));
        }
    }

    function test_EverythingIsLockedWhileAWalletIsAsked() public {
        bytes[] memory scripts = _allEntryPoints();
        Wallet wallet = new Wallet(Wallet.Character.Reenters);
        puppet.updateSigner(address(wallet));
        for (uint32 i; i < scripts.length; ++i) {
            wallet.setScript(address(coordinator), scripts[i]);
            _createDelegate(_request(100 + i, terms));
            _deliverDelegate(_request(200 + i, terms), 1);
        }
        vm.assertEq(puppet.count(), scripts.length);
    }

    function _allEntryPoints() private view returns (bytes[] memory scripts) {
        bytes4 plain = bytes4(keccak256("createSubscription(string,bytes,uint48,uint32,uint256,uint32,uint16)"));
        DelegateRequest memory r = _request(99, terms);
        scripts = new bytes[](7);
        scripts[0] = abi.encodeWithSelector(plain, CONTAINER, FEATURES, 100 gwei, overhead, 1, 0, 1);
        scripts[1] = abi.encodeCall(coordinator.cancelSubscription, (id));
        scripts[2] = abi.encodeCall(coordinator.deliverModelOutput, (id, 1, terms, OUTPUT, PROOF));
        scripts[3] = abi.encodeCall(coordinator.deliverModelOutputDelegate, (r, 1, OUTPUT, PROOF));
        scripts[4] = _createDelegateCall(r);
        scripts[5] = abi.encodeCall(coordinator.burnNonce, (98));
        scripts[6] = _createCall(terms);
    }

    function _createCall(Subscription memory s) private pure returns (bytes memory) {
        return abi.encodeWithSignature(
            "createSubscription((address,bytes32,bytes32,uint256,uint32,uint40,uint16,uint48,uint32,uint8,address,uint96,address,bytes32,uint96,address,address,uint128,address,uint16,uint40),string,bytes)",
            s,
            CONTAINER,
            FEATURES
        );
    }

    function _createDelegateCall(DelegateRequest memory r) private pure returns (bytes memory) {
        return abi.encodeWithSignature(
            "createSubscriptionDelegate(uint32,uint40,(address,bytes32,bytes32,uint256,uint32,uint40,uint16,uint48,uint32,uint8,address,uint96,address,bytes32,uint96,address,address,uint128,address,uint16,uint40),string,bytes,bytes)",
            r.nonce,
            r.expiry,
            r.subscription,
            r.container,
            r.features,
            r.signature
        );
    }
}
