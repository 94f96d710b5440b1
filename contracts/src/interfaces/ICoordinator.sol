// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Answer, Subscription} from "../Subscription.sol";
import {ILedger} from "./ILedger.sol";

/// @title ICoordinator
/// @notice Consumers subscribe to the output of a model, nodes deliver it, and are paid where the terms say so.
/// @dev Assumptions:
/// - A subscription is known by (owner, id), never by id alone: delegated ids are chosen by the owner's signer.
/// - The Coordinator keeps a commitment to the terms. Everything else stands in `SubscriptionCreated`, and a delivery
///   passes the terms again, so an output fits only the terms that it was computed for.
/// - The consumer's callback is the last step of a delivery. While it runs, `createSubscription` and
///   `cancelSubscription` may be called (to ask the next question, or to stop); every other entry point is locked.
/// - An owner without code can own a subscription: its outputs stand in the calldata of the deliveries.
/// - Money. One-time: `fee * redundancy` is locked from creation until it is earned, or until the deadline is over and
///   anyone calls `expire`. Recurring: one interval's fees are locked from creation to the end; a delivery
///   is paid from them and tops them up. Where the payer has no more, the subscription pauses: what has begun is still
///   paid, the next interval waits for `fund`. Cancelling stops intervals that have not begun.
/// - Nothing is read live at a delivery but the node's bond: fee, shares and payees of a subscription never change.
interface ICoordinator is ILedger {
    /// @notice A subscription exists from now on. Holds all that a node needs to answer it.
    event SubscriptionCreated(
        address indexed owner,
        uint32 indexed id,
        bytes32 indexed containerId,
        Subscription subscription,
        string container,
        bytes features
    );

    /// @notice The parameters of the subscription's verifier. Follows `SubscriptionCreated` where there is a verifier.
    event VerifierParams(address indexed owner, uint32 indexed id, bytes params);

    /// @notice Cancelled: no further delivery is accepted; of a paid one, none for intervals that begin later.
    event SubscriptionCancelled(address indexed owner, uint32 indexed id);

    /// @notice The answer with the ordinal `redundancy` (from 1) of `interval` was paid and handed to the consumer.
    /// @param callbackOk Whether the consumer took it: false only in isolated mode, or where a verifier accepted it.
    event SubscriptionFulfilled(
        address indexed owner,
        uint32 indexed id,
        address indexed node,
        uint32 interval,
        uint16 redundancy,
        bool callbackOk
    );

    /// @notice An answer was delivered and waits for its verifier: see `settle`. It counts as delivered.
    event AnswerPending(
        address indexed owner,
        uint32 indexed id,
        address indexed node,
        uint32 interval,
        uint16 redundancy,
        uint40 pendingUntil,
        bytes32 featuresHash,
        bytes32 outputHash
    );

    /// @notice A pending answer is decided. Valid: `SubscriptionFulfilled` follows. Else its fee is the payer's again.
    event AnswerSettled(
        address indexed owner, uint32 indexed id, address indexed node, uint32 interval, uint16 redundancy, bool valid
    );

    /// @notice The payer could not pay for the interval after this one. `fund` resumes.
    event SubscriptionPaused(address indexed owner, uint32 indexed id, uint32 interval);

    /// @notice A paused subscription was funded: nodes may go on.
    event SubscriptionResumed(address indexed owner, uint32 indexed id);

    /// @notice The subscription is over; `refund` is the payer's again.
    event SubscriptionExpired(address indexed owner, uint32 indexed id, uint256 refund);

    /// @notice An item of `deliverModelOutputs` failed, without harm to the others.
    /// @param index Its place, from 0.
    /// @param reason The first 512 bytes of its revert data.
    event DeliveryFailed(address indexed node, uint256 index, bytes reason);

    // --- Errors of deployment

    /// @notice A registry that the Coordinator is to use is no contract.
    error RegistryWithoutCode(address registry);

    /// @notice The protocol takes 5 % at most, and only where somebody receives it.
    error InvalidProtocolShare(uint16 bps, address to);

    // --- Errors of creation

    /// @notice An entry point was called during a call that the Coordinator makes itself.
    error Reentered();

    /// @notice All 2^31 - 1 ids are given away.
    error IdsExhausted();

