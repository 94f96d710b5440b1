// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Guestbook} from "../src/Guestbook.sol";

interface Vm {
    function startBroadcast() external;
    function stopBroadcast() external;
}

/// @notice Deploys a guestbook and signs it twice, as `forge script --broadcast` does.
contract Open {
    bool public constant IS_SCRIPT = true;
    Vm private constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    function run() external returns (Guestbook book) {
        VM.startBroadcast();
        book = new Guestbook("opened by a script");
        book.sign("second");
        book.sign{value: 1 ether}("third");
        VM.stopBroadcast();
    }
}
