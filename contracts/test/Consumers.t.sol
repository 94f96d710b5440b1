// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BaseConsumer} from "../src/consumer/BaseConsumer.sol";
import {CallbackConsumer} from "../src/consumer/CallbackConsumer.sol";
import {IBaseConsumer} from "../src/interfaces/IBaseConsumer.sol";
import {ICoordinator} from "../src/interfaces/ICoordinator.sol";
import {IDelegator} from "../src/interfaces/IDelegator.sol";
import {Subscription} from "../src/Subscription.sol";
import {Base} from "./Base.sol";
import {Oracle} from "./Mocks.sol";

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

/// @dev The consumer's side.
contract ConsumersTest is Base {
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

    // --- Full terms

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
