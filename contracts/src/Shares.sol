// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Subscription} from "./Subscription.sol";

/// @notice Who gets what of a fee. All of it together is the fee: the node's share is what the others leave, so nothing
/// is lost to rounding.
struct Shares {
    uint256 node;
    uint256 creator;
    uint256 verifier;
    uint256 protocol;
}

/// @notice How a fee is split.
library SharesLib {
    uint256 private constant BPS = 10_000;

    /// @notice What the others get. Together it may be more than the fee: terms like that are refused.
    function others(uint256 fee, uint256 royaltyBps, uint256 verifierFee, uint256 protocolShareBps)
        internal
        pure
        returns (uint256 creator, uint256 verifier, uint256 protocol)
    {
        unchecked {
            // A fee has 128 bits, a share of 1/10,000 has 16.
            creator = fee * royaltyBps / BPS;
            verifier = verifierFee;
            protocol = fee * protocolShareBps / BPS;
        }
    }

    /// @notice The whole split, of terms that were accepted.
    function split(Subscription memory s, uint16 protocolShareBps) internal pure returns (Shares memory shares) {
        (shares.creator, shares.verifier, shares.protocol) =
            others(s.fee, s.royaltyBps, s.verifierFee, protocolShareBps);
        shares.node = s.fee - shares.creator - shares.verifier - shares.protocol;
    }
}
