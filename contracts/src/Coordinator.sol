// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IBaseConsumer} from "./interfaces/IBaseConsumer.sol";
import {ICoordinator} from "./interfaces/ICoordinator.sol";
import {Subscription, SubscriptionLib} from "./Subscription.sol";

/// @title Coordinator
/// @notice The core: one word of state per subscription, a delivery that ends in the consumer's callback.
contract Coordinator is ICoordinator {
    using SafeCast for uint256;
    using SubscriptionLib for Subscription;

    /// @dev What is kept of a subscription. The second word is used only where it has more than one answer, and again
    /// for each interval.
    struct Record {
        /// 31 bytes of the commitment and a byte of flags. No flag has a use yet: the byte is 0.
        bytes32 word;
        /// The last interval that was answered, and how many answers it has.
        uint32 interval;
        uint16 delivered;
    }

    /// @inheritdoc ICoordinator
    uint32 public constant DELIVERY_OVERHEAD_WEI = 110_000;

    /// @dev The lock: nothing runs, an entry point that calls out runs, a consumer's callback runs.
    uint256 internal constant FREE = 0;
    uint256 internal constant LOCKED = 1;
    uint256 internal constant IN_CALLBACK = 2;

    /// @dev Gas that a delivery keeps for the call itself and for what follows it.
    uint256 private constant CALLBACK_RESERVE = 6_000;

    /// @dev At most so much of a failed callback's revert data is copied.
    uint256 private constant MAX_REASON = 256;

    uint256 internal transient _lock;

    /// @inheritdoc ICoordinator
    uint32 public lastId;

    mapping(address owner => mapping(uint32 id => Record)) internal _records;

    /// @dev Kept only where redundancy > 1.
    mapping(address owner => mapping(uint32 id => mapping(address node => uint32))) private _lastIntervals;

    /// @inheritdoc ICoordinator
    function createSubscription(
        string calldata container,
        bytes calldata features,
        uint48 maxGasPrice,
        uint32 maxGasLimit,
        uint256 frequency,
        uint32 period,
        uint16 redundancy
    ) external returns (uint32 id) {
        _checkNotLocked();
        Subscription memory s;
        s.owner = msg.sender;
        s.containerId = keccak256(bytes(container));
        if (features.length == 0) s.mode = SubscriptionLib.PULL;
        else s.featuresHash = keccak256(features);
        s.frequency = frequency;
        s.period = period;
        s.activeAt = (block.timestamp + period).toUint40();
        s.redundancy = redundancy;
        s.maxGasPrice = maxGasPrice;
        s.maxGasLimit = maxGasLimit;

        // The other terms are zero, so these are all checks there are.
        _checkTerms(s, container);
        return _createOnChain(s, container, features);
    }

    /// @inheritdoc ICoordinator
    function createSubscription(Subscription calldata s, string calldata container, bytes calldata features)
        external
        returns (uint32 id)
    {
        _checkNotLocked();

        // Check: the caller speaks for itself, and the hashes are those of what is given.
        if (s.owner != msg.sender) revert NotOwner(msg.sender, s.owner);
        _checkHashes(s, container, features);

        // Check: the terms. Copying them to memory checks that each field is in its range.
        Subscription memory terms = s;
        _checkTerms(terms, container);
        _checkUnsupportedTerms(terms);
        return _createOnChain(terms, container, features);
    }

    /// @inheritdoc ICoordinator
    function cancelSubscription(uint32 id) external {
        _checkNotLocked();

        // Check
        Record storage record = _records[msg.sender][id];
        if (record.word == 0) revert SubscriptionNotFound(msg.sender, id);

        // Effect: the second word may stay behind, ids never return.
        record.word = 0;

        emit SubscriptionCancelled(msg.sender, id);
    }

    /// @inheritdoc ICoordinator
    function deliverModelOutput(
        uint32 id,
        uint32 interval,
        Subscription calldata s,
        bytes calldata output,
        bytes calldata proof
    ) external {
        _checkFree();

        // Check: these are the terms.
        Record storage record = _records[s.owner][id];
        if (record.word == 0) revert SubscriptionNotFound(s.owner, id);
        _checkCommitment(record, id, s);

        // Effect
        uint16 ordinal = _recordDelivery(record, id, interval, s, true);

        // Interaction
        _callConsumer(
            s,
            id,
            abi.encodeCall(IBaseConsumer.rawReceiveModelOutput, (id, interval, ordinal, msg.sender, output, proof))
        );
    }

    /// @inheritdoc ICoordinator
    function getSubscriptionInterval(uint40 activeAt, uint32 period) public view returns (uint32) {
        if (block.timestamp < activeAt) revert SubscriptionNotActive(block.timestamp, activeAt);
        if (period == 0) return 1;
        return ((block.timestamp - activeAt) / period + 1).toUint32();
    }

    /// @inheritdoc ICoordinator
    function getSubscription(address owner, uint32 id)
        external
        view
        returns (bytes32 commitment, uint32 interval, uint16 delivered)
    {
        Record storage record = _records[owner][id];
        if (record.word == 0) return (0, 0, 0);
        return (record.word, record.interval, record.delivered);
    }

    /// @inheritdoc ICoordinator
    function getLastInterval(address owner, uint32 id, address node) external view returns (uint32) {
        return _lastIntervals[owner][id][node];
    }

    /// @dev Gives the subscription the next id.
    function _createOnChain(Subscription memory s, string calldata container, bytes calldata features)
        private
        returns (uint32 id)
    {
        // Check
        id = lastId + 1;
        if (id == SubscriptionLib.DELEGATED) revert IdsExhausted();

        // Effect
        lastId = id;
        _records[s.owner][id].word = SubscriptionLib.commitment(s.hash());

        emit SubscriptionCreated(s.owner, id, s.containerId, s, container, features);
    }

    /// @dev Checks a delivery to a subscription whose terms are known to be right, and counts it.
    /// @param stored Whether the subscription has a word. One that is created and completed at once has none.
    /// @return ordinal Which answer of its interval this is, from 1.
    function _recordDelivery(Record storage record, uint32 id, uint32 interval, Subscription calldata s, bool stored)
        internal
        returns (uint16 ordinal)
    {
        // Check: who, at what price, for when.
        if (s.node != address(0) && s.node != msg.sender) revert NotNamedNode(msg.sender, s.node);
        if (tx.gasprice > s.maxGasPrice) revert GasPriceTooHigh(tx.gasprice, s.maxGasPrice);
        uint32 current = getSubscriptionInterval(s.activeAt, s.period);
        if (interval != current) revert IntervalMismatch(interval, current);
        if (interval > s.frequency) revert SubscriptionCompleted(interval, s.frequency);

        // Check and effect
        if (!_hasOneAnswer(s)) {
            ordinal = _advance(record, id, interval, s);
        } else {
            ordinal = 1;
            if (stored) record.word = 0;
        }

        emit SubscriptionFulfilled(s.owner, id, msg.sender, interval, ordinal);
    }

    /// @dev Counts an answer of a subscription that has several. The last one leaves nothing behind.
    function _advance(Record storage record, uint32 id, uint32 interval, Subscription calldata s)
        private
        returns (uint16 ordinal)
    {
        // Check: how many answers the interval has.
        uint16 redundancy = s.redundancy;
        uint16 delivered = record.interval == interval ? record.delivered : 0;
        if (delivered >= redundancy) revert IntervalCompleted(interval, redundancy);

        // Check and effect: distinct nodes.
        if (redundancy > 1) {
            mapping(address => uint32) storage lastIntervals = _lastIntervals[s.owner][id];
            if (lastIntervals[msg.sender] == interval) revert AlreadyDelivered(msg.sender, interval);
            lastIntervals[msg.sender] = interval;
        }

        // Effect
        ordinal = delivered + 1;
        if (interval == s.frequency && ordinal == redundancy) {
            (record.word, record.interval, record.delivered) = (0, 0, 0);
        } else {
            (record.interval, record.delivered) = (interval, ordinal);
        }
    }

    /// @dev The last step of every delivery. The callback has exactly the gas that the terms give it, whoever sends
    /// the transaction and with how much gas: too little to promise that, and nothing happens at all.
    function _callConsumer(Subscription calldata s, uint32 id, bytes memory data) internal {
        address owner = s.owner;
        uint256 callbackGas = s.maxGasLimit - DELIVERY_OVERHEAD_WEI;
        _lock = IN_CALLBACK;

        // Check: a call passes on at most 63/64 of what is left.
        uint256 required = (callbackGas * 64 + 62) / 63 + CALLBACK_RESERVE;
        if (gasleft() < required) revert InsufficientGas(gasleft(), required);

        // Interaction: return data is not copied.
        bool ok;
        assembly ("memory-safe") {
            ok := call(callbackGas, owner, 0, add(data, 0x20), mload(data), 0, 0)
        }
        if (!ok) revert CallbackFailed(owner, id, _revertReason());

        _lock = FREE;
    }

    /// @dev The beginning of the last call's revert data. Copying all of it could cost more than the callback may.
    function _revertReason() private pure returns (bytes memory reason) {
        uint256 max = MAX_REASON;
        assembly ("memory-safe") {
            let size := returndatasize()
            if gt(size, max) { size := max }
            reason := mload(0x40)
            mstore(reason, size)
            returndatacopy(add(reason, 0x20), 0, size)
            mstore(0x40, add(reason, and(add(size, 0x3f), not(0x1f))))
        }
    }

    /// @dev For what may not happen within any call that the Coordinator makes.
    function _checkFree() internal view {
        if (_lock != FREE) revert Reentered();
    }

    /// @dev For what a consumer may do in its callback: ask again, or stop.
    function _checkNotLocked() private view {
        if (_lock == LOCKED) revert Reentered();
    }

    /// @dev These are the terms that the subscription was created with.
    function _checkCommitment(Record storage record, uint32 id, Subscription calldata s) internal view {
        if (record.word != SubscriptionLib.commitment(s.hashCalldata())) revert TermsMismatch(s.owner, id);
    }

    /// @dev One answer completes the subscription.
    function _hasOneAnswer(Subscription calldata s) internal pure returns (bool) {
        return s.frequency == 1 && s.redundancy == 1;
    }

    /// @dev The hashes in the terms are those of the container and of the features.
    function _checkHashes(Subscription calldata s, string calldata container, bytes calldata features) internal pure {
        bytes32 containerId = keccak256(bytes(container));
        if (s.containerId != containerId) revert ContainerMismatch(s.containerId, containerId);
        bool pull = s.mode & SubscriptionLib.PULL != 0;
        bytes32 featuresHash = pull && features.length == 0 ? bytes32(0) : keccak256(features);
        if (s.featuresHash != featuresHash || pull && features.length != 0) {
            revert FeaturesMismatch(s.featuresHash, featuresHash);
        }
    }

    /// @dev The terms make sense. Being in memory, every field is known to be in its range.
    function _checkTerms(Subscription memory s, string calldata container) internal pure {
        if (bytes(container).length == 0) revert EmptyContainer();
        if (s.redundancy == 0) revert ZeroRedundancy();
        if (s.frequency == 0) revert ZeroFrequency();
        if (s.frequency > 1 && s.period == 0) revert ZeroPeriod(s.frequency);
        if (s.maxGasPrice == 0) revert ZeroMaxGasPrice();
        if (s.maxGasLimit < DELIVERY_OVERHEAD_WEI) revert MaxGasLimitTooLow(s.maxGasLimit, DELIVERY_OVERHEAD_WEI);
        if (s.node != address(0) && s.redundancy > 1) revert NamedNodeWithRedundancy(s.node, s.redundancy);
    }

    /// @dev Terms that have no meaning yet are zero. They get theirs one by one; until then nobody may commit to them.
    function _checkUnsupportedTerms(Subscription memory s) internal pure {
        if (s.mode > SubscriptionLib.PULL) revert UnsupportedTerm("mode");
        if (s.minBond != 0) revert UnsupportedTerm("minBond");
        if (s.verifier != address(0)) revert UnsupportedTerm("verifier");
        if (s.verifierParams != 0) revert UnsupportedTerm("verifierParams");
        if (s.verifierFee != 0) revert UnsupportedTerm("verifierFee");
        if (s.payer != address(0)) revert UnsupportedTerm("payer");
        if (s.token != address(0)) revert UnsupportedTerm("token");
        if (s.fee != 0) revert UnsupportedTerm("fee");
        if (s.royaltyTo != address(0)) revert UnsupportedTerm("royaltyTo");
        if (s.royaltyBps != 0) revert UnsupportedTerm("royaltyBps");
        if (s.deadline != 0) revert UnsupportedTerm("deadline");
    }
}
