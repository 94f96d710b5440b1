// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Reviewer} from "infernet/examples/Reviewer.sol";
import {SpcTest} from "infernet/forge/SpcTest.sol";
import {IHttp} from "infernet/spc/IHttp.sol";

/// @dev Tests that fail, as tests/vm/test_spc_forge.py expects them to, but for the last.
contract SwallowedTest is SpcTest {
    bool public constant IS_TEST = true;

    string private constant URL = "https://texts.example/1";
    Reviewer private reviewer = new Reviewer("tiny");

    function test_ATrapFailsEvenWhereItIsCaught() public {
        trapSpc(address(0x0801));
        require(keccak256(bytes(reviewer.reviewIfPossible(URL))) == keccak256("unknown"), "caught");
    }

    function test_ATrapBehindAnAnswerFailsToo() public {
        fulfilSpc(address(0x0801), abi.encodeCall(IHttp.get, (URL)), abi.encode(uint16(200), bytes("text")));
        trapSpc(address(0x0802));
        reviewer.reviewIfPossible(URL);
    }

    function test_AFailureThatWasGivenIsNoTrap() public {
        failSpc(address(0x0801), abi.encodeCall(IHttp.get, (URL)), "down");
        require(keccak256(bytes(reviewer.reviewIfPossible(URL))) == keccak256("unknown"), "caught");
    }
}
