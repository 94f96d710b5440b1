// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IDelegator} from "../interfaces/IDelegator.sol";

/// @title Delegator
/// @notice A contract whose signer may create subscriptions off chain, without a transaction of their own.
abstract contract Delegator is IDelegator {
    /// @inheritdoc IDelegator
    address public signer;

    /// @param initialSigner Who signs from the beginning; zero: nobody.
    constructor(address initialSigner) {
        _updateSigner(initialSigner);
    }

    /// @notice Changes the signer; the zero address switches delegation off.
    /// @dev Who may do so is for the contract to say.
    function _updateSigner(address newSigner) internal {
        emit SignerUpdated(signer, newSigner);
        signer = newSigner;
    }
}
