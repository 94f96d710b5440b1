// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ICoordinator} from "../interfaces/ICoordinator.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {ISealedQuorumVerifier} from "../interfaces/ISealedQuorumVerifier.sol";
import {Claim, IVerifier, Verdict} from "../interfaces/IVerifier.sol";
import {Subscription, SubscriptionLib} from "../Subscription.sol";
import {Verifier} from "./Verifier.sol";

/// @title SealedQuorumVerifier
/// @notice Commit, reveal, and what most agree on.
contract SealedQuorumVerifier is Verifier, ISealedQuorumVerifier {
    using SafeCast for uint256;
    using SubscriptionLib for Subscription;

    /// @dev Those who revealed the same.
    struct Group {
        address[] nodes;
        int256[] values;
    }

    /// @inheritdoc IVerifier
    bytes32 public constant proofKind = keccak256("infernet.proof.sealed");

    /// @inheritdoc IVerifier
    bool public constant comparesFeatures = true;

    /// @inheritdoc ISealedQuorumVerifier
    uint32 public constant MIN_WINDOW = 30;

    uint256 private constant MAX_PAYEES = 64;

    /// @dev `abi.encode(int256[])` of one number.
    uint256 private constant NUMBER_LENGTH = 96;

    /// @inheritdoc ISealedQuorumVerifier
    address public immutable COORDINATOR;

    /// @notice Where the bonds of nodes stand.
    INodeRegistry public immutable NODE_REGISTRY;

    mapping(bytes32 key => Round) private _rounds;
    mapping(bytes32 key => mapping(address node => bytes32)) private _commitments;
    mapping(bytes32 key => mapping(address node => bool)) private _committed;
    mapping(bytes32 key => mapping(bytes32 group => Group)) private _groups;

    constructor(address coordinator, address nodeRegistry) {
        COORDINATOR = coordinator;
        NODE_REGISTRY = INodeRegistry(nodeRegistry);
    }

    /// @inheritdoc IVerifier
    function checkTerms(Subscription calldata s, bytes calldata params) external view {
        _checkNoFee(s);
        Params memory p = abi.decode(params, (Params));
        if (p.k == 0 || p.maxPaid == 0 || p.maxPaid > MAX_PAYEES) revert InvalidParams();
        if (p.rule == Rule.Equal && p.tolerance != 0) revert InvalidParams();
        if (s.mode & SubscriptionLib.SEALED == 0) revert NotSealed(s.mode);
        if (s.redundancy != 1) revert RedundancyNotOne(s.redundancy);
        if (s.node != address(0)) revert NodeNamed(s.node);
        if (s.minBond == 0) revert ZeroMinBond();

        // Check: there is time for each phase, and for the delivery.
        uint32 shorter = p.commitWindow < p.revealWindow ? p.commitWindow : p.revealWindow;
        if (shorter < MIN_WINDOW) revert WindowTooShort(shorter, MIN_WINDOW);
        uint256 length = uint256(p.commitWindow) + p.revealWindow + MIN_WINDOW;
        if (s.period != 0 && length > s.period) revert WindowsTooLong(length, s.period);
        uint256 start = s.activeAt;
        if (s.deadline != 0 && start + length > s.deadline) revert WindowsTooLong(start + length, s.deadline);
        if (s.frequency == 1 && block.timestamp >= start + p.commitWindow) {
            revert CommitWindowOver(block.timestamp, start + p.commitWindow);
        }
    }

    /// @inheritdoc ISealedQuorumVerifier
    function commit(uint32 id, Subscription calldata s, bytes calldata params, bytes32 commitment) external {
        // Check: the subscription exists, on these terms.
        _checkSubscription(id, s, params);
        if (commitment == 0) revert ZeroCommitment();

        // Check and effect
        uint32 interval = _currentInterval(s);
        bytes32 key = _key(s.owner, id, interval);
        _openRound(key, interval, s, params);
        if (_committed[key][msg.sender]) revert AlreadyCommitted(msg.sender);
        _committed[key][msg.sender] = true;
        _commitments[key][msg.sender] = commitment;
        emit Committed(s.owner, id, msg.sender, interval, commitment);

        // Interaction: reverts where there is too little.
        NODE_REGISTRY.lockBond(msg.sender, s.minBond);
    }

    /// @inheritdoc ISealedQuorumVerifier
    function reveal(
        address owner,
        uint32 id,
        uint32 interval,
        bytes32 featuresHash,
        bytes calldata output,
        bytes32 salt
    ) external {
        bytes32 key = _key(owner, id, interval);
        Round storage round = _rounds[key];

        // Check: in time, and what was committed to.
        if (block.timestamp < round.revealFrom || block.timestamp >= round.revealUntil) {
            revert NotInRevealWindow(block.timestamp, round.revealFrom, round.revealUntil);
        }
        bytes32 opened = hashCommitment(owner, id, interval, msg.sender, featuresHash, keccak256(output), salt);
        bytes32 committed = _commitments[key][msg.sender];
        if (opened != committed) revert CommitmentMismatch(opened, committed);
        if (round.featuresHash != 0 && featuresHash != round.featuresHash) {
            revert FeaturesMismatch(featuresHash, round.featuresHash);
        }

        // Effect
        delete _commitments[key][msg.sender];
        _count(key, round, featuresHash, output);
        emit Revealed(owner, id, msg.sender, interval, featuresHash, output);

        // Interaction
        NODE_REGISTRY.unlockBond(msg.sender, round.stake);
    }

    /// @inheritdoc ISealedQuorumVerifier
    function forfeit(address owner, uint32 id, uint32 interval, address node) external {
        bytes32 key = _key(owner, id, interval);
        Round storage round = _rounds[key];

        // Check
        if (_commitments[key][node] == 0) revert NothingCommitted(node);
        if (block.timestamp < round.revealUntil) revert RevealsNotOver(block.timestamp, round.revealUntil);

        // Effect
        delete _commitments[key][node];
        emit Forfeited(owner, id, node, interval, round.payer, round.stake);

        // Interaction
        NODE_REGISTRY.slashBond(node, round.stake, round.payer);
    }

    /// @inheritdoc IVerifier
    function verify(Claim calldata claim, bytes calldata, bytes calldata proof)
        external
        view
        returns (Verdict verdict, uint40 pendingUntil)
    {
        // Check: the reveals are over, and enough agree.
        if (msg.sender != COORDINATOR) revert NotCoordinator(msg.sender);
        bytes32 key = _key(claim.owner, claim.id, claim.interval);
        Round storage round = _rounds[key];
        if (block.timestamp < round.revealUntil) revert RevealsNotOver(block.timestamp, round.revealUntil);
        if (round.stake == 0 || round.tied || round.bestCount < round.k) return (Verdict.Invalid, 0);

        // Check: this is it.
        (bytes32 featuresHash, uint256[] memory order) = abi.decode(proof, (bytes32, uint256[]));
        if (claim.featuresHash != 0) featuresHash = claim.featuresHash;
        bool ok;
        if (round.rule == Rule.Equal) {
            ok = round.best == keccak256(abi.encode(featuresHash, claim.outputHash));
        } else {
            int256[] memory number = new int256[](1);
            number[0] = _median(_groups[key][round.best].values, order);
            ok = round.best == featuresHash && keccak256(abi.encode(number)) == claim.outputHash;
        }
        return (ok ? Verdict.Valid : Verdict.Invalid, 0);
    }

    /// @inheritdoc IVerifier
    function payees(Claim calldata claim, bytes calldata output, bytes calldata)
        external
        view
        override(IVerifier, Verifier)
        returns (address[] memory paid)
    {
        bytes32 key = _key(claim.owner, claim.id, claim.interval);
        Round storage round = _rounds[key];
        Group storage group = _groups[key][round.best];
        uint256 length = group.nodes.length;
        paid = new address[](length < round.maxPaid ? length : round.maxPaid);
        uint256 count;
        for (uint256 i; i < length && count < paid.length; ++i) {
            if (round.rule == Rule.Median) {
                if (_distance(group.values[i], _number(output)) > round.tolerance) continue;
            }
            paid[count++] = group.nodes[i];
        }
        assembly ("memory-safe") {
            mstore(paid, count)
        }
    }

    /// @inheritdoc ISealedQuorumVerifier
    function hashCommitment(
        address owner,
        uint32 id,
        uint32 interval,
        address node,
        bytes32 featuresHash,
        bytes32 outputHash,
        bytes32 salt
    ) public view returns (bytes32) {
        bytes memory place = abi.encode(block.chainid, COORDINATOR, owner, id, interval);
        return keccak256(bytes.concat(place, abi.encode(node, featuresHash, outputHash, salt)));
    }

    /// @inheritdoc ISealedQuorumVerifier
    function getRound(address owner, uint32 id, uint32 interval) external view returns (Round memory) {
        return _rounds[_key(owner, id, interval)];
    }

    /// @inheritdoc ISealedQuorumVerifier
    function getCommitment(address owner, uint32 id, uint32 interval, address node) external view returns (bytes32) {
        return _commitments[_key(owner, id, interval)][node];
    }

    /// @inheritdoc ISealedQuorumVerifier
    function getReveals(address owner, uint32 id, uint32 interval)
        external
        view
        returns (address[] memory nodes, int256[] memory values)
    {
        bytes32 key = _key(owner, id, interval);
        Group storage group = _groups[key][_rounds[key].best];
        return (group.nodes, group.values);
    }

    /// @dev The first commit fixes the round.
    function _openRound(bytes32 key, uint32 interval, Subscription calldata s, bytes calldata params) private {
        Params memory p = abi.decode(params, (Params));
        uint256 from = s.activeAt + uint256(interval - 1) * s.period;
        uint256 until = from + p.commitWindow;
        if (block.timestamp >= until) revert NotInCommitWindow(block.timestamp, from, until);
        Round storage round = _rounds[key];
        if (round.stake != 0) return;
        round.featuresHash = s.featuresHash;
        round.payer = s.payer == address(0) ? s.owner : s.payer;
        round.revealFrom = until.toUint40();
        round.revealUntil = (until + p.revealWindow).toUint40();
        round.stake = s.minBond;
        (round.k, round.maxPaid, round.rule, round.tolerance) = (p.k, p.maxPaid, p.rule, p.tolerance);
    }

    /// @dev Adds the caller's reveal to those that say the same.
    function _count(bytes32 key, Round storage round, bytes32 featuresHash, bytes calldata output) private {
        bytes32 name = featuresHash;
        Rule rule = round.rule;
        if (rule == Rule.Equal) name = keccak256(abi.encode(featuresHash, keccak256(output)));
        Group storage group = _groups[key][name];
        group.nodes.push(msg.sender);
        if (rule == Rule.Median) group.values.push(_number(output));

        uint32 count = uint32(group.nodes.length);
        if (count > round.bestCount) {
            (round.best, round.bestCount, round.tied) = (name, count, false);
        } else if (count == round.bestCount) {
            round.tied = true;
        }
    }

    function _checkSubscription(uint32 id, Subscription calldata s, bytes calldata params) private view {
        (bytes32 word,,) = ICoordinator(COORDINATOR).getSubscription(s.owner, id);
        Subscription memory clean = s; // every field is in its range, so the hash has one reading
        bool ok = word != 0 && SubscriptionLib.commitment(word) == SubscriptionLib.commitment(clean.hash());
        ok = ok && s.verifier == address(this) && keccak256(params) == s.verifierParams;
        if (!ok) revert TermsMismatch(s.owner, id);
    }

    function _currentInterval(Subscription calldata s) private view returns (uint32 interval) {
        interval = ICoordinator(COORDINATOR).getSubscriptionInterval(s.activeAt, s.period);
        if (interval > s.frequency) revert ICoordinator.SubscriptionCompleted(interval, s.frequency);
    }

    /// @dev Linear: the caller brings the order, which is only checked.
    function _median(int256[] storage values, uint256[] memory order) private view returns (int256 median) {
        uint256 length = values.length;
        if (order.length != length) revert NotInOrder(order.length);
        int256 previous;
        for (uint256 i; i < length; ++i) {
            if (order[i] >= length) revert NotInOrder(i);
            int256 value = values[order[i]];
            if (i != 0 && (value < previous || value == previous && order[i] <= order[i - 1])) revert NotInOrder(i);
            if (i == (length - 1) / 2) median = value;
            previous = value;
        }
    }

    function _number(bytes calldata output) private pure returns (int256) {
        if (output.length != NUMBER_LENGTH) revert NotANumber(output);
        (uint256 offset, uint256 length, int256 number) = abi.decode(output, (uint256, uint256, int256));
        if (offset != 32 || length != 1) revert NotANumber(output);
        return number;
    }

    function _distance(int256 a, int256 b) private pure returns (uint256) {
        unchecked {
            return a > b ? uint256(a) - uint256(b) : uint256(b) - uint256(a);
        }
    }

    function _key(address owner, uint32 id, uint32 interval) private pure returns (bytes32) {
        return keccak256(abi.encode(owner, id, interval));
    }
}
