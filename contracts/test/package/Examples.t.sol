// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DigitsClassifier} from "../../src/examples/DigitsClassifier.sol";
import {DigitsFeed} from "../../src/examples/DigitsFeed.sol";
import {SignedDigits} from "../../src/examples/SignedDigits.sol";
import {SlotConsumer} from "../../src/examples/SlotConsumer.sol";
import {StoreConsumer} from "../../src/examples/StoreConsumer.sol";
import {Infernet, InfernetTest} from "../../src/forge/InfernetTest.sol";
import {ICoordinator} from "../../src/interfaces/ICoordinator.sol";
import {DelegateRequest, Subscription} from "../../src/Subscription.sol";
import {Dtype, Tensor} from "../../src/Tensor.sol";
import {Vm} from "../Vm.sol";

/// @dev The example consumers, with the test that plays the node.
contract ExamplesTest is InfernetTest {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    address private constant COORDINATOR = address(Infernet.COORDINATOR);
    uint256 private constant SIGNER_KEY = 0x5161;
    uint256 private constant FOREVER = type(uint256).max;
    string private constant CONTAINER = "digits";

    uint32 private overhead;
    bytes private pixels;

    function setUp() public {
        overhead = Infernet.COORDINATOR.DELIVERY_OVERHEAD_WEI();
        for (uint256 i; i < 64; ++i) {
            pixels.push(bytes1(uint8(i % 17)));
        }
    }

    function _label(int256 label) private pure returns (bytes memory) {
        int256[] memory values = new int256[](1);
        values[0] = label;
        return abi.encode(values);
    }

    function _features(bytes memory row) private pure returns (bytes memory) {
        uint32[] memory shape = new uint32[](2);
        (shape[0], shape[1]) = (1, 64);
        return abi.encode(Tensor(Dtype.UINT8, 0, shape, row));
    }

    function _expectRefusal(address owner, uint32 id, bytes memory reason) private {
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.CallbackFailed.selector, owner, id, reason));
    }

    function test_DigitsClassifier() public {
        DigitsClassifier digits = new DigitsClassifier(COORDINATOR, CONTAINER);
        uint32 id = digits.classify(pixels, 2);
        vm.assertEq(features(id), _features(pixels));

        vm.expectEmit(address(digits));
        emit DigitsClassifier.Classified(id, Infernet.NODE, 7);
        fulfil(id, _label(7));
        fulfil(id, _label(7), address(0xB0B));
        (uint8 label, uint16 count) = digits.answers(id);
        vm.assertEq(label, 7);
        vm.assertEq(count, 2);
    }

    function test_DigitsClassifierRefusesWhatIsNoPictureAndNoLabel() public {
        DigitsClassifier digits = new DigitsClassifier(COORDINATOR, CONTAINER);
        uint32 id = digits.classify(pixels);
        _expectRefusal(address(digits), id, abi.encodeWithSelector(DigitsClassifier.NotALabel.selector, 10));
        fulfil(id, _label(10));
        _expectRefusal(address(digits), id, "");
        fulfil(id, "garbage");
        vm.expectRevert(abi.encodeWithSelector(DigitsClassifier.NotAPicture.selector, 1));
        digits.classify(hex"00");
    }

    function test_DigitsFeed() public {
        DigitsFeed feed = new DigitsFeed(COORDINATOR, CONTAINER);
        feed.addRow(pixels);
        feed.addRow(new bytes(64));
        vm.assertEq(feed.rowCount(), 2);
        vm.expectRevert(abi.encodeWithSelector(DigitsFeed.NotAPicture.selector, 65));
        feed.addRow(new bytes(65));

        uint32 id = feed.start(60, 4);
        vm.expectRevert(abi.encodeWithSelector(DigitsFeed.AlreadyStarted.selector, id));
        feed.start(60, 4);
        for (uint32 interval = 1; interval <= 3; ++interval) {
            warpTo(id, interval);
            vm.assertEq(features(id), _features(interval == 2 ? new bytes(64) : pixels));
            fulfil(id, _label(int256(uint256(interval))));
            vm.assertEq(feed.labels(id, interval), interval);
        }
        feed.stop();
        vm.assertEq(feed.subscriptionId(), 0);
        warpTo(id, 4);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.SubscriptionNotFound.selector, address(feed), id));
        fulfil(id, _label(4));
    }

    function test_SignedDigits() public {
        SignedDigits digits = new SignedDigits(COORDINATOR, vm.addr(SIGNER_KEY));
        DelegateRequest memory r;
        (r.nonce, r.expiry, r.container, r.features) = (3, type(uint40).max, CONTAINER, _features(pixels));
        r.subscription = _terms(address(digits), r.features);
        r.signature = sign(SIGNER_KEY, r);
        fulfil(r, _label(4));
        vm.assertEq(digits.lastLabel(), 4);
        vm.assertEq(digits.lastId(), 2 ** 31 | 3);
    }

    function _terms(address owner, bytes memory input) private view returns (Subscription memory s) {
        (s.owner, s.containerId, s.featuresHash) = (owner, keccak256(bytes(CONTAINER)), keccak256(input));
        (s.frequency, s.redundancy, s.activeAt) = (1, 1, uint40(block.timestamp));
        (s.maxGasPrice, s.maxGasLimit) = (1_000 gwei, overhead + 100_000);
    }

    function test_StoreConsumer() public {
        StoreConsumer store = new StoreConsumer(COORDINATOR, address(0));
        fulfil(store.request(CONTAINER, hex"01", 1_000 gwei, overhead + 100_000, 1), hex"11");
        vm.assertEq(store.lastOutput(), bytes32(bytes1(0x11)));
        vm.assertEq(store.deliveries(), 1);
        fulfil(store.requestWithTerms(_terms(address(store), hex"01"), CONTAINER, hex"01"), hex"12");
        vm.assertEq(store.deliveries(), 2);

        uint32 id = store.subscribe(CONTAINER, 1, overhead, FOREVER, 60, 1);
        store.setFeatures(hex"05");
        vm.assertEq(features(id), hex"05");
        store.cancel(id);
        store.updateSigner(Infernet.NODE);
        vm.assertEq(store.signer(), Infernet.NODE);
    }

    function test_SlotConsumer() public {
        SlotConsumer slot = new SlotConsumer(COORDINATOR, address(0));
        fulfil(slot.request(CONTAINER, hex"01", 1_000 gwei, overhead + 100_000, 1), hex"11");
        vm.assertEq(slot.lastOutput(), bytes32(bytes1(0x11)));
        vm.assertEq(slot.deliveries(), 0);
    }
}
