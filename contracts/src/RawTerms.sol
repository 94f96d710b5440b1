// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICoordinator} from "./interfaces/ICoordinator.sol";
import {RevertReason} from "./RevertReason.sol";
import {Subscription} from "./Subscription.sol";
import {Terms} from "./Terms.sol";

/// @notice Passes subscriptions on as the 21 words that they are in memory, where Solidity would go field by field, at
/// several times the gas and size.
library RawTerms {
    uint256 private constant SIZE = 672;

    /// @dev `terms.check(s, id, containerId, featuresHash, verifierParams)`. It also checks the encoding.
    function check(
        Subscription memory s,
        Terms terms,
        uint32 id,
        bytes32 containerId,
        bytes32 featuresHash,
        bytes calldata verifierParams
    ) internal view {
        bytes4 selector = Terms.check.selector;
        bool ok;
        assembly ("memory-safe") {
            let free := mload(0x40)
            let at := add(free, 0x04)
            mstore(free, selector)
            mcopy(at, s, SIZE)
            at := add(at, SIZE)
            mstore(at, id)
            mstore(add(at, 0x20), containerId)
            mstore(add(at, 0x40), featuresHash)
            mstore(add(at, 0x60), add(SIZE, 0x80))
            mstore(add(at, 0x80), verifierParams.length)
            calldatacopy(add(at, 0xa0), verifierParams.offset, verifierParams.length)
            ok := staticcall(gas(), terms, free, add(verifierParams.length, add(SIZE, 0xa4)), 0, 0)
        }
        if (!ok) RevertReason.bubble();
    }

    /// @dev `emit SubscriptionCreated(s.owner, id, s.containerId, s, container, features)`.
    function announce(Subscription memory s, uint32 id, string calldata container, bytes calldata features) internal {
        bytes32 topic = ICoordinator.SubscriptionCreated.selector;
        (address owner, bytes32 containerId) = (s.owner, s.containerId);
        assembly ("memory-safe") {
            function append(at, offset, length) -> end {
                mstore(at, length)
                at := add(at, 0x20)
                calldatacopy(at, offset, length)
                mstore(add(at, length), 0) // the padding
                end := add(at, and(add(length, 0x1f), not(0x1f)))
            }
            let free := mload(0x40)
            let head := add(free, SIZE)
            mcopy(free, s, SIZE)
            let at := append(add(head, 0x40), container.offset, container.length)
            mstore(head, add(SIZE, 0x40))
            mstore(add(head, 0x20), sub(at, free))
            at := append(at, features.offset, features.length)
            log4(free, sub(at, free), topic, owner, id, containerId)
        }
    }
}
