// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BaseConsumer} from "../src/consumer/BaseConsumer.sol";
import {CallbackConsumer} from "../src/consumer/CallbackConsumer.sol";
import {DigitsClassifier} from "../src/examples/DigitsClassifier.sol";
import {DigitsFeed} from "../src/examples/DigitsFeed.sol";
import {SignedDigits} from "../src/examples/SignedDigits.sol";
import {SlotConsumer} from "../src/examples/SlotConsumer.sol";
import {StoreConsumer} from "../src/examples/StoreConsumer.sol";
import {IBaseConsumer} from "../src/interfaces/IBaseConsumer.sol";
import {ICoordinator} from "../src/interfaces/ICoordinator.sol";
import {IDelegator} from "../src/interfaces/IDelegator.sol";
import {DelegateRequest, Subscription} from "../src/Subscription.sol";
import {Dtype, Tensor, Tensors} from "../src/Tensor.sol";
import {Base} from "./Base.sol";
import {Oracle} from "./Mocks.sol";

/// @dev The consumer's side, and the examples.
/// @dev Asks with full terms.
contract Asker is CallbackConsumer {
    bytes public lastOutput;

    constructor(address coordinator) BaseConsumer(coordinator) {}

    function ask(Subscription memory s, bytes memory features, bytes memory params) external returns (uint32) {
        return _requestWithTerms(s, "digits", features, params);
    }

    function _receiveModelOutput(uint32, uint32, uint16, address, bytes calldata output, bytes calldata)
        internal
        override
    {
        lastOutput = output;
    }
}

