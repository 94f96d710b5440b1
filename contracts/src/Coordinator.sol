// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Assurance} from "./Assurance.sol";
import {Batch} from "./Batch.sol";
import {IBaseConsumer} from "./interfaces/IBaseConsumer.sol";
import {ICoordinator} from "./interfaces/ICoordinator.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {INodeRegistry} from "./interfaces/INodeRegistry.sol";
import {IProvisionalConsumer} from "./interfaces/IProvisionalConsumer.sol";
import {Verdict} from "./interfaces/IVerifier.sol";
import {LazyOutput} from "./LazyOutput.sol";
import {Ledger} from "./Ledger.sol";
import {RawTerms} from "./RawTerms.sol";
import {RevertReason} from "./RevertReason.sol";
import {Shares, SharesLib} from "./Shares.sol";
import {Answer, Subscription, SubscriptionLib} from "./Subscription.sol";
import {Terms} from "./Terms.sol";

/// @title Coordinator
/// @notice The core: one word of state per subscription, a delivery that is judged, paid, and ends in the consumer's
/// callback.
contract Coordinator is Assurance, Batch, Ledger {
    using SafeCast for uint256;
    using RawTerms for Subscription;
    using SubscriptionLib for Subscription;

    /// @dev What is kept of a subscription. The cursor is used only where it has more than one answer, and again for
    /// each interval.
    struct Record {
        /// 31 bytes of the commitment and a byte of flags.
        bytes32 word;
        Cursor cursor;
    }

    struct Cursor {
        /// The last interval that was answered, and how many answers it has.
        uint32 interval;
        uint16 delivered;
        /// Recurring, paid: how many of an interval's fees are not locked.
        uint16 unfunded;
        /// Recurring, paid: when it was cancelled.
        uint40 cancelledAt;
    }

    /// @dev Flags.
    uint8 internal constant PAID = 1;
    uint8 internal constant RECURRING = 2;
    uint8 internal constant CANCELLED = 4;
    uint8 internal constant PAUSED = 8;

    /// @dev Gas that a delivery keeps for the callback's call itself and for what follows it.
    uint256 private constant CALLBACK_RESERVE = 10_000;

    uint16 private constant MAX_PROTOCOL_SHARE_BPS = 500;

    /// @inheritdoc ICoordinator
    uint32 public constant DELIVERY_OVERHEAD_WEI = 110_000;

    /// @inheritdoc ICoordinator
    uint40 public constant MAX_LIFETIME = 365 days;

    /// @notice What checks the terms of new subscriptions.
    Terms public immutable TERMS;

    /// @inheritdoc ICoordinator
    address public immutable MODEL_REGISTRY;

    /// @inheritdoc ICoordinator
    address public immutable NODE_REGISTRY;

    /// @inheritdoc ICoordinator
    uint16 public immutable PROTOCOL_SHARE_BPS;

    /// @inheritdoc ICoordinator
    address public immutable PROTOCOL_TO;

    /// @inheritdoc ICoordinator
    uint32 public lastId;

    mapping(address owner => mapping(uint32 id => Record)) internal _records;

    /// @dev Kept only where redundancy > 1.
    mapping(address owner => mapping(uint32 id => mapping(address node => uint32))) private _lastIntervals;

    /// @dev Answers that wait for their verifier.
    mapping(bytes32 answerHash => bool) private _pending;

    constructor(address modelRegistry, address nodeRegistry, uint16 protocolShareBps, address protocolTo) {
        if (modelRegistry.code.length == 0) revert RegistryWithoutCode(modelRegistry);
        if (nodeRegistry.code.length == 0) revert RegistryWithoutCode(nodeRegistry);
        if (protocolShareBps > MAX_PROTOCOL_SHARE_BPS || (protocolShareBps == 0) != (protocolTo == address(0))) {
            revert InvalidProtocolShare(protocolShareBps, protocolTo);
        }
        (MODEL_REGISTRY, NODE_REGISTRY) = (modelRegistry, nodeRegistry);
        (PROTOCOL_SHARE_BPS, PROTOCOL_TO) = (protocolShareBps, protocolTo);
        TERMS = new Terms(DELIVERY_OVERHEAD_WEI, MAX_LIFETIME, protocolShareBps, IModelRegistry(modelRegistry));
    }

    // --- Creating and cancelling

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

        return _createPlain(s, container, features);
    }

    /// @inheritdoc ICoordinator
    function createSubscription(Subscription calldata s, string calldata container, bytes calldata features)
        external
        returns (uint32 id)
    {
        return _createOwn(s, container, features, msg.data[:0]);
    }

    /// @inheritdoc ICoordinator
    function createSubscription(
        Subscription calldata s,
        string calldata container,
        bytes calldata features,
        bytes calldata verifierParams
    ) external returns (uint32 id) {
        return _createOwn(s, container, features, verifierParams);
    }

    /// @inheritdoc ICoordinator
    function cancelSubscription(uint32 id) external {
        _checkNotLocked();
        _cancel(msg.sender, id);
    }

    /// @inheritdoc ICoordinator
    function cancelSubscriptionAsPayer(uint32 id, Subscription calldata s) external {
        _checkNotLocked();

        // Check
        (Subscription memory terms, bytes32 structHash) = s.load();
        _find(id, terms, structHash);
        if (msg.sender != _payerOf(terms)) revert NotPayer(msg.sender, _payerOf(terms));

        _cancel(terms.owner, id);
    }

    // --- Delivering

    /// @inheritdoc ICoordinator
    function deliverModelOutput(
        uint32 id,
        uint32 interval,
        Subscription calldata s,
        bytes calldata output,
        bytes calldata proof
    ) external {
        _checkFree();
        (Subscription memory terms, bytes32 structHash) = s.load();
        _deliver(_find(id, terms, structHash), _answer(id, interval), terms, output, proof, true);
    }

    /// @inheritdoc ICoordinator
    function settle(Answer calldata a, Subscription calldata s, bytes calldata output, bytes calldata proof) external {
        _checkFree();
        (Subscription memory terms, bytes32 structHash) = s.load();
        _settle(a, terms, structHash, output, proof);
    }

    function _settle(
        Answer memory a,
        Subscription memory s,
        bytes32 structHash,
        bytes calldata output,
        bytes calldata proof
    ) private {
        // Check
        bytes32 answerHash = _hashAnswer(a, structHash, keccak256(output));
        if (!_pending[answerHash]) revert NotPending(s.owner, a.id, a.interval, a.redundancy);

        // Effect
        delete _pending[answerHash];

        // Interaction
        uint256 gasBefore = gasleft();
        Judgement memory j = _askAgain(a, s, output, proof);

        bool valid = j.ok && j.verdict == Verdict.Valid;
        emit AnswerSettled(s.owner, a.id, a.node, a.interval, a.redundancy, valid);
        if (valid) {
            _finish(a, s, output, proof, j.result);
        } else {
            // Check: it had the gas to decide, and has decided or had the time.
            if (gasBefore < SETTLE_GAS) revert InsufficientGas(gasBefore, SETTLE_GAS);
            bool decided = j.ok && j.verdict == Verdict.Invalid;
            if (!decided && block.timestamp <= a.pendingUntil) revert StillPending(block.timestamp, a.pendingUntil);

            // Effect
            if (s.fee != 0) _release(_payerOf(s), s.token, s.fee);
        }
    }

    // --- Money

    /// @inheritdoc ICoordinator
    function expire(uint32 id, Subscription calldata terms) external {
        _checkFree();

        // Check
        (Subscription memory s, bytes32 structHash) = terms.load();
        Record storage record = _find(id, s, structHash);
        uint8 flags = _flags(record);
        Cursor memory cursor = record.cursor;
        uint256 endsAt = _endOf(cursor, flags, s);
        if (block.timestamp <= endsAt) revert NotExpired(block.timestamp, endsAt);

        // Effect
        uint256 refund;
        if (flags & PAID != 0) {
            uint16 spent = flags & RECURRING != 0 ? cursor.unfunded : cursor.delivered;
            refund = uint256(s.fee) * (s.redundancy - spent);
            _release(_payerOf(s), s.token, refund);
        }
        _clear(record);

        emit SubscriptionExpired(s.owner, id, refund);
    }

    /// @inheritdoc ICoordinator
    function fund(uint32 id, Subscription calldata terms) external {
        _checkFree();

        // Check
        (Subscription memory s, bytes32 structHash) = terms.load();
        Record storage record = _find(id, s, structHash);
        if (_flags(record) & (PAUSED | CANCELLED) != PAUSED) revert NotPaused(s.owner, id);

        // Effect
        _lockFunds(_payerOf(s), s.owner, s.token, uint256(s.fee) * record.cursor.unfunded);
        record.cursor.unfunded = 0;
        record.word ^= bytes32(uint256(PAUSED));

        emit SubscriptionResumed(s.owner, id);
    }

    // --- Views

    /// @inheritdoc ICoordinator
    function quoteSubscription(Subscription calldata s)
        external
        pure
        returns (address payer, address token, uint256 amount)
    {
        (Subscription memory terms,) = s.load();
        return (_payerOf(terms), terms.token, uint256(terms.fee) * terms.redundancy);
    }

    /// @inheritdoc ICoordinator
    function quoteFund(uint32 id, Subscription calldata s)
        external
        view
        returns (address payer, address token, uint256 amount)
    {
        (Subscription memory terms, bytes32 structHash) = s.load();
        Record storage record = _find(id, terms, structHash);
        return (_payerOf(terms), terms.token, uint256(terms.fee) * record.cursor.unfunded);
    }

    /// @inheritdoc ICoordinator
    function quoteAnswer(Subscription calldata s)
        external
        view
        returns (uint256 toNode, uint256 toCreator, uint256 toVerifier, uint256 toProtocol)
    {
        (Subscription memory terms,) = s.load();
        Shares memory shares = SharesLib.split(terms, PROTOCOL_SHARE_BPS);
        return (shares.node, shares.creator, shares.verifier, shares.protocol);
    }

    /// @inheritdoc ICoordinator
    function turnDelay(address owner, uint32 id, uint32 interval, address node, uint32 window)
        external
        pure
        returns (uint256)
    {
        // hash * window >> 256, in two halves.
        uint256 hash = uint256(keccak256(abi.encode(owner, id, interval, node)));
        return ((hash >> 32) * window + (uint256(uint32(hash)) * window >> 32)) >> 224;
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
        return (record.word, record.cursor.interval, record.cursor.delivered);
    }

    /// @inheritdoc ICoordinator
    function getLastInterval(address owner, uint32 id, address node) external view returns (uint32) {
        return _lastIntervals[owner][id][node];
    }

    /// @inheritdoc ICoordinator
    function isPending(Answer calldata a, Subscription calldata s, bytes32 outputHash) external view returns (bool) {
        (, bytes32 structHash) = s.load();
        return _pending[_hashAnswer(a, structHash, outputHash)];
    }

    // --- Creation

    /// @dev All other terms are zero, so these are all the checks there are. The full check knows what is wrong.
    function _createPlain(Subscription memory s, string calldata container, bytes calldata features)
        private
        returns (uint32 id)
    {
        // Check
        bool sane = bytes(container).length != 0 && s.redundancy != 0 && s.frequency != 0 && s.maxGasPrice != 0
            && s.maxGasLimit >= DELIVERY_OVERHEAD_WEI && (s.frequency == 1 || s.period != 0);
        if (!sane) s.check(TERMS, 0, s.containerId, keccak256(features), features[:0]);

        // Effect
        id = _nextId();
        _records[msg.sender][id].word = SubscriptionLib.commitment(s.hash());

        s.announce(id, container, features);
    }

    /// @dev The caller speaks for itself.
    function _createOwn(
        Subscription calldata s,
        string calldata container,
        bytes calldata features,
        bytes calldata verifierParams
    ) private returns (uint32 id) {
        _checkNotLocked();
        if (s.owner != msg.sender) revert NotOwner(msg.sender, s.owner);
        id = _nextId();
        (Subscription memory terms, bytes32 structHash) = s.load();
        bytes32 flags = _open(terms, id, container, features, verifierParams);
        _records[msg.sender][id].word = SubscriptionLib.commitment(structHash) | flags;
    }

    function _nextId() private returns (uint32 id) {
        id = lastId + 1;
        if (id == SubscriptionLib.DELEGATED) revert IdsExhausted();
        lastId = id;
    }

    /// @dev Checks full terms, locks what they cost and announces them.
    /// @return flags What is to be kept of the subscription, beside its commitment.
    function _open(
        Subscription memory s,
        uint32 id,
        string calldata container,
        bytes calldata features,
        bytes calldata verifierParams
    ) internal returns (bytes32 flags) {
        // Check
        s.check(TERMS, id, keccak256(bytes(container)), keccak256(features), verifierParams);

        // Effect
        if (s.fee != 0) {
            _lockFunds(_payerOf(s), s.owner, s.token, uint256(s.fee) * s.redundancy);
            flags = bytes32(uint256(s.frequency == 1 ? PAID : PAID | RECURRING));
        }

        s.announce(id, container, features);
        if (s.verifier != address(0)) emit VerifierParams(s.owner, id, verifierParams);
    }

    function _cancel(address owner, uint32 id) private {
        // Check
        Record storage record = _records[owner][id];
        bytes32 word = record.word;
        if (word == 0) revert SubscriptionNotFound(owner, id);
        uint8 flags = _flags(record);
        if (flags & (PAID | RECURRING) == PAID) revert PaidUntilDeadline(owner, id);
        if (flags & CANCELLED != 0) revert AlreadyCancelled(owner, id);

        // Effect: of a free one the cursor may stay behind, ids never return.
        if (flags & PAID == 0) {
            record.word = 0;
        } else {
            record.word = word | bytes32(uint256(CANCELLED));
            record.cursor.cancelledAt = uint40(block.timestamp);
        }

        emit SubscriptionCancelled(owner, id);
    }

    // --- Delivery

    /// @dev The steps of every delivery, to a subscription whose terms are known to be right.
    /// @param stored Whether the subscription has a word. One that is created and completed at once has none.
    function _deliver(
        Record storage record,
        Answer memory a,
        Subscription memory s,
        bytes calldata output,
        bytes calldata proof,
        bool stored
    ) internal {
        _checkDelivery(a, s, output);
        _recordDelivery(record, a, s, stored);

        // Interaction
        bytes memory payees;
        if (s.verifier != address(0)) {
            Judgement memory j = _verify(a, s, output, proof);
            payees = j.result;
            if (j.verdict == Verdict.Pending) {
                a.pendingUntil = uint40(j.pendingUntil);
                return _hold(a, s, output, proof);
            }
        }
        _finish(a, s, output, proof, payees);
    }

    /// @dev The last steps of an answer that is taken.
    function _finish(
        Answer memory a,
        Subscription memory s,
        bytes calldata output,
        bytes calldata proof,
        bytes memory payees
    ) private {
        // Effect
        if (s.fee != 0) _pay(a, s, payees);

        // Interaction
        bool ok = _callConsumer(IBaseConsumer.rawReceiveModelOutput.selector, a, s, output, proof);

        emit SubscriptionFulfilled(s.owner, a.id, a.node, a.interval, a.redundancy, ok);
    }

    /// @dev The answer waits. Its fee stays locked; what is kept of it is a hash.
    function _hold(Answer memory a, Subscription memory s, bytes calldata output, bytes calldata proof) private {
        // Effect
        bytes32 outputHash = keccak256(output);
        _pending[_hashAnswer(a, s.hash(), outputHash)] = true;

        emit AnswerPending(s.owner, a.id, a.node, a.interval, a.redundancy, a.pendingUntil, a.featuresHash, outputHash);

        // Interaction
        if (s.mode & SubscriptionLib.PROVISIONAL != 0) {
            _callConsumer(IProvisionalConsumer.rawReceiveProvisionalOutput.selector, a, s, output, proof);
        }
    }

    /// @dev Who, at what price, for when.
    function _checkDelivery(Answer memory a, Subscription memory s, bytes calldata output) private view {
        address node = s.node;
        if (node != address(0) && node != msg.sender) revert NotNamedNode(msg.sender, node);
        if (tx.gasprice > s.maxGasPrice) revert GasPriceTooHigh(tx.gasprice, s.maxGasPrice);
        uint32 current = getSubscriptionInterval(s.activeAt, s.period);
        if (a.interval != current) revert IntervalMismatch(a.interval, current);
        if (current > s.frequency) revert SubscriptionCompleted(current, s.frequency);
        uint40 deadline = s.deadline;
        if (deadline != 0 && block.timestamp > deadline) revert DeadlinePassed(block.timestamp, deadline);
        if (s.mode & SubscriptionLib.LAZY != 0 && !LazyOutput.isWellFormed(output)) {
            revert NotALazyOutput(output.length);
        }
        if (s.minBond != 0) {
            uint256 bond = INodeRegistry(NODE_REGISTRY).bondOf(msg.sender, s.verifier);
            if (bond < s.minBond) revert BondTooLow(msg.sender, s.verifier, bond, s.minBond);
        }
    }

    /// @dev Counts an answer, and gives it its ordinal.
    function _recordDelivery(Record storage record, Answer memory a, Subscription memory s, bool stored) private {
        if (_hasOneAnswer(s)) {
            a.redundancy = 1;
            if (stored) record.word = 0;
        } else {
            _advance(record, a, s);
        }
    }

    /// @dev Counts an answer of a subscription that has several. The last one leaves nothing behind.
    function _advance(Record storage record, Answer memory a, Subscription memory s) private {
        Cursor memory cursor = record.cursor;
        uint16 redundancy = s.redundancy;
        uint8 flags = _flags(record);

        // Check: how many answers the interval has, and that it may have any.
        if (cursor.interval != a.interval) {
            if (flags & PAUSED != 0) revert IntervalNotFunded(a.interval, cursor.interval);
            (cursor.interval, cursor.delivered) = (a.interval, 0);
        }
        if (flags & CANCELLED != 0) {
            uint256 last = _intervalsBegun(cursor, s);
            if (a.interval > last) revert IntervalCancelled(a.interval, last);
        }
        if (cursor.delivered >= redundancy) revert IntervalCompleted(a.interval, redundancy);

        // Check and effect: distinct nodes.
        if (redundancy > 1) {
            mapping(address => uint32) storage lastIntervals = _lastIntervals[s.owner][a.id];
            if (lastIntervals[msg.sender] == a.interval) revert AlreadyDelivered(msg.sender, a.interval);
            lastIntervals[msg.sender] = a.interval;
        }

        // Effect
        unchecked {
            a.redundancy = ++cursor.delivered; // below the redundancy before
        }
        if (a.interval == s.frequency && a.redundancy == redundancy) return _clear(record);
        if (flags & RECURRING != 0) _topUp(record, cursor, flags, a, s);
        record.cursor = cursor;
    }

    /// @dev The answer is paid from what is locked; that is made whole again, unless no interval follows.
    function _topUp(Record storage record, Cursor memory cursor, uint8 flags, Answer memory a, Subscription memory s)
        private
    {
        if (flags & (CANCELLED | PAUSED) == 0 && a.interval != s.frequency) {
            if (_tryLockFunds(_payerOf(s), s.owner, s.token, s.fee)) return;
            record.word |= bytes32(uint256(PAUSED));
            emit SubscriptionPaused(s.owner, a.id, a.interval);
        }
        unchecked {
            ++cursor.unfunded; // at most one for each answer of the interval
        }
    }

    /// @dev Pays an answer's fee from what the payer has locked. The shares are all of it.
    function _pay(Answer memory a, Subscription memory s, bytes memory payees) private {
        Shares memory shares = SharesLib.split(s, PROTOCOL_SHARE_BPS);
        address token = s.token;
        _spend(_payerOf(s), token, s.fee);
        _credit(s.royaltyTo, token, shares.creator);
        _credit(s.verifier, token, shares.verifier);
        _credit(PROTOCOL_TO, token, shares.protocol);

        uint256 count = _payeeCount(payees);
        if (count == 0) return _credit(a.node, token, shares.node);
        uint256 each = shares.node / count;
        _credit(_payeeAt(payees, 0), token, shares.node - each * (count - 1));
        for (uint256 i = 1; i < count; ++i) {
            _credit(_payeeAt(payees, i), token, each);
        }
    }

    /// @dev The last step of every delivery. The callback has exactly the gas that the terms give it, whoever sends
    /// the transaction and with how much gas: too little to promise that, and nothing happens at all.
    function _callConsumer(
        bytes4 selector,
        Answer memory a,
        Subscription memory s,
        bytes calldata output,
        bytes calldata proof
    ) private returns (bool ok) {
        bytes memory data = abi.encodeWithSelector(selector, a.id, a.interval, a.redundancy, a.node, output, proof);
        address owner = s.owner;
        uint256 callbackGas = s.maxGasLimit - DELIVERY_OVERHEAD_WEI;
        _lock = IN_CALLBACK;

        // Check: a call passes on at most 63/64 of what is left.
        uint256 required = (callbackGas * 64 + 62) / 63 + CALLBACK_RESERVE;
        if (gasleft() < required) revert InsufficientGas(gasleft(), required);

        // Interaction: return data is not copied.
        assembly ("memory-safe") {
            ok := call(callbackGas, owner, 0, add(data, 0x20), mload(data), 0, 0)
        }
        if (!ok && s.verifier == address(0) && s.mode & SubscriptionLib.ISOLATED == 0) {
            revert CallbackFailed(owner, a.id, RevertReason.read(RevertReason.MAX));
        }

        _lock = FREE;
    }

    // --- State

    /// @dev The subscription that exists under this id, with these terms.
    function _find(uint32 id, Subscription memory s, bytes32 structHash) internal view returns (Record storage record) {
        record = _records[s.owner][id];
        bytes32 word = record.word;
        if (word == 0) revert SubscriptionNotFound(s.owner, id);
        if (SubscriptionLib.commitment(word) != SubscriptionLib.commitment(structHash)) {
            revert TermsMismatch(s.owner, id);
        }
    }

    function _flags(Record storage record) private view returns (uint8) {
        return uint8(uint256(record.word));
    }

    function _clear(Record storage record) private {
        record.word = 0;
        delete record.cursor;
    }

    /// @dev The last second in which an answer may come. What is left is the payer's after that.
    function _endOf(Cursor memory cursor, uint8 flags, Subscription memory s) private pure returns (uint256) {
        uint256 intervals = s.frequency;
        if (flags & CANCELLED != 0) {
            uint256 begun = _intervalsBegun(cursor, s);
            if (begun < intervals) intervals = begun;
            if (intervals == 0 || cursor.interval == intervals && cursor.delivered == s.redundancy) return 0;
        } else if (intervals == 1) {
            return s.deadline == 0 ? type(uint256).max : s.deadline;
        }
        if (intervals > type(uint64).max) return type(uint256).max;
        unchecked {
            return s.activeAt + intervals * s.period - 1;
        }
    }

    /// @dev How many intervals had begun when the subscription was cancelled.
    function _intervalsBegun(Cursor memory cursor, Subscription memory s) private pure returns (uint256) {
        (uint256 cancelledAt, uint256 activeAt) = (cursor.cancelledAt, s.activeAt);
        if (cancelledAt < activeAt) return 0;
        unchecked {
            return (cancelledAt - activeAt) / s.period + 1;
        }
    }

    function _answer(uint32 id, uint32 interval) internal view returns (Answer memory a) {
        (a.id, a.interval, a.node) = (id, interval, msg.sender);
    }

    function _hashAnswer(Answer memory a, bytes32 structHash, bytes32 outputHash) private pure returns (bytes32) {
        return keccak256(abi.encode(a, structHash, outputHash));
    }

    function _payerOf(Subscription memory s) private pure returns (address) {
        return s.payer == address(0) ? s.owner : s.payer;
    }

    /// @dev One answer completes the subscription.
    function _hasOneAnswer(Subscription memory s) internal pure returns (bool) {
        return s.frequency == 1 && s.redundancy == 1;
    }
}
