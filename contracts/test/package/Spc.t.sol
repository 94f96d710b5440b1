// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Reviewer} from "../../src/examples/Reviewer.sol";
import {InfernetTest} from "../../src/forge/InfernetTest.sol";
import {IHttp} from "../../src/spc/IHttp.sol";
import {ILlm} from "../../src/spc/ILlm.sol";
import {Vm} from "../Vm.sol";

/// @dev One test plays the node and the precompiles.
contract SpcOfInfernetTest is InfernetTest {
    bool public constant IS_TEST = true;

    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    function test_AnswersForPrecompiles() public {
        Reviewer reviewer = new Reviewer("tiny");
        string memory prompt = "Review in one word: A text.";
        fulfilSpc(address(0x0801), abi.encodeCall(IHttp.get, ("url")), abi.encode(uint16(200), bytes("A text.")));
        fulfilSpc(address(0x0802), abi.encodeCall(ILlm.complete, ("tiny", prompt, 8, 0)), abi.encode("good", 9, 1));
        vm.assertEq(reviewer.review("url"), "good");
    }
}
