// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Vm} from "../Vm.sol";

/// @dev The cheat codes that the tests of system contracts use beside the others'.
interface SpcVm is Vm {
    function coinbase(address producer) external;
    function fee(uint256 baseFee) external;
    function getBlockNumber() external view returns (uint256);
    function roll(uint256 number) external;
}