contract ConsumersTest is Base {
    bytes private pixels;

    function setUp() public override {
        super.setUp();
        for (uint256 i; i < 64; ++i) {
            pixels.push(bytes1(uint8(i % 17)));
        }
    }

    // --- BaseConsumer, CallbackConsumer, SubscriptionConsumer, Delegator

    function testFuzz_RevertWhen_CallerIsNotTheCoordinator(address caller) public {
        vm.assume(caller != address(coordinator));
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(IBaseConsumer.NotCoordinator.selector, caller));
        puppet.rawReceiveModelOutput(1, 1, 1, NODE, OUTPUT, PROOF);
    }

    function test_KnowsItsCoordinator() public view {
        vm.assertEq(address(puppet.COORDINATOR()), address(coordinator));
    }

    function testFuzz_RequestsOnce(bytes calldata features, uint48 maxGasPrice, uint32 callbackGas, uint16 redundancy)
        public
    {
        vm.assume(features.length != 0 && maxGasPrice != 0 && redundancy != 0);
        uint32 limit = overhead + uint32(_bound(callbackGas, 0, type(uint32).max - overhead));
        Subscription memory s = _recurring(1, 0, redundancy);
        (s.maxGasPrice, s.maxGasLimit, s.featuresHash) = (maxGasPrice, limit, keccak256(features));
        vm.expectEmit(address(coordinator));
        emit ICoordinator.SubscriptionCreated(address(puppet), 1, s.containerId, s, CONTAINER, features);
        vm.assertEq(puppet.request(CONTAINER, features, maxGasPrice, limit, redundancy), 1);
    }

    function test_RevertWhen_RequestHasNoFeatures() public {
        vm.expectRevert(CallbackConsumer.EmptyFeatures.selector);
        puppet.request(CONTAINER, "", 1, overhead, 1);
    }

    function testFuzz_SubscribesInPullMode(uint256 frequency, uint32 period, uint16 redundancy) public {
        vm.assume(redundancy != 0 && period != 0 && frequency != 0);
        Subscription memory s = _recurring(frequency, period, redundancy);
        (s.mode, s.featuresHash, s.activeAt) = (1, 0, uint40(START + period));
        vm.expectEmit(address(coordinator));
        emit ICoordinator.SubscriptionCreated(address(puppet), 1, s.containerId, s, CONTAINER, "");
        puppet.subscribe(CONTAINER, s.maxGasPrice, s.maxGasLimit, frequency, period, redundancy);
    }

    function test_ContainerChainsAreOneName() public {
        vm.recordLogs();
        uint32 id = puppet.request("first,second,third", FEATURES, 1, overhead, 1);
        vm.assertEq(vm.getRecordedLogs()[0].topics[3], keccak256("first,second,third"));
        vm.assertEq(id, 1);
    }

    function testFuzz_SignerChanges(address next) public {
        vm.expectEmit(address(puppet));
        emit IDelegator.SignerUpdated(vm.addr(SIGNER_KEY), next);
        puppet.updateSigner(next);
        vm.assertEq(puppet.signer(), next);
    }

    // --- Examples

    function _label(int256 label) private pure returns (bytes memory) {
        int256[] memory values = new int256[](1);
        values[0] = label;
        return abi.encode(values);
    }

    function _example(string memory name, bytes memory arguments) private returns (address) {
        return vm.deployCode(string.concat(name, ".sol:", name), arguments);
    }

    function _digitsTerms(address owner, uint32 gas_) private view returns (Subscription memory s) {
        s = _terms();
        (s.owner, s.maxGasPrice, s.maxGasLimit) = (owner, 1_000 gwei, overhead + gas_);
    }

    function _pixelFeatures(bytes memory row) private pure returns (bytes memory) {
        uint32[] memory shape = new uint32[](2);
        (shape[0], shape[1]) = (1, 64);
        return abi.encode(Tensor(Dtype.UINT8, 0, shape, row));
    }

    function test_DigitsClassifier() public {
        DigitsClassifier digits =
            DigitsClassifier(_example("DigitsClassifier", abi.encode(address(coordinator), CONTAINER)));
        Subscription memory s = _digitsTerms(address(digits), digits.CALLBACK_GAS());
        s.featuresHash = keccak256(_pixelFeatures(pixels));
        s.redundancy = 2;
        uint32 id = digits.classify(pixels, 2);

        vm.expectEmit(address(digits));
        emit DigitsClassifier.Classified(id, NODE, 7);
        vm.prank(NODE);
        coordinator.deliverModelOutput(id, 1, s, _label(7), "");
        vm.prank(OTHER_NODE);
        coordinator.deliverModelOutput(id, 1, s, _label(7), "");
        (uint8 label, uint16 count) = digits.answers(id);
        vm.assertEq(label, 7);
        vm.assertEq(count, 2);

        s.redundancy = 1;
        id = digits.classify(pixels);
        vm.prank(NODE);
        vm.expectRevert();
        coordinator.deliverModelOutput(id, 1, s, _label(10), "");
        vm.prank(NODE);
        vm.expectRevert();
        coordinator.deliverModelOutput(id, 1, s, "garbage", "");
        vm.expectRevert(abi.encodeWithSelector(DigitsClassifier.NotAPicture.selector, 1));
        digits.classify(hex"00");
    }

    function test_DigitsFeed() public {
        DigitsFeed feed = DigitsFeed(_example("DigitsFeed", abi.encode(address(coordinator), CONTAINER)));
        feed.addRow(pixels);
        feed.addRow(new bytes(64));
        vm.assertEq(feed.rowCount(), 2);
        vm.assertEq(feed.getModelFeatures(1, 1, 0, NODE), _pixelFeatures(pixels));
        vm.assertEq(feed.getModelFeatures(1, 2, 0, NODE), _pixelFeatures(new bytes(64)));
        vm.assertEq(feed.getModelFeatures(1, 3, 0, NODE), _pixelFeatures(pixels));
        vm.expectRevert(abi.encodeWithSelector(DigitsFeed.NotAPicture.selector, 65));
        feed.addRow(new bytes(65));

        uint32 id = feed.start(60, 3);
        vm.expectRevert(abi.encodeWithSelector(DigitsFeed.AlreadyStarted.selector, id));
        feed.start(60, 3);
        Subscription memory s = _digitsTerms(address(feed), feed.CALLBACK_GAS());
        (s.mode, s.featuresHash, s.frequency, s.period) = (1, 0, 3, 60);
        s.activeAt = uint40(START + 60);
        for (uint32 interval = 1; interval <= 2; ++interval) {
            vm.warp(START + interval * 60);
            vm.prank(NODE);
            coordinator.deliverModelOutput(id, interval, s, _label(int256(uint256(interval))), "");
            vm.assertEq(feed.labels(id, interval), interval);
        }
        feed.stop();
        vm.assertEq(feed.subscriptionId(), 0);
        vm.assertEq(_word(address(feed), id), 0);
    }

    function test_SignedDigits() public {
        SignedDigits digits =
            SignedDigits(_example("SignedDigits", abi.encode(address(coordinator), vm.addr(SIGNER_KEY))));
        DelegateRequest memory r = _request(3, _digitsTerms(address(digits), 100_000));
        vm.prank(NODE);
        coordinator.deliverModelOutputDelegate(r, 1, _label(4), "");
        vm.assertEq(digits.lastLabel(), 4);
        vm.assertEq(digits.lastId(), 2 ** 31 | 3);
    }

    function test_StoreConsumer() public {
        bytes memory arguments = abi.encode(address(coordinator), address(0));
        StoreConsumer store = StoreConsumer(_example("StoreConsumer", arguments));
        uint32 id = store.request(CONTAINER, FEATURES, 1_000 gwei, overhead + 100_000, 1);
        vm.prank(NODE);
        coordinator.deliverModelOutput(id, 1, _digitsTerms(address(store), 100_000), hex"11", "");
        vm.assertEq(store.lastOutput(), bytes32(bytes1(0x11)));
        vm.assertEq(store.deliveries(), 1);

        store.setFeatures(FEATURES);
        vm.assertEq(store.getModelFeatures(1, 1, 1, NODE), FEATURES);
        store.cancel(store.subscribe(CONTAINER, 1, overhead, FOREVER, 60, 1));
        store.requestWithTerms(_digitsTerms(address(store), 0), CONTAINER, FEATURES);
        store.updateSigner(NODE);
        vm.assertEq(store.signer(), NODE);

        SlotConsumer slot = SlotConsumer(_example("SlotConsumer", arguments));
        id = slot.request(CONTAINER, FEATURES, 1_000 gwei, overhead + 100_000, 1);
        vm.prank(NODE);
        coordinator.deliverModelOutput(id, 1, _digitsTerms(address(slot), 100_000), hex"11", "");
        vm.assertEq(slot.lastOutput(), bytes32(bytes1(0x11)));
        vm.assertEq(slot.deliveries(), 0);
    }

    function testFuzz_AsksWithFullTerms(bytes calldata features, uint128 fee) public {
        Asker asker = new Asker(address(coordinator));
        fee = uint128(_bound(fee, 1, type(uint128).max));
        _fund(address(asker), fee);
        Subscription memory s;
        (s.redundancy, s.maxGasPrice, s.maxGasLimit) = (1, 100 gwei, overhead + CALLBACK_GAS);
        (s.fee, s.deadline, s.node) = (fee, uint40(START + 60), NODE);
        uint32 id = asker.ask(s, features, "");

        s.owner = address(asker);
        (s.containerId, s.featuresHash) = (keccak256("digits"), keccak256(features));
        (s.frequency, s.activeAt) = (1, uint40(START));
        vm.assertEq(_word(address(asker), id), _commitment(s) | bytes32(uint256(1)));
        _deliver(id, 1, s);
        vm.assertEq(asker.lastOutput(), OUTPUT);
        _assertMoney(NODE, fee, 0);
    }

    function test_AsksWithAVerifier() public {
        Asker asker = new Asker(address(coordinator));
        Oracle oracle = new Oracle();
        Subscription memory s = _terms();
        s.verifier = address(oracle);
        uint32 id = asker.ask(s, FEATURES, "params");
        (s.owner, s.verifierParams) = (address(asker), keccak256("params"));
        _deliver(id, 1, s);
        vm.assertEq(oracle.lastClaim().verifierParams, keccak256("params"));
    }
}