    /// @notice Only the owner may create its subscriptions.
    error NotOwner(address caller, address owner);

    /// @notice Only who pays for the subscription may cancel it in this way.
    error NotPayer(address caller, address payer);

    /// @notice The container string is empty.
    error EmptyContainer();

    /// @notice `containerId` is not the hash of the container string.
    error ContainerMismatch(bytes32 given, bytes32 computed);

    /// @notice `featuresHash` is not the hash of the features (in pull mode both must be empty).
    error FeaturesMismatch(bytes32 given, bytes32 computed);

    /// @notice No node at all is to answer an interval.
    error ZeroRedundancy();

    /// @notice There is to be no interval.
    error ZeroFrequency();

    /// @notice More than one interval needs a period.
    error ZeroPeriod(uint256 frequency);

    /// @notice A `maxGasPrice` of 0 wei would let nobody deliver.
    error ZeroMaxGasPrice();

    /// @notice `maxGasLimit` does not even cover the delivery's own gas.
    error MaxGasLimitTooLow(uint32 given, uint32 minimum);

    /// @notice One named node cannot answer an interval more than once.
    error NamedNodeWithRedundancy(address node, uint16 redundancy);

    /// @notice The mode has bits without meaning.
    error UnknownMode(uint8 mode);

    /// @notice What is paid must end: a one-time subscription with a fee needs a deadline.
    error DeadlineMissing(uint128 fee);

    /// @notice Recurring subscriptions end by themselves or are cancelled.
    error DeadlineOnRecurring(uint40 deadline);

    /// @notice The deadline comes before interval 1 begins.
    error DeadlineBeforeStart(uint40 deadline, uint40 activeAt);

    /// @notice Money would be locked for too long: `term` is above `maximum`.
    error TooFarAhead(string term, uint256 given, uint256 maximum);

    /// @notice `term` means something only where there is a fee.
    error NeedsFee(string term, uint256 given);

    /// @notice `term` means something only where there is a verifier.
    error NeedsVerifier(string term, uint256 given);

    /// @notice The shares of creator, verifier and protocol are more than the fee.
    error FeeTooLow(uint128 fee, uint256 shares);

    /// @notice The royalty is lower than what the model's creator asks for, or goes to somebody else; or it has a
    /// receiver without a share, or a share without a receiver.
    error RoyaltyMismatch(address to, uint16 bps, address registeredTo, uint16 registeredBps);

    /// @notice The verifier that the terms name is no contract.
    error VerifierWithoutCode(address verifier);

    /// @notice `verifierParams` is not the hash of the parameters (0 where they are empty).
    error VerifierParamsMismatch(bytes32 given, bytes32 computed);

    /// @notice In pull mode with this verifier nothing would bind a proof to the features.
    error PullNotVerifiable(address verifier);

    // --- Errors of what exists

    /// @notice There is no such subscription, or it was completed, cancelled or has expired.
    error SubscriptionNotFound(address owner, uint32 id);

    /// @notice The subscription has other terms than those given.
    error TermsMismatch(address owner, uint32 id);

    /// @notice Interval 1 begins at `activeAt`.
    error SubscriptionNotActive(uint256 timestamp, uint40 activeAt);

    /// @notice `interval` is past the last one.
    error SubscriptionCompleted(uint32 interval, uint256 frequency);

    /// @notice No answer is taken after the deadline.
    error DeadlinePassed(uint256 timestamp, uint40 deadline);

    /// @notice The subscription was cancelled before this interval began.
    error IntervalCancelled(uint32 interval, uint256 last);

    /// @notice The subscription waits for money since `last`.
    error IntervalNotFunded(uint32 interval, uint32 last);

    /// @notice Only the interval of this block's time is answered: `current`.
    error IntervalMismatch(uint32 given, uint32 current);

    /// @notice The interval has all its answers.
    error IntervalCompleted(uint32 interval, uint16 redundancy);

    /// @notice This node has answered this interval before.
    error AlreadyDelivered(address node, uint32 interval);

    /// @notice Only `node` may answer this subscription.
    error NotNamedNode(address caller, address node);

    /// @notice The node has less than the terms' `minBond` bonded towards the verifier, in wei.
    error BondTooLow(address node, address verifier, uint256 bond, uint96 minimum);

