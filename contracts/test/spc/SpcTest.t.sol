// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Reviewer} from "../../src/examples/Reviewer.sol";
import {SpcTest} from "../../src/forge/SpcTest.sol";
import {IHttp} from "../../src/spc/IHttp.sol";
import {ILlm} from "../../src/spc/ILlm.sol";
import {SpcStub} from "../../src/spc/SpcStub.sol";
import {SpcVm} from "./SpcVm.sol";

/// @dev Does what no contract should be able to do with a stub.
contract Forger {
    function call(address target, bytes calldata data, uint256 value) external returns (bool ok, bytes memory result) {
        return target.call{value: value}(data);
    }

    function delegate(address target, bytes calldata data) external returns (bool ok, bytes memory result) {
        return target.delegatecall(data);
    }
}

/// @dev That a request without an answer fails its test is shown by tests/vm/test_spc_forge.py: such a test cannot pass.
contract SpcTestTest is SpcTest {
    bool public constant IS_TEST = true;

    SpcVm private constant vm = SpcVm(address(uint160(uint256(keccak256("hevm cheat code")))));
    address private constant HTTP = address(0x0801);
    address private constant LLM = address(0x0802);
    string private constant URL = "https://texts.example/1";

    Reviewer private reviewer;

    function setUp() public {
        reviewer = new Reviewer("tiny");
    }

    function _get() private pure returns (bytes memory) {
        return abi.encodeCall(IHttp.get, (URL));
    }

    function _prompt(string memory text) private pure returns (bytes memory) {
        return abi.encodeCall(ILlm.complete, ("tiny", string.concat("Review in one word: ", text), 8, 0));
    }

    function test_ATestSaysWhatThePrecompilesAnswer() public {
        fulfilSpc(HTTP, _get(), abi.encode(uint16(200), bytes("A fine text.")));
        fulfilSpc(LLM, _prompt("A fine text."), abi.encode("good", uint32(9), uint32(1)));
        vm.assertEq(reviewer.review(URL), "good");
        vm.assertEq(reviewer.verdictOf(URL), "good");
        vm.assertEq(reviewer.ask(URL), "good");
    }

    function test_TheLastAnswerCounts() public {
        fulfilSpc(HTTP, _get(), abi.encode(uint16(200), bytes("A text that is longer than a single word of storage.")));
        fulfilSpc(HTTP, _get(), abi.encode(uint16(404), bytes("")));
        vm.expectRevert(abi.encodeWithSelector(Reviewer.NotFound.selector, URL, 404));
        reviewer.review(URL);
    }

    function test_AFailureReachesTheCaller() public {
        failSpc(HTTP, _get(), "the host is not listed");
        vm.expectRevert(abi.encodeWithSignature("Error(string)", "the host is not listed"));
        reviewer.review(URL);
        vm.assertEq(reviewer.reviewIfPossible(URL), "unknown");
    }

    function testFuzz_AnyAnswerComesBackAsItIs(bytes calldata request, bytes calldata answer) public {
        fulfilSpc(HTTP, request, answer);
        (bool ok, bytes memory result) = HTTP.call(request);
        vm.assertTrue(ok);
        vm.assertEq(result, answer);
    }

    /// @dev What a caller sends can neither write an answer nor move the version.
    function testFuzz_NoCallWritesIntoAStub(bytes calldata data) public {
        fulfilSpc(HTTP, data, "answer");
        Forger forger = new Forger();
        vm.record();
        forger.call(HTTP, data, 0);
        forger.delegate(HTTP, data);
        (, bytes32[] memory writes) = vm.accesses(HTTP);
        vm.assertEq(writes.length, 0);
        (, writes) = vm.accesses(address(forger));
        vm.assertEq(writes.length, 0);
    }

    function test_RevertWhen_AStubIsGivenEther() public {
        fulfilSpc(HTTP, _get(), "answer");
        vm.deal(address(this), 1);
        (bool ok, bytes memory result) = HTTP.call{value: 1}(_get());
        vm.assertFalse(ok);
        vm.assertEq(result, abi.encodeWithSelector(SpcStub.NotPayable.selector));
    }

    function test_RevertWhen_AStubIsDelegateCalled() public {
        fulfilSpc(HTTP, _get(), "answer");
        (bool ok, bytes memory result) = new Forger().delegate(HTTP, _get());
        vm.assertFalse(ok);
        vm.assertEq(result, abi.encodeWithSelector(SpcStub.DelegateCalled.selector));
    }
}
