// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {StoreConsumer} from "../../src/examples/StoreConsumer.sol";
import {Cheats} from "../../src/forge/Cheats.sol";
import {Delivery, Infernet, InfernetTest, Request} from "../../src/forge/InfernetTest.sol";
import {ICoordinator} from "../../src/interfaces/ICoordinator.sol";
import {IEIP712Coordinator} from "../../src/interfaces/IEIP712Coordinator.sol";
import {ILedger} from "../../src/interfaces/ILedger.sol";
import {IOptimisticVerifier} from "../../src/interfaces/IOptimisticVerifier.sol";
import {Claim} from "../../src/interfaces/IVerifier.sol";
import {DelegateRequest, Subscription, SubscriptionLib} from "../../src/Subscription.sol";
import {Vm} from "../Vm.sol";

/// @dev What the base contract for others' tests promises, used as others use it.
contract InfernetTestTest is InfernetTest {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint256 private constant SIGNER_KEY = 0x5161;
    uint48 private constant PRICE = 100 gwei;
    address private constant OTHER_NODE = address(0xB0B);

    StoreConsumer private store = new StoreConsumer(address(Infernet.COORDINATOR), vm.addr(SIGNER_KEY));
    uint32 private gasLimit;
    uint32 private early;

    function setUp() public {
        gasLimit = 200_000 + Infernet.COORDINATOR.DELIVERY_OVERHEAD_WEI();
        early = _ask(1);
    }

    function _ask(uint16 redundancy) private returns (uint32) {
        return store.request("digits", hex"0102", PRICE, gasLimit, redundancy);
    }

    function _terms() private view returns (Subscription memory s) {
        s.owner = address(store);
        s.containerId = keccak256("digits");
        s.featuresHash = keccak256(hex"0102");
        s.frequency = 1;
        s.activeAt = uint40(block.timestamp);
        s.redundancy = 1;
        s.maxGasPrice = PRICE;
        s.maxGasLimit = gasLimit;
    }

    function _assertStored(bytes1 output, uint256 deliveries) private view {
        vm.assertEq(store.lastOutput(), bytes32(output));
        vm.assertEq(store.deliveries(), deliveries);
    }

    // --- The contracts

    function test_TheContractsKnowEachOther() public view {
        vm.assertEq(Infernet.COORDINATOR.MODEL_REGISTRY(), address(Infernet.MODEL_REGISTRY));
        vm.assertEq(Infernet.COORDINATOR.NODE_REGISTRY(), address(Infernet.NODE_REGISTRY));
        vm.assertEq(Infernet.OPTIMISTIC_VERIFIER.COORDINATOR(), address(Infernet.COORDINATOR));
        vm.assertEq(Infernet.SEALED_QUORUM_VERIFIER.COORDINATOR(), address(Infernet.COORDINATOR));
        vm.assertEq(Infernet.NODE_REGISTRY.UNBONDING_DELAY(), 7 days);
    }

    function test_DeployingAgainChangesNothing() public {
        fulfil(early, hex"2a");
        deployInfernet();
        vm.assertEq(Infernet.COORDINATOR.lastId(), early);
    }

    // --- Fulfilling

    function testFuzz_FulfilsWhatWasAskedInSetUpOrLater(bytes1 first, bytes1 second) public {
        fulfil(early, bytes.concat(first));
        _assertStored(first, 1);
        fulfil(_ask(1), bytes.concat(second));
        _assertStored(second, 2);
    }

    function test_FulfilsAsTheNodeOrAnother() public {
        uint32 id = _ask(2);
        vm.expectEmit(address(Infernet.COORDINATOR));
        emit ICoordinator.SubscriptionFulfilled(address(store), id, Infernet.NODE, 1, 1, true);
        fulfil(id, hex"01");
        vm.expectEmit(address(Infernet.COORDINATOR));
        emit ICoordinator.SubscriptionFulfilled(address(store), id, OTHER_NODE, 1, 2, true);
        fulfil(id, hex"02", OTHER_NODE);
        _assertStored(0x02, 2);
    }

    function test_TheNextCallThatExpectRevertSeesIsTheDelivery() public {
        fulfil(early, hex"2a");
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.SubscriptionNotFound.selector, address(store), early));
        fulfil(early, hex"2a");

        uint32 id = store.subscribe("sum", PRICE, gasLimit, 3, 60, 1);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.IntervalMismatch.selector, 2, 1));
        warpTo(id, 1);
        fulfil(Delivery(address(0), id, 2, address(0), hex"2a", ""));
    }

    function test_WhoeverTheTestPretendsToBeStaysSo() public {
        Cheats cheats = Cheats(address(vm));
        cheats.startPrank(address(store), address(0xF00));
        fulfil(early, hex"2a");
        bond(OTHER_NODE, address(Infernet.OPTIMISTIC_VERIFIER), 1);
        (Cheats.CallerMode mode, address sender, address origin) = cheats.readCallers();
        vm.assertTrue(mode == Cheats.CallerMode.RecurrentPrank);
        vm.assertEq(sender, address(store));
        vm.assertEq(origin, address(0xF00));
        uint32 id = Infernet.COORDINATOR.createSubscription("digits", hex"03", PRICE, gasLimit, 1, 0, 1);
        cheats.stopPrank();
        fulfil(id, hex"2b");
        _assertStored(0x2b, 2);
    }

    function test_FulfilsEachInterval() public {
        uint32 id = store.subscribe("sum", PRICE, gasLimit, 3, 60, 1);
        vm.expectPartialRevert(ICoordinator.SubscriptionNotActive.selector);
        fulfil(id, hex"00");
        for (uint8 interval = 1; interval <= 3; ++interval) {
            warpTo(id, interval);
            vm.warp(block.timestamp + 59);
            fulfil(id, abi.encodePacked(interval));
            _assertStored(bytes1(interval), interval);
        }
    }

    // --- Signed requests

    function testFuzz_FulfilsASignedRequest(uint32 nonce, uint40 expiry) public {
        DelegateRequest memory r;
        r.nonce = nonce % 2 ** 31;
        r.expiry = expiry < block.timestamp ? uint40(block.timestamp) : expiry;
        (r.subscription, r.container, r.features) = (_terms(), "digits", hex"0102");
        r.signature = sign(SIGNER_KEY, r);
        fulfil(r, hex"2a");
        _assertStored(0x2a, 1);

        r.nonce ^= 1;
        vm.expectRevert(
            abi.encodeWithSelector(IEIP712Coordinator.InvalidSignature.selector, address(store), vm.addr(SIGNER_KEY))
        );
        fulfil(r, hex"2a");
    }

    function test_OneIdOfTwoOwners() public {
        StoreConsumer other = new StoreConsumer(address(Infernet.COORDINATOR), vm.addr(SIGNER_KEY));
        uint32 id = SubscriptionLib.DELEGATED | 5;
        _createSigned(5, address(store));
        _createSigned(5, address(other));

        fulfil(Delivery(address(store), id, 1, address(0), hex"01", ""));
        _assertStored(0x01, 1);
        fulfil(id, hex"02");
        vm.assertEq(other.lastOutput(), bytes32(bytes1(0x02)));
    }

    function _createSigned(uint32 nonce, address owner) private {
        DelegateRequest memory r;
        (r.nonce, r.expiry, r.subscription) = (nonce, type(uint40).max, _terms());
        r.subscription.owner = owner;
        Infernet.COORDINATOR
            .createSubscriptionDelegate(nonce, r.expiry, r.subscription, "digits", hex"0102", sign(SIGNER_KEY, r));
    }

    // --- Money and verifiers

    function testFuzz_PaysTheNode(uint96 fee) public {
        vm.assume(fee != 0);
        Subscription memory s = _terms();
        (s.fee, s.deadline) = (fee, uint40(block.timestamp + 60));
        vm.expectPartialRevert(ILedger.InsufficientBalance.selector);
        store.requestWithTerms(s, "digits", hex"0102");

        deposit(address(store), fee);
        fulfil(store.requestWithTerms(s, "digits", hex"0102"), hex"2a");
        (uint256 earned,) = Infernet.COORDINATOR.balanceOf(Infernet.NODE, address(0));
        vm.assertEq(earned, fee);
    }

    function test_FulfilsWithAProof() public {
        Infernet.ATTESTATION_VERIFIER.allowSigner(vm.addr(0x7EE), 0, type(uint40).max, "");
        bytes memory params = abi.encode(address(this));
        uint32 id = _askVerified(address(Infernet.ATTESTATION_VERIFIER), params, 0);
        vm.assertEq(request(id).verifierParams, params);

        Claim memory c;
        (c.owner, c.id, c.interval, c.node) = (address(store), id, 1, Infernet.NODE);
        (c.containerId, c.featuresHash, c.outputHash) = (keccak256("digits"), keccak256(hex"0102"), keccak256(hex"2a"));
        bytes32 digest = Infernet.ATTESTATION_VERIFIER.digest(address(Infernet.COORDINATOR), c);
        (uint8 v, bytes32 x, bytes32 y) = vm.sign(0x7EE, digest);
        fulfil(id, hex"2a", abi.encode(address(this), vm.addr(0x7EE), abi.encodePacked(x, y, v)));
        _assertStored(0x2a, 1);
    }

    function test_SettlesWhatWasPending() public {
        address[] memory arbiters = new address[](1);
        arbiters[0] = address(0xA4B);
        bytes memory params = abi.encode(IOptimisticVerifier.Params(60, 60, 60, 0, arbiters, 1, 0));
        uint32 id = _askVerified(address(Infernet.OPTIMISTIC_VERIFIER), params, 1 ether);
        vm.expectPartialRevert(ICoordinator.BondTooLow.selector);
        fulfil(id, hex"2a", abi.encode(keccak256(hex"0102"), params));

        bond(Infernet.NODE, address(Infernet.OPTIMISTIC_VERIFIER), 1 ether);
        fulfil(id, hex"2a", abi.encode(keccak256(hex"0102"), params));
        _assertStored(0, 0);
        vm.warp(block.timestamp + 61);
        settle(id, hex"2a", "");
        _assertStored(0x2a, 1);
    }

    function _askVerified(address verifier, bytes memory params, uint96 minBond) private returns (uint32) {
        Subscription memory s = _terms();
        (s.verifier, s.verifierParams, s.minBond) = (verifier, keccak256(params), minBond);
        return store.requestVerified(s, "digits", hex"0102", params);
    }

    // --- What was asked

    function test_ShowsWhatWasAsked() public {
        Request memory r = request(early);
        vm.assertEq(r.container, "digits");
        vm.assertEq(r.features, hex"0102");
        vm.assertEq(abi.encode(r.terms), abi.encode(_terms()));
        vm.assertEq(features(early), hex"0102");
    }

    function test_FeaturesOfPullModeAreTheConsumers() public {
        uint32 id = store.subscribe("sum", PRICE, gasLimit, 3, 60, 1);
        store.setFeatures(hex"07");
        vm.assertEq(request(id).features, "");
        warpTo(id, 2);
        vm.expectCall(
            address(store), abi.encodeCall(store.getModelFeatures, (id, 2, uint32(block.timestamp), Infernet.NODE)), 1
        );
        vm.assertEq(features(id), hex"07");
    }

    function test_RecordedLogsAreThoseSinceTheDeliveryBegan() public {
        fulfil(early, hex"2a");
        Cheats.Log[] memory logs = recordedLogs();
        vm.assertEq(logs.length, 1);
        vm.assertEq(logs[0].topics[0], ICoordinator.SubscriptionFulfilled.selector);
        vm.assertEq(recordedLogs().length, 0);
    }

    function test_LogsThatTheTestRecordsItselfBeginWhereItSays() public {
        uint32 id = _ask(1);
        request(id); // seen: what follows may take the logs away
        vm.recordLogs();
        fulfil(id, hex"2a");
        vm.assertEq(vm.getRecordedLogs().length, 1);
        _assertStored(0x2a, 1);
    }

    function test_RevertWhen_TheLogsWereTakenAway() public {
        uint32 id = _ask(1);
        vm.getRecordedLogs();
        vm.expectRevert(abi.encodeWithSelector(NotSeen.selector, address(0), id));
        this.fulfilFromOutside(id);
    }

    function test_RevertWhen_NothingIsPending() public {
        vm.expectRevert(abi.encodeWithSelector(NotSeen.selector, address(store), early));
        this.settleFromOutside(early);
    }

    function fulfilFromOutside(uint32 id) external {
        fulfil(id, hex"2a");
    }

    function settleFromOutside(uint32 id) external {
        settle(id, hex"2a", "");
    }
}
