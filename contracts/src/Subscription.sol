// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice The terms of a subscription. All fields are static: the EIP-712 hash of this struct is both the commitment
/// that the Coordinator keeps and the message that a delegated signer signs.
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
    /// Bits: 1 pull, 2 lazy, 4 sealed, 8 provisional, 16 isolated. See `SubscriptionLib`.
    uint8 mode;
    /// 0 = any node, else only this one may deliver.
    address node;
    /// What a node must have bonded towards `verifier` when it delivers, in wei.
    uint96 minBond;
    /// Decides whether an answer is good (see `IVerifier`); 0 = nobody does.
    address verifier;
    /// keccak256 of the verifier's parameters; 0 where it has none.
    bytes32 verifierParams;
    /// The verifier's part of the fee.
    uint96 verifierFee;
    /// Whose balance pays; 0 = the owner's. Another payer must have allowed the owner.
    address payer;
    /// What it pays in; 0 = ETH.
    address token;
    /// Per answer, all-in: the node gets what verifier, creator and protocol leave. 0 = free.
    uint128 fee;
    /// The model's creator; 0 = nobody.
    address royaltyTo;
    /// The creator's part of the fee, in 1/10,000.
    uint16 royaltyBps;
    /// The last second in which an answer is taken. One-time only; required when paid; 0 = none.
    uint40 deadline;
}

/// @notice A delegated subscription as it travels with a delivery.
struct DelegateRequest {
    /// Below 2^31; each is good once. The subscription's id is `2^31 | nonce`.
    uint32 nonce;
    /// The last second, since the epoch, at which the signature creates the subscription.
    uint40 expiry;
    /// The terms that were signed.
    Subscription subscription;
    /// Name of the container, or a chain "A,B,C".
    string container;
    /// Input of the container; empty in pull mode.
    bytes features;
    /// Of the owner's signer.
    bytes signature;
}

/// @notice One answer: which, and by whom. What `settle` is told of an answer that is pending stands in
/// `AnswerPending`.
struct Answer {
    /// The subscription.
    uint32 id;
    /// The interval that it answers, from 1.
    uint32 interval;
    /// Its ordinal in the interval, from 1.
    uint16 redundancy;
    /// Who delivered it.
    address node;
    /// From then on, in seconds since the epoch, whatever is not valid is refunded.
    uint40 pendingUntil;
    /// What the verifier was told of the features.
    bytes32 featuresHash;
}

/// @notice Hashing of subscriptions (EIP-712).
library SubscriptionLib {
    /// @notice Bit of `Subscription.mode`: features come from the owner's `getModelFeatures`, at each interval's start.
    uint8 internal constant PULL = 1;

    /// @notice Outputs are `abi.encode(bytes32 sha256, string uri)`: where the bytes are, and their hash. See
    /// `LazyOutput`.
    uint8 internal constant LAZY = 2;

    /// @notice Answers are committed to before they are shown: for verifiers that ask for it.
    uint8 internal constant SEALED = 4;

    /// @notice A pending answer is shown to the consumer at once, by `rawReceiveProvisionalOutput`.
    uint8 internal constant PROVISIONAL = 8;

    /// @notice A callback that fails does not undo the delivery.
    uint8 internal constant ISOLATED = 16;

    /// @notice Ids of delegated subscriptions carry this bit; the rest of the id is the nonce.
    uint32 internal constant DELEGATED = 1 << 31;

    /// @notice The EIP-712 type of the struct.
    bytes internal constant TYPE = "Subscription(address owner,bytes32 containerId,bytes32 featuresHash,"
        "uint256 frequency,uint32 period,uint40 activeAt,uint16 redundancy,uint48 maxGasPrice,uint32 maxGasLimit,"
        "uint8 mode,address node,uint96 minBond,address verifier,bytes32 verifierParams,uint96 verifierFee,"
        "address payer,address token,uint128 fee,address royaltyTo,uint16 royaltyBps,uint40 deadline)";

    /// @notice Its hash.
    bytes32 internal constant TYPEHASH = keccak256(TYPE);

    /// @notice The hash of the type that a signer signs.
    bytes32 internal constant DELEGATE_TYPEHASH =
        keccak256(abi.encodePacked("DelegateSubscription(uint32 nonce,uint40 expiry,Subscription subscription)", TYPE));

    /// @dev The struct's size in memory, in calldata and in ABI encoding: all of it is static, 21 words.
    uint256 private constant SIZE = 672;

    /// @notice Copies a subscription to memory as it is, and computes its EIP-712 hashStruct.
    /// @dev Every field is static, so calldata already is EIP-712's encodeData. Nothing checks the upper bits of short
    /// fields here: compare the hash with commitments, which are only ever made to clean structs.
    function load(Subscription calldata s) internal pure returns (Subscription memory m, bytes32 structHash) {
        bytes32 typeHash = TYPEHASH;
        assembly ("memory-safe") {
            let free := mload(0x40)
            m := add(free, 0x20)
            mstore(free, typeHash)
            calldatacopy(m, s, SIZE)
            structHash := keccak256(free, add(SIZE, 0x20))
            mstore(0x40, add(m, SIZE))
        }
    }

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

    /// @notice EIP-712 hashStruct of DelegateSubscription.
    function hashDelegate(uint32 nonce, uint40 expiry, bytes32 structHash) internal pure returns (bytes32) {
        return keccak256(abi.encode(DELEGATE_TYPEHASH, nonce, expiry, structHash));
    }

    /// @notice What the Coordinator keeps: 31 bytes of the hash. The low byte is for flags.
    function commitment(bytes32 structHash) internal pure returns (bytes32) {
        return structHash & ~bytes32(uint256(0xff));
    }
}
