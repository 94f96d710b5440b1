// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {WETH} from "solady/src/tokens/WETH.sol";

/// @title WrappedEther
/// @notice ETH as an ERC-20 token, one for one.
contract WrappedEther is WETH {}
