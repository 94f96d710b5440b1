// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICoordinator} from "../src/interfaces/ICoordinator.sol";
import {Subscription} from "../src/Subscription.sol";
import {Base} from "./Base.sol";

/// @dev Creating and cancelling on chain.
contract CreateTest is Base {
    string private constant STRUCT_FORM =
        "createSubscription((address,bytes32,bytes32,uint256,uint32,uint40,uint16,uint48,uint32,uint8,address,uint96,address,bytes32,uint96,address,address,uint128,address,uint16,uint40),string,bytes)";

    function _plain(bytes memory features, uint256 frequency, uint32 period, uint16 redundancy)
        private
        returns (uint32)
    {
        vm.prank(address(puppet));
        return coordinator.createSubscription(
            CONTAINER, features, 100 gwei, overhead + CALLBACK_GAS, frequency, period, redundancy
        );
    }

    function testFuzz_PlainFormCommitsToItsTerms(
        bytes calldata features,
        uint256 frequency,
        uint32 period,
        uint16 redundancy
    ) public {
        frequency = _bound(frequency, 1, period == 0 ? 1 : type(uint256).max);
        redundancy = uint16(_bound(redundancy, 1, type(uint16).max));
        Subscription memory s = _recurring(frequency, period, redundancy);
        s.activeAt = uint40(START + period);
        s.mode = features.length == 0 ? 1 : 0;
        s.featuresHash = features.length == 0 ? bytes32(0) : keccak256(features);

        vm.expectEmit(address(coordinator));
        emit ICoordinator.SubscriptionCreated(address(puppet), 1, s.containerId, s, CONTAINER, features);
        uint32 id = _plain(features, frequency, period, redundancy);

        vm.assertEq(id, 1);
        vm.assertEq(_word(address(puppet), id), _commitment(s));
    }

    function testFuzz_StructFormCommitsToItsTerms(
        Subscription memory s,
        string calldata container,
        bytes calldata features
    ) public {
        vm.assume(bytes(container).length != 0);
        s = _sane(s, container, features);

        vm.prank(s.owner);
        vm.expectEmit(address(coordinator));
        emit ICoordinator.SubscriptionCreated(s.owner, 1, s.containerId, s, container, features);
        uint32 id = coordinator.createSubscription(s, container, features);

        vm.assertEq(_word(s.owner, id), _commitment(s));
        vm.assertEq(uint256(_word(s.owner, id)) & 0xff, 0);
    }

    /// @dev Any terms that are allowed now.
    function _sane(Subscription memory s, string calldata container, bytes calldata features)
        private
        view
        returns (Subscription memory t)
    {
        t.owner = s.owner == address(0) ? address(1) : s.owner;
        t.containerId = keccak256(bytes(container));
        t.mode = features.length == 0 ? s.mode & 1 : 0;
        t.featuresHash = t.mode == 1 ? bytes32(0) : keccak256(features);
        t.period = s.period;
        t.frequency = _bound(s.frequency, 1, s.period == 0 ? 1 : type(uint256).max);
        t.activeAt = s.activeAt;
        t.redundancy = uint16(_bound(s.redundancy, 1, type(uint16).max));
        t.maxGasPrice = uint48(_bound(s.maxGasPrice, 1, type(uint48).max));
        t.maxGasLimit = uint32(_bound(s.maxGasLimit, overhead, type(uint32).max));
        t.node = t.redundancy == 1 ? s.node : address(0);
    }

    function test_EmptyFeaturesAreLegitimateInTheStructForm() public {
        Subscription memory s = _terms();
        s.featuresHash = keccak256("");
        vm.prank(address(puppet));
        uint32 id = coordinator.createSubscription(s, CONTAINER, "");
        _deliver(id, 1, s);
        vm.assertEq(puppet.count(), 1);
    }

    function test_IdsCountUpAcrossOwners() public {
        vm.assertEq(coordinator.lastId(), 0);
        vm.assertEq(_plain(FEATURES, 1, 0, 1), 1);
        vm.prank(address(7));
        vm.assertEq(coordinator.createSubscription(CONTAINER, "", 1, overhead, 1, 0, 1), 2);
        vm.assertEq(coordinator.lastId(), 2);
    }

    function test_WritesTheCounterAndOneWord() public {
        _plain(FEATURES, 1, 0, 1);
        vm.record();
        _plain(FEATURES, 1, 0, 1);
        (, bytes32[] memory writes) = vm.accesses(address(coordinator));
        vm.assertEq(writes.length, 2);
    }

    function test_TheLastIdIsGivenAwayOnce() public {
        vm.store(address(coordinator), bytes32(uint256(3)), bytes32(uint256(2 ** 31 - 2)));
        vm.assertEq(coordinator.lastId(), 2 ** 31 - 2);
        vm.assertEq(_plain(FEATURES, 1, 0, 1), 2 ** 31 - 1);
        vm.expectRevert(ICoordinator.IdsExhausted.selector);
        _plain(FEATURES, 1, 0, 1);
        vm.expectRevert(ICoordinator.IdsExhausted.selector);
        _create(_terms());
    }

    function test_RevertWhen_RecurringStartDoesNotFit() public {
        vm.warp(type(uint40).max);
        vm.expectRevert(
            abi.encodeWithSignature("SafeCastOverflowedUintDowncast(uint8,uint256)", 40, uint256(type(uint40).max) + 1)
        );
        _plain(FEATURES, 2, 1, 1);
    }

    function testFuzz_RevertWhen_CallerIsNotTheOwner(address caller) public {
        vm.assume(caller != address(puppet));
        Subscription memory s = _terms();
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.NotOwner.selector, caller, address(puppet)));
        coordinator.createSubscription(s, CONTAINER, FEATURES);
    }

    // --- Checks of terms. Each is made by both forms.

    function _expect(bytes memory reason, Subscription memory s) private {
        vm.expectRevert(reason);
        _create(s);
        vm.assertEq(coordinator.lastId(), 0);
    }

    function test_RevertWhen_RedundancyIsZero() public {
        bytes memory reason = abi.encodeWithSelector(ICoordinator.ZeroRedundancy.selector);
        _expect(reason, _recurring(1, 0, 0));
        vm.expectRevert(reason);
        _plain(FEATURES, 1, 0, 0);
    }

    function test_RevertWhen_FrequencyIsZero() public {
        bytes memory reason = abi.encodeWithSelector(ICoordinator.ZeroFrequency.selector);
        _expect(reason, _recurring(0, 60, 1));
        vm.expectRevert(reason);
        _plain(FEATURES, 0, 60, 1);
    }

    function testFuzz_RevertWhen_ManyIntervalsHaveNoPeriod(uint256 frequency) public {
        frequency = _bound(frequency, 2, type(uint256).max);
        bytes memory reason = abi.encodeWithSelector(ICoordinator.ZeroPeriod.selector, frequency);
        _expect(reason, _recurring(frequency, 0, 1));
        vm.expectRevert(reason);
        _plain(FEATURES, frequency, 0, 1);
    }

    function test_RevertWhen_MaxGasPriceIsZero() public {
        Subscription memory s = _terms();
        s.maxGasPrice = 0;
        _expect(abi.encodeWithSelector(ICoordinator.ZeroMaxGasPrice.selector), s);
        vm.expectRevert(ICoordinator.ZeroMaxGasPrice.selector);
        coordinator.createSubscription(CONTAINER, FEATURES, 0, overhead, 1, 0, 1);
    }

    function testFuzz_RevertWhen_MaxGasLimitIsBelowTheOverhead(uint32 limit) public {
        limit = uint32(_bound(limit, 0, overhead - 1));
        Subscription memory s = _terms();
        s.maxGasLimit = limit;
        bytes memory reason = abi.encodeWithSelector(ICoordinator.MaxGasLimitTooLow.selector, limit, overhead);
        _expect(reason, s);
        vm.expectRevert(reason);
        coordinator.createSubscription(CONTAINER, FEATURES, 1, limit, 1, 0, 1);
    }

    function test_RevertWhen_ContainerIsEmpty() public {
        Subscription memory s = _terms();
        s.containerId = keccak256("");
        vm.prank(address(puppet));
        vm.expectRevert(ICoordinator.EmptyContainer.selector);
        coordinator.createSubscription(s, "", FEATURES);
        vm.expectRevert(ICoordinator.EmptyContainer.selector);
        coordinator.createSubscription("", FEATURES, 1, overhead, 1, 0, 1);
    }

    function testFuzz_RevertWhen_ContainerHashDiffers(bytes32 given) public {
        Subscription memory s = _terms();
        vm.assume(given != s.containerId);
        bytes32 computed = s.containerId;
        s.containerId = given;
        _expect(abi.encodeWithSelector(ICoordinator.ContainerMismatch.selector, given, computed), s);
    }

    function testFuzz_RevertWhen_FeaturesHashDiffers(bytes32 given) public {
        Subscription memory s = _terms();
        vm.assume(given != s.featuresHash);
        bytes32 computed = s.featuresHash;
        s.featuresHash = given;
        _expect(abi.encodeWithSelector(ICoordinator.FeaturesMismatch.selector, given, computed), s);
    }

    function test_RevertWhen_PullModeHasFeatures() public {
        Subscription memory s = _terms();
        (s.mode, s.featuresHash) = (1, 0);
        vm.prank(address(puppet));
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.FeaturesMismatch.selector, bytes32(0), keccak256(FEATURES)));
        coordinator.createSubscription(s, CONTAINER, FEATURES);

        s.featuresHash = keccak256(FEATURES);
        vm.prank(address(puppet));
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.FeaturesMismatch.selector, s.featuresHash, s.featuresHash));
        coordinator.createSubscription(s, CONTAINER, FEATURES);

        s.featuresHash = keccak256("");
        vm.prank(address(puppet));
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.FeaturesMismatch.selector, keccak256(""), bytes32(0)));
        coordinator.createSubscription(s, CONTAINER, "");
    }

    function testFuzz_RevertWhen_NamedNodeIsRedundant(address node, uint16 redundancy) public {
        vm.assume(node != address(0));
        redundancy = uint16(_bound(redundancy, 2, type(uint16).max));
        Subscription memory s = _recurring(1, 0, redundancy);
        s.node = node;
        _expect(abi.encodeWithSelector(ICoordinator.NamedNodeWithRedundancy.selector, node, redundancy), s);
    }

    /// @dev The terms of money mean nothing where there is no fee.
    function testFuzz_RevertWhen_ATermNeedsAFee(uint256 value) public {
        string[5] memory names = ["verifierFee", "payer", "token", "royaltyTo", "royaltyBps"];
        uint8[5] memory fields = [14, 15, 16, 18, 19];
        for (uint256 i; i < 5; ++i) {
            Subscription memory s = _terms();
            uint256 given = _bound(value, 1, type(uint256).max >> (256 - _width(fields[i])));
            _setField(s, fields[i], given);
            _expect(abi.encodeWithSelector(ICoordinator.NeedsFee.selector, names[i], given), s);
        }
    }

    /// @dev Nor do those of a verifier where there is none.
    function testFuzz_RevertWhen_ATermNeedsAVerifier(uint96 bond) public {
        Subscription memory s = _terms();
        s.minBond = uint96(_bound(bond, 1, type(uint96).max));
        _expect(abi.encodeWithSelector(ICoordinator.NeedsVerifier.selector, "minBond", s.minBond), s);
        for (uint8 mode = 4; mode < 16; mode += 4) {
            s = _terms();
            s.mode = mode;
            _expect(abi.encodeWithSelector(ICoordinator.NeedsVerifier.selector, "mode", mode), s);
        }
        s = _terms();
        s.verifierParams = keccak256("params");
        bytes memory params = "params";
        bytes memory reason =
            abi.encodeWithSelector(ICoordinator.NeedsVerifier.selector, "verifierParams", uint256(s.verifierParams));
        vm.prank(address(puppet));
        vm.expectRevert(reason);
        coordinator.createSubscription(s, CONTAINER, FEATURES, params);
        _expect(abi.encodeWithSelector(ICoordinator.VerifierParamsMismatch.selector, s.verifierParams, bytes32(0)), s);
    }

    function testFuzz_RevertWhen_TheModeIsUnknown(uint8 mode) public {
        mode = uint8(_bound(mode, 32, 255)) & ~uint8(1);
        Subscription memory s = _terms();
        s.mode = mode;
        _expect(abi.encodeWithSelector(ICoordinator.UnknownMode.selector, mode), s);
    }

    function testFuzz_RevertWhen_TheVerifierHasNoCode(address verifier) public {
        vm.assume(verifier != address(0) && verifier.code.length == 0);
        Subscription memory s = _terms();
        s.verifier = verifier;
        _expect(abi.encodeWithSelector(ICoordinator.VerifierWithoutCode.selector, verifier), s);
    }

    function testFuzz_RevertWhen_TheDeadlineIsOver(uint40 deadline) public {
        Subscription memory s = _terms();
        s.deadline = uint40(_bound(deadline, 1, START - 1));
        _expect(abi.encodeWithSelector(ICoordinator.DeadlinePassed.selector, START, s.deadline), s);
    }

    function test_RevertWhen_TheDeadlineComesBeforeTheStart() public {
        Subscription memory s = _terms();
        (s.activeAt, s.deadline) = (uint40(START + 10), uint40(START + 9));
        _expect(abi.encodeWithSelector(ICoordinator.DeadlineBeforeStart.selector, s.deadline, s.activeAt), s);
    }

    function test_RevertWhen_ARecurringOneHasADeadline() public {
        Subscription memory s = _recurring(2, 60, 1);
        s.deadline = uint40(START + 1000);
        _expect(abi.encodeWithSelector(ICoordinator.DeadlineOnRecurring.selector, s.deadline), s);
    }

    function _setField(Subscription memory s, uint256 field, uint256 value) private pure {
        assembly {
            mstore(add(s, mul(field, 0x20)), value)
        }
    }

    /// @dev Bits of each field, in the struct's order.
    function _width(uint256 field) private pure returns (uint256) {
        uint16[21] memory widths =
            [160, 256, 256, 256, 32, 40, 16, 48, 32, 8, 160, 96, 160, 256, 96, 160, 160, 128, 160, 16, 40];
        return widths[field];
    }

    /// @dev Commitments are only ever made to clean structs, so a delivery may hash its calldata as it comes.
    function testFuzz_RevertWhen_UpperBitsAreDirty(uint256 seed) public {
        Subscription memory s = _terms();
        uint32 id = _create(s);
        bytes memory create = abi.encodeWithSignature(STRUCT_FORM, s, CONTAINER, FEATURES);
        bytes memory deliver = abi.encodeCall(coordinator.deliverModelOutput, (id, 1, s, OUTPUT, PROOF));
        bytes memory createDelegate = abi.encodeCall(
            coordinator.createSubscriptionDelegate,
            (0, NO_EXPIRY, s, CONTAINER, FEATURES, _sign(SIGNER_KEY, 0, NO_EXPIRY, s))
        );
        for (uint256 field; field < 21; ++field) {
            uint256 width = _width(field);
            if (width == 256) continue;
            uint256 dirt = 1 << _bound(seed, width, 255);
            _assertReverts(create, 4 + field * 32, dirt);
            _assertReverts(deliver, 4 + 64 + field * 32, dirt);
            _assertReverts(createDelegate, 4 + 64 + field * 32, dirt);
        }
        vm.prank(address(puppet));
        (bool ok,) = address(coordinator).call(create);
        vm.assertTrue(ok, "clean create");
        (ok,) = address(coordinator).call(createDelegate);
        vm.assertTrue(ok, "clean delegate");
        (ok,) = address(coordinator).call(deliver);
        vm.assertTrue(ok, "clean deliver");
    }

    function _assertReverts(bytes memory data, uint256 at_, uint256 dirt) private {
        _flip(data, at_, dirt);
        vm.prank(address(puppet));
        (bool ok,) = address(coordinator).call(data);
        vm.assertFalse(ok, "dirty bits were taken");
        _flip(data, at_, dirt);
    }

    function _flip(bytes memory data, uint256 at_, uint256 dirt) private pure {
        assembly {
            let word := add(add(data, 0x20), at_)
            mstore(word, xor(mload(word), dirt))
        }
    }

    // --- Cancelling

    function test_OwnerCancels() public {
        Subscription memory s = _recurring(FOREVER, 60, 1);
        uint32 id = _create(s);
        _deliver(id, 1, s);

        vm.expectEmit(address(coordinator));
        emit ICoordinator.SubscriptionCancelled(address(puppet), id);
        puppet.cancel(id);

        (bytes32 word, uint32 interval, uint16 delivered) = coordinator.getSubscription(address(puppet), id);
        vm.assertEq(word, 0);
        vm.assertEq(interval, 0);
        vm.assertEq(delivered, 0);
        vm.warp(START + 60);
        vm.expectRevert(_notFound(address(puppet), id));
        _deliver(id, 2, s);
    }

    function testFuzz_RevertWhen_AnyoneElseCancels(address caller) public {
        vm.assume(caller != address(puppet));
        uint32 id = _create(_terms());
        vm.prank(caller);
        vm.expectRevert(_notFound(caller, id));
        coordinator.cancelSubscription(id);
    }

    function test_RevertWhen_CancelledTwice() public {
        uint32 id = _create(_terms());
        puppet.cancel(id);
        vm.expectRevert(_notFound(address(puppet), id));
        puppet.cancel(id);
    }

    function test_RevertWhen_CancelledAfterItsAnswer() public {
        Subscription memory s = _terms();
        uint32 id = _create(s);
        _deliver(id, 1, s);
        vm.expectRevert(_notFound(address(puppet), id));
        puppet.cancel(id);
    }
}
