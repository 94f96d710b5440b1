// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICoordinator} from "../src/interfaces/ICoordinator.sol";
import {Trainer} from "../src/examples/Trainer.sol";
import {Subscription} from "../src/Subscription.sol";
import {Tensors} from "../src/Tensor.sol";
import {Base} from "./Base.sol";

/// @dev A contract that has models trained.
contract TrainerTest is Base {
    string private constant TRAINS = "train-wine";
    string private constant REQUEST = "{\"seed\":7}";
    string private constant FIRST = "acme/wine:1";
    string private constant SECOND = "acme/wine:2";

    Trainer private trainer;

    function setUp() public override {
        super.setUp();
        trainer = _trainer(false);
    }

    function testFuzz_KeepsTheBestVersion(int256 first, int256 second, bool lessIsBetter) public {
        trainer = _trainer(lessIsBetter);
        _trained(trainer.train(REQUEST), FIRST, first);
        _trained(trainer.train(REQUEST), SECOND, second);
        bool isBetter = lessIsBetter ? second < first : second > first;
        Trainer.Version memory best = trainer.best();
        vm.assertEq(best.name, isBetter ? SECOND : FIRST);
        vm.assertEq(best.manifestHash, keccak256(bytes(best.name)));
        vm.assertEq(best.metric, isBetter ? second : first);
    }

    function testFuzz_AsksTheBestVersion(int256 answer, bytes calldata features) public {
        _trained(trainer.train(REQUEST), FIRST, 1);
        uint32 id = trainer.ask(features);
        int256[] memory values = new int256[](1);
        values[0] = answer;
        vm.expectEmit(address(trainer));
        emit Trainer.Answered(id, FIRST, answer);
        _answer(id, 1, _termsOf(FIRST, features), Tensors.encodeInts(values));
        vm.assertEq(trainer.answers(id), answer);
    }

    function test_TrainsInEveryInterval() public {
        uint32 id = trainer.keepFresh(REQUEST, 1 hours, 3);
        Subscription memory s = _termsOf(TRAINS, bytes(REQUEST));
        (s.frequency, s.period) = (3, 1 hours);
        _answer(id, 1, s, abi.encode(FIRST, bytes32(0), int256(1)));
        vm.warp(START + 1 hours);
        vm.expectEmit(address(trainer));
        emit Trainer.Trained(id, 2, SECOND, bytes32(0), 2, true);
        _answer(id, 2, s, abi.encode(SECOND, bytes32(0), int256(2)));
        trainer.stop(id);
        vm.warp(START + 2 hours);
        vm.expectRevert();
        _answer(id, 3, s, abi.encode(SECOND, bytes32(0), int256(3)));
    }

    function test_RevertWhen_AnotherNodeAnswers() public {
        uint32 id = trainer.train(REQUEST);
        Subscription memory s = _termsOf(TRAINS, bytes(REQUEST));
        vm.prank(OTHER_NODE);
        vm.expectRevert(abi.encodeWithSelector(ICoordinator.NotNamedNode.selector, OTHER_NODE, NODE));
        coordinator.deliverModelOutput(id, 1, s, abi.encode(FIRST, bytes32(0), int256(1)), "");
    }

    function testFuzz_RevertWhen_TheOutputIsNoVersion(bytes32 output) public {
        uint32 id = trainer.train(REQUEST);
        Subscription memory s = _termsOf(TRAINS, bytes(REQUEST));
        vm.expectRevert();
        _answer(id, 1, s, abi.encode(output));
    }

    function testFuzz_RevertWhen_AStrangerTrains(address stranger) public {
        vm.assume(stranger != address(this));
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(Trainer.NotOwner.selector, stranger));
        trainer.train(REQUEST);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(Trainer.NotOwner.selector, stranger));
        trainer.keepFresh(REQUEST, 60, 2);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(Trainer.NotOwner.selector, stranger));
        trainer.stop(1);
    }

    function test_RevertWhen_NothingIsTrained() public {
        vm.expectRevert(Trainer.NothingTrained.selector);
        trainer.ask(FEATURES);
    }

    function _trainer(bool lessIsBetter) private returns (Trainer) {
        bytes memory arguments = abi.encode(address(coordinator), TRAINS, NODE, lessIsBetter);
        return Trainer(vm.deployCode("Trainer.sol:Trainer", arguments));
    }

    function _trained(uint32 id, string memory name, int256 metric) private {
        bytes memory output = abi.encode(name, keccak256(bytes(name)), metric);
        _answer(id, 1, _termsOf(TRAINS, bytes(REQUEST)), output);
    }

    function _termsOf(string memory container, bytes memory features) private view returns (Subscription memory s) {
        s = _terms();
        (s.owner, s.node) = (address(trainer), NODE);
        s.containerId = keccak256(bytes(container));
        s.featuresHash = keccak256(features);
        s.maxGasPrice = trainer.MAX_GAS_PRICE();
        s.maxGasLimit = overhead + trainer.CALLBACK_GAS();
    }

    function _answer(uint32 id, uint32 interval, Subscription memory s, bytes memory output) private {
        vm.prank(NODE);
        coordinator.deliverModelOutput(id, interval, s, output, "");
    }
}
