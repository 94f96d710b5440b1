// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Subscription} from "../Subscription.sol";

/// @title ICoordinator
/// @notice Consumers subscribe to the output of a model, nodes deliver it.
/// @dev Assumptions:
/// - A subscription is known by (owner, id), never by id alone: delegated ids are chosen by the owner's signer.
/// - The Coordinator keeps a commitment to the terms. Everything else stands in `SubscriptionCreated`, and a delivery
///   passes the terms again, so an output fits only the terms that it was computed for.
/// - The consumer's callback is the last step of a delivery. While it runs, `createSubscription` and
///   `cancelSubscription` may be called (to ask the next question, or to stop); every other entry point is locked.
/// - An owner without code can own a subscription: its outputs stand in the calldata of the deliveries.
interface ICoordinator {
    /// @notice A subscription exists from now on. Holds all that a node needs to answer it.
    event SubscriptionCreated(
        address indexed owner,
        uint32 indexed id,
        bytes32 indexed containerId,
        Subscription subscription,
        string container,
        bytes features
    );

    /// @notice The owner has cancelled: no further delivery is accepted.
    event SubscriptionCancelled(address indexed owner, uint32 indexed id);

    /// @notice A node has delivered the answer with the ordinal `redundancy` (from 1) of `interval`.
    event SubscriptionFulfilled(
        address indexed owner, uint32 indexed id, address indexed node, uint32 interval, uint16 redundancy
    );

    /// @notice An entry point was called during a call that the Coordinator makes itself.
    error Reentered();

    /// @notice All 2^31 - 1 ids are given away.
    error IdsExhausted();

    /// @notice Only the owner may create its subscriptions.
    error NotOwner(address caller, address owner);

    error EmptyContainer();

    /// @notice `containerId` is not the hash of the container string.
    error ContainerMismatch(bytes32 given, bytes32 computed);

    /// @notice `featuresHash` is not the hash of the features (in pull mode both must be empty).
    error FeaturesMismatch(bytes32 given, bytes32 computed);

    error ZeroRedundancy();

    error ZeroFrequency();

    /// @notice More than one interval needs a period.
    error ZeroPeriod(uint256 frequency);

    error ZeroMaxGasPrice();

    /// @notice `maxGasLimit` does not even cover the delivery's own gas.
    error MaxGasLimitTooLow(uint32 given, uint32 minimum);

    /// @notice One named node cannot answer an interval more than once.
    error NamedNodeWithRedundancy(address node, uint16 redundancy);

    /// @notice `term` has no meaning yet and must be zero.
    error UnsupportedTerm(string term);

    /// @notice There is no such subscription, or it was completed or cancelled.
    error SubscriptionNotFound(address owner, uint32 id);

    /// @notice The subscription has other terms than those given.
    error TermsMismatch(address owner, uint32 id);

    /// @notice Interval 1 begins at `activeAt`.
    error SubscriptionNotActive(uint256 timestamp, uint40 activeAt);

    /// @notice `interval` is past the last one.
    error SubscriptionCompleted(uint32 interval, uint256 frequency);

    error IntervalMismatch(uint32 given, uint32 current);

    /// @notice The interval has all its answers.
    error IntervalCompleted(uint32 interval, uint16 redundancy);

    /// @notice This node has answered this interval before.
    error AlreadyDelivered(address node, uint32 interval);

    /// @notice Only `node` may answer this subscription.
    error NotNamedNode(address caller, address node);

    error GasPriceTooHigh(uint256 given, uint48 maximum);

    /// @notice The transaction has too little gas left to give the callback exactly what it was promised.
    error InsufficientGas(uint256 available, uint256 required);

    /// @notice The consumer's callback reverted.
    /// @param reason The first 256 bytes of its revert data.
    error CallbackFailed(address owner, uint32 id, bytes reason);

    /// @notice What a delivery costs outside the callback, in units of *gas* (its name, which is promised, says wei):
    /// the callback of a subscription is given exactly `maxGasLimit - DELIVERY_OVERHEAD_WEI` gas.
    /// @dev Covers the transaction's base, calldata with an output of about 1 KB, and the first delivery by a node to a
    /// recurring, redundant subscription, which is the dearest.
    function DELIVERY_OVERHEAD_WEI() external view returns (uint32);

    /// @notice Subscribes the caller to the output of `container`, unpaid, answered by any node.
    /// @param container Name of the container, or a chain "A,B,C".
    /// @param features Input of the container. Empty: nodes read them from the caller's `getModelFeatures` (pull).
    /// @param maxGasPrice In wei; deliveries at a higher gas price revert.
    /// @param maxGasLimit Gas of the callback plus `DELIVERY_OVERHEAD_WEI`.
    /// @param frequency Number of intervals; type(uint256).max is perpetual.
    /// @param period Seconds of an interval; 0 = once. Recurring subscriptions start at now + period.
    /// @param redundancy Number of distinct nodes that answer each interval.
    /// @return id The subscription's id, from 1 to 2^31 - 1.
    function createSubscription(
        string calldata container,
        bytes calldata features,
        uint48 maxGasPrice,
        uint32 maxGasLimit,
        uint256 frequency,
        uint32 period,
        uint16 redundancy
    ) external returns (uint32 id);

    /// @notice Subscribes with full terms. `s.owner` must be the caller. Empty features are legitimate here: pull mode
    /// is a bit of `s.mode`.
    function createSubscription(Subscription calldata s, string calldata container, bytes calldata features)
        external
        returns (uint32 id);

    /// @notice Cancels a subscription of the caller, delegated ones included.
    function cancelSubscription(uint32 id) external;

    /// @notice Delivers an output to the owner of a subscription.
    /// @param id The subscription.
    /// @param interval The interval that the output answers; must be the current one.
    /// @param s The subscription's terms, as in `SubscriptionCreated`.
    /// @param output The model's output.
    /// @param proof The proof, empty where none is asked for.
    function deliverModelOutput(
        uint32 id,
        uint32 interval,
        Subscription calldata s,
        bytes calldata output,
        bytes calldata proof
    ) external;

    /// @notice The current interval, from 1: `(now - activeAt) / period + 1`, and 1 when `period` is 0.
    /// @dev Reverts before `activeAt`, and where the result does not fit.
    function getSubscriptionInterval(uint40 activeAt, uint32 period) external view returns (uint32);

    /// @notice What the Coordinator knows of a subscription.
    /// @return commitment 31 bytes of the EIP-712 hash of the terms and a byte of flags; 0 = none, completed or cancelled.
    /// @return interval The last interval that was answered; always 0 where one answer completes the subscription.
    /// @return delivered The number of answers it has.
    function getSubscription(address owner, uint32 id)
        external
        view
        returns (bytes32 commitment, uint32 interval, uint16 delivered);

    /// @notice The last interval that `node` answered; kept only where redundancy > 1.
    function getLastInterval(address owner, uint32 id, address node) external view returns (uint32);

    /// @notice The id given away last; 0 = none yet.
    function lastId() external view returns (uint32);
}