    /// @notice The transaction pays more for gas, in wei, than the terms' `maxGasPrice`.
    error GasPriceTooHigh(uint256 given, uint48 maximum);

    /// @notice The output is not what lazy mode asks for: `abi.encode(bytes32 sha256, string uri)`.
    error NotALazyOutput(uint256 length);

    /// @notice The consumer has not committed to the features of this interval.
    error FeaturesNotCommitted(address owner, uint32 id, uint32 interval);

    /// @notice The verifier does not accept the answer.
    error InvalidAnswer(address verifier, bytes32 outputHash);

    /// @notice The verifier reverted, or answered nonsense.
    /// @param reason The first 256 bytes of its revert data.
    error VerifierFailed(address verifier, bytes reason);

    /// @notice An answer may be pending for `MAX_PENDING` at most.
    error PendingTooLong(uint256 pendingUntil, uint256 maximum);

    /// @notice No such answer is pending.
    error NotPending(address owner, uint32 id, uint32 interval, uint16 redundancy);

    /// @notice The verifier has not decided yet, and has until then.
    error StillPending(uint256 timestamp, uint40 pendingUntil);

    /// @notice The transaction has too little gas left to give a callback exactly what it was promised, or a verifier
    /// what it needs.
    error InsufficientGas(uint256 available, uint256 required);

    /// @notice The consumer's callback reverted.
    /// @param reason The first 256 bytes of its revert data.
    error CallbackFailed(address owner, uint32 id, bytes reason);

    /// @notice A paid one-time subscription cannot be cancelled: it expires.
    error PaidUntilDeadline(address owner, uint32 id);

    /// @notice The subscription was cancelled before; what had begun by then is still answered.
    error AlreadyCancelled(address owner, uint32 id);

    /// @notice The subscription has the money that it needs, or is cancelled: there is nothing to fund.
    error NotPaused(address owner, uint32 id);

    /// @notice It does not end before `endsAt`; type(uint256).max: it does not expire.
    error NotExpired(uint256 timestamp, uint256 endsAt);

    /// @notice Only deliveries and settlements can be in a batch.
    error NotADelivery(uint256 index, bytes4 selector);

    /// @notice The items of a batch overlap in calldata.
    error Overlapping(uint256 length, uint256 maximum);

    /// @notice A batch of calls within a batch of calls.
    error NestedMulticall(uint256 index);

    // --- Creating and cancelling

    /// @notice Subscribes the caller to the output of `container`, unpaid, answered by any node. Overloads take full
    /// terms.
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
    /// is a bit of `s.mode`. What `quoteSubscription` says is locked.
    function createSubscription(Subscription calldata s, string calldata container, bytes calldata features)
        external
        returns (uint32 id);

    /// @notice Subscribes with full terms whose verifier has parameters.
    /// @param verifierParams The parameters; `s.verifierParams` is their hash.
    function createSubscription(
        Subscription calldata s,
        string calldata container,
        bytes calldata features,
        bytes calldata verifierParams
    ) external returns (uint32 id);

    /// @notice Cancels a subscription of the caller, delegated ones included. Of a paid one, intervals that have begun
    /// are still answered; `expire` then returns what is left. A paid one-time subscription cannot be cancelled.
    function cancelSubscription(uint32 id) external;

    /// @notice Cancels a subscription that the caller pays for, though it is another's. What `cancelSubscription` says
    /// of paid ones holds here too.
    function cancelSubscriptionAsPayer(uint32 id, Subscription calldata s) external;

    // --- Delivering

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

    /// @notice Makes many deliveries. One that fails is reported by `DeliveryFailed` and does not disturb the others;
    /// only `InsufficientGas` reverts all of them.
    /// @param deliveries Each the calldata of `deliverModelOutput`, `deliverModelOutputDelegate` or `settle`.
    function deliverModelOutputs(bytes[] calldata deliveries) external;

    /// @notice Asks the verifier of a pending answer once more. Anyone may call.
    /// Valid: the fee is paid and the consumer called. Invalid, or anything else after `a.pendingUntil`: the fee
    /// returns to the payer; that needs `SETTLE_GAS`.
    /// @param a The answer, as in `AnswerPending`.
    /// @param s The subscription's terms.
    /// @param output The output that was delivered.
    /// @param proof What the verifier wants to see now.
    function settle(Answer calldata a, Subscription calldata s, bytes calldata output, bytes calldata proof) external;

