// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice The terms of a subscription. All fields are static: the EIP-712 hash of this struct is both the commitment
/// that the Coordinator keeps and the message that a delegated signer signs.
/// @dev Fields marked (later) have no meaning yet and must be zero.
struct Subscription {
    /// The consumer contract: receives the outputs and may cancel.
    address owner;
    /// keccak256 of the container string; "A,B,C" is a chain, each fed the output of the one before.
    bytes32 containerId;
    /// keccak256 of the features; 0 in pull mode.
    bytes32 featuresHash;
    /// Number of intervals; type(uint256).max is perpetual.
    uint256 frequency;
    /// Seconds of an interval; 0 = once.
    uint32 period;
    /// Start of interval 1, in seconds since the epoch.
    uint40 activeAt;
    /// Number of distinct nodes that answer each interval.
    uint16 redundancy;
    /// In wei; a delivery in a transaction with a higher gas price reverts.
    uint48 maxGasPrice;
    /// Gas of the callback plus DELIVERY_OVERHEAD_WEI.
    uint32 maxGasLimit;
    /// Bits: 1 pull; (later) 2 lazy, 4 sealed, 8 provisional, 16 isolated.
    uint8 mode;
    /// 0 = any node, else only this one may deliver.
    address node;
    /// (later) Bond of the node towards `verifier`.
    uint96 minBond;
    /// (later) 0 = none.
    address verifier;
    /// (later) Hash of the verifier's parameters.
    bytes32 verifierParams;
    /// (later)
    uint96 verifierFee;
    /// (later) 0 = the owner's balance.
    address payer;
    /// (later) 0 = ETH.
    address token;
    /// (later) Per answer, all-in.
    uint128 fee;
    /// (later) The model's creator.
    address royaltyTo;
    /// (later)
    uint16 royaltyBps;
    /// (later) One-time only; 0 = none.
    uint40 deadline;
}

/// @notice A delegated subscription as it travels with a delivery.
struct DelegateRequest {
    uint32 nonce;
    uint40 expiry;
    Subscription subscription;
    string container;
    bytes features;
    bytes signature;
}

/// @notice Hashing of subscriptions (EIP-712).
library SubscriptionLib {
    /// @notice Bit of `Subscription.mode`: features come from the owner's `getModelFeatures`, at each interval's start.
    uint8 internal constant PULL = 1;

    /// @notice Ids of delegated subscriptions carry this bit; the rest of the id is the nonce.
    uint32 internal constant DELEGATED = 1 << 31;

    bytes internal constant TYPE = "Subscription(address owner,bytes32 containerId,bytes32 featuresHash,"
        "uint256 frequency,uint32 period,uint40 activeAt,uint16 redundancy,uint48 maxGasPrice,uint32 maxGasLimit,"
        "uint8 mode,address node,uint96 minBond,address verifier,bytes32 verifierParams,uint96 verifierFee,"
        "address payer,address token,uint128 fee,address royaltyTo,uint16 royaltyBps,uint40 deadline)";

    bytes32 internal constant TYPEHASH = keccak256(TYPE);

    bytes32 internal constant DELEGATE_TYPEHASH =
        keccak256(bytes.concat("DelegateSubscription(uint32 nonce,uint40 expiry,Subscription subscription)", TYPE));

    /// @dev The struct's size in memory and in calldata: 21 words.
    uint256 private constant SIZE = 672;

    /// @notice EIP-712 hashStruct of a subscription in memory.
    function hash(Subscription memory s) internal pure returns (bytes32 structHash) {
        bytes32 typeHash = TYPEHASH;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typeHash)
            mcopy(add(free, 0x20), s, SIZE)
            structHash := keccak256(free, add(SIZE, 0x20))
        }
    }

    /// @notice EIP-712 hashStruct of a subscription in calldata.
    /// @dev Every field is static, so calldata already is EIP-712's encodeData. Nothing checks the upper bits of short
    /// fields here: compare the result only with commitments, which are only ever made to clean structs.
    function hashCalldata(Subscription calldata s) internal pure returns (bytes32 structHash) {
        bytes32 typeHash = TYPEHASH;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typeHash)
            calldatacopy(add(free, 0x20), s, SIZE)
            structHash := keccak256(free, add(SIZE, 0x20))
        }
    }

    /// @notice EIP-712 hashStruct of DelegateSubscription.
    function hashDelegate(uint32 nonce, uint40 expiry, bytes32 structHash) internal pure returns (bytes32) {
        return keccak256(abi.encode(DELEGATE_TYPEHASH, nonce, expiry, structHash));
    }

    /// @notice What the Coordinator keeps: 31 bytes of the hash. The low byte is for flags.
    function commitment(bytes32 structHash) internal pure returns (bytes32) {
        return structHash & ~bytes32(uint256(0xff));
    }
}
