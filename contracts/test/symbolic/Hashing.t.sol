// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Subscription, SubscriptionLib} from "../../src/Subscription.sol";
import {Symbolic} from "./Symbolic.sol";

/// @dev The hash that is stored and signed, taken of 21 words as they lie in calldata.
contract HashingSymbolic is Symbolic {
    using SubscriptionLib for Subscription;

    function hashLoaded(Subscription calldata s) external pure returns (bytes32 structHash) {
        (, structHash) = s.load();
    }

    /// @dev For a clean struct it is EIP-712's hashStruct, written out field by field.
    function check_IsHashStruct(Subscription calldata s) external pure {
        (Subscription memory m, bytes32 structHash) = s.load();
        bytes memory fields = bytes.concat(
            abi.encode(s.owner, s.containerId, s.featuresHash, s.frequency, s.period, s.activeAt),
            abi.encode(s.redundancy, s.maxGasPrice, s.maxGasLimit, s.mode, s.node, s.minBond),
            abi.encode(s.verifier, s.verifierParams, s.verifierFee, s.payer, s.token, s.fee),
            abi.encode(s.royaltyTo, s.royaltyBps, s.deadline)
        );
        bytes32 expected = keccak256(bytes.concat(keccak256(SubscriptionLib.TYPE), fields));
        assert(structHash == expected);
        assert(m.hash() == expected);
        assert(keccak256(abi.encode(m)) == keccak256(fields));
    }

    /// @dev Clean or not: words that differ anywhere have another hash. So what is compared with a commitment to a clean
    /// struct is that struct.
    function check_OtherWordsHaveAnotherHash(bytes32[21] calldata a, bytes32[21] calldata b) external view {
        bytes32 difference;
        for (uint256 i; i < 21; ++i) {
            difference |= a[i] ^ b[i];
        }
        assert((difference == 0) == (_hash(a) == _hash(b)));
    }

    function _hash(bytes32[21] calldata words) private view returns (bytes32) {
        (bool ok, bytes memory result) =
            address(this).staticcall(abi.encodeWithSelector(this.hashLoaded.selector, words));
        assert(ok);
        return abi.decode(result, (bytes32));
    }

    /// @dev The commitment loses the last byte of the hash, and nothing else: that one is for flags.
    function check_TheCommitmentIsCut(bytes32 a, bytes32 b) external pure {
        bytes32 cut = SubscriptionLib.commitment(a);
        assert(uint8(uint256(cut)) == 0);
        assert(uint256(a) - uint256(cut) <= 0xff);
        assert((cut == SubscriptionLib.commitment(b)) == (bytes31(a) == bytes31(b)));
        assert(SubscriptionLib.commitment(cut | bytes32(uint256(uint8(uint256(b))))) == cut);
    }

    function check_ASignatureIsForOneNonceOneExpiryAndOneStruct(
        uint32 nonce,
        uint32 otherNonce,
        uint40 expiry,
        uint40 otherExpiry,
        bytes32 structHash,
        bytes32 otherHash
    ) external pure {
        bool same = nonce == otherNonce && expiry == otherExpiry && structHash == otherHash;
        bytes32 message = SubscriptionLib.hashDelegate(nonce, expiry, structHash);
        assert(same == (message == SubscriptionLib.hashDelegate(otherNonce, otherExpiry, otherHash)));
    }
}