    // --- Money

    /// @notice Ends what is over, and returns what is left to the payer: a one-time subscription after its deadline, a
    /// recurring one after its last interval, or after the last that had begun when it was cancelled. Anyone may call.
    function expire(uint32 id, Subscription calldata s) external;

    /// @notice Resumes a paused subscription from the payer's balance: what `quoteFund` says is locked. Anyone may
    /// call.
    function fund(uint32 id, Subscription calldata s) external;

    /// @notice Makes several calls in the caller's name; all succeed or none. Takes no ETH.
    function multicall(bytes[] calldata calls) external;

    // --- Views

    /// @notice What creating a subscription locks (`amount`, in the token's smallest unit; ETH: wei), and of whom.
    function quoteSubscription(Subscription calldata s)
        external
        view
        returns (address payer, address token, uint256 amount);

    /// @notice What `fund` locks (`amount`, in the token's smallest unit; ETH: wei), and of whom.
    function quoteFund(uint32 id, Subscription calldata s)
        external
        view
        returns (address payer, address token, uint256 amount);

    /// @notice Who gets what of the fee of an answer, in the unit of the fee. The four are all of it.
    function quoteAnswer(Subscription calldata s)
        external
        view
        returns (uint256 toNode, uint256 toCreator, uint256 toVerifier, uint256 toProtocol);

    /// @notice Seconds after an interval's start at which it is the node's turn, below `window`: what nodes of a
    /// container wait for, so that they need not race.
    function turnDelay(address owner, uint32 id, uint32 interval, address node, uint32 window)
        external
        pure
        returns (uint256);

    /// @notice The current interval, from 1: `(now - activeAt) / period + 1`, and 1 when `period` is 0.
    /// @dev Reverts before `activeAt`, and where the result does not fit.
    function getSubscriptionInterval(uint40 activeAt, uint32 period) external view returns (uint32);

    /// @notice What the Coordinator knows of a subscription.
    /// @return commitment 31 bytes of the EIP-712 hash of the terms and a byte of flags (1 paid, 2 recurring,
    /// 4 cancelled, 8 paused); 0 = none, completed, cancelled or expired.
    /// @return interval The last interval that was answered; always 0 where one answer completes the subscription.
    /// @return delivered The number of answers it has.
    function getSubscription(address owner, uint32 id)
        external
        view
        returns (bytes32 commitment, uint32 interval, uint16 delivered);

    /// @notice The last interval that `node` answered; kept only where redundancy > 1.
    function getLastInterval(address owner, uint32 id, address node) external view returns (uint32);

    /// @notice Whether an answer is pending.
    function isPending(Answer calldata a, Subscription calldata s, bytes32 outputHash) external view returns (bool);

    /// @notice The id given away last; 0 = none yet.
    function lastId() external view returns (uint32);

    /// @notice What a delivery costs outside the callback, in units of *gas* (its name, which is promised, says wei):
    /// the callback of a subscription is given exactly `maxGasLimit - DELIVERY_OVERHEAD_WEI` gas.
    /// @dev Covers the transaction's base, calldata with an output of about 1 KB, and the first free delivery by a node
    /// to a recurring, redundant subscription without a verifier, which is the dearest of those.
    function DELIVERY_OVERHEAD_WEI() external view returns (uint32);

    /// @notice Seconds that an answer may be pending: 30 days.
    function MAX_PENDING() external view returns (uint40);

    /// @notice Gas with which a verifier must manage to settle: 5 million.
    function SETTLE_GAS() external view returns (uint256);

    /// @notice Where there is a fee, deadline and start are at most so many seconds ahead, and a period is not longer:
    /// a year.
    function MAX_LIFETIME() external view returns (uint40);

    /// @notice Where the terms of published models stand.
    function MODEL_REGISTRY() external view returns (address);

    /// @notice Where the bonds of nodes stand.
    function NODE_REGISTRY() external view returns (address);

    /// @notice The protocol's part of each fee, in 1/10,000: at most 500.
    function PROTOCOL_SHARE_BPS() external view returns (uint16);

    /// @notice Who is credited with the protocol's part; zero where there is none.
    function PROTOCOL_TO() external view returns (address);
}
