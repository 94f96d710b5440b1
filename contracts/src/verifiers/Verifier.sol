// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Claim, IVerifier, Verdict} from "../interfaces/IVerifier.sol";
import {Subscription} from "../Subscription.sol";

/// @title Verifier
/// @notice What the verifiers of this folder have in common: they decide at once, pay whoever delivers, and take no
/// fee, unless they say otherwise.
abstract contract Verifier is IVerifier {
    /// @notice The fee would be credited to a contract that cannot withdraw it.
    error VerifierFeeNotTaken(uint96 fee);

    /// @inheritdoc IVerifier
    function settle(Claim calldata, bytes calldata, bytes calldata) external virtual returns (Verdict) {
        return Verdict.Invalid; // nothing is ever pending
    }

    /// @inheritdoc IVerifier
    function payees(Claim calldata, bytes calldata, bytes calldata) external view virtual returns (address[] memory) {
        return new address[](0);
    }

    function _checkNoFee(Subscription calldata s) internal pure {
        if (s.verifierFee != 0) revert VerifierFeeNotTaken(s.verifierFee);
    }
}
