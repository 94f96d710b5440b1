// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {IOnchainVerifier} from "../interfaces/IOnchainVerifier.sol";
import {IOptimisticVerifier} from "../interfaces/IOptimisticVerifier.sol";
import {Claim, IVerifier, Verdict} from "../interfaces/IVerifier.sol";
import {Subscription} from "../Subscription.sol";
import {Verifier} from "./Verifier.sol";

/// @title OptimisticVerifier
/// @notice Claims, challenges, arbiters, and who pays whom in the end.
contract OptimisticVerifier is Verifier, IOptimisticVerifier {
    using SafeCast for uint256;

    /// @inheritdoc IVerifier
    bytes32 public constant proofKind = keccak256("infernet.proof.optimistic");

    /// @inheritdoc IVerifier
    bool public constant comparesFeatures = false;

    /// @inheritdoc IOptimisticVerifier
    uint32 public constant MIN_WINDOW = 30;

    /// @inheritdoc IOptimisticVerifier
    uint256 public constant MAX_WINDOWS = 29 days;

    /// @inheritdoc IOptimisticVerifier
    uint256 public constant MAX_ARBITERS = 15;

    /// @inheritdoc IOptimisticVerifier
    address public immutable COORDINATOR;

    /// @notice Where the bonds of nodes stand.
    INodeRegistry public immutable NODE_REGISTRY;

    /// @notice What runs the models that the chain can run.
    IOnchainVerifier public immutable ONCHAIN_VERIFIER;

    /// @inheritdoc IOptimisticVerifier
    uint256 public totalHeld;

    /// @inheritdoc IOptimisticVerifier
    mapping(address account => uint256) public creditOf;

    mapping(bytes32 key => Assertion) private _assertions;
    mapping(bytes32 key => mapping(address arbiter => bytes32)) private _commitments;
    mapping(bytes32 key => mapping(bytes32 outputHash => address[])) private _voters;

    constructor(address coordinator, address nodeRegistry, address onchainVerifier) {
        COORDINATOR = coordinator;
        NODE_REGISTRY = INodeRegistry(nodeRegistry);
        ONCHAIN_VERIFIER = IOnchainVerifier(onchainVerifier);
    }

    // --- What the Coordinator calls

    /// @inheritdoc IVerifier
    function checkTerms(Subscription calldata s, bytes calldata params) external view {
        _checkNoFee(s);
        Params memory p = abi.decode(params, (Params));
        if (s.redundancy != 1) revert RedundancyNotOne(s.redundancy);
        if (s.minBond == 0) revert ZeroMinBond();
        if (p.challengeWindow < MIN_WINDOW) revert InvalidWindow(p.challengeWindow);
        uint256 windows = uint256(p.challengeWindow) + p.commitWindow + p.revealWindow;
        if (windows > MAX_WINDOWS) revert InvalidWindow(windows);
        if (p.modelId != 0) _checkModel(p);
        else _checkArbiters(p, s.minBond);
    }

    /// @inheritdoc IVerifier
    function verify(Claim calldata claim, bytes calldata, bytes calldata proof)
        external
        returns (Verdict verdict, uint40 pendingUntil)
    {
        // Check
        if (msg.sender != COORDINATOR) revert NotCoordinator(msg.sender);
        Assertion storage a = _assertions[_key(claim.owner, claim.id, claim.interval)];
        if (a.status != Status.None) revert AlreadyAsserted();
        (bytes32 featuresHash, bytes memory params) = abi.decode(proof, (bytes32, bytes));
        if (featuresHash != claim.featuresHash) revert FeaturesMismatch(featuresHash, claim.featuresHash);
        Params memory p = _decode(params, claim.verifierParams);

        // Effect
        uint256 challengeUntil = block.timestamp + p.challengeWindow;
        (a.node, a.bond) = (claim.node, claim.minBond);
        (a.outputHash, a.params) = (claim.outputHash, claim.verifierParams);
        a.claimHash = hashClaim(claim.node, claim.containerId, claim.featuresHash, claim.outputHash);
        (a.status, a.challengeUntil) = (Status.Open, challengeUntil.toUint40());
        _emitAsserted(claim, a.challengeUntil);

        // Interaction: reverts where the node has too little.
        NODE_REGISTRY.lockBond(claim.node, claim.minBond);

        // Whatever is going to happen has happened by then.
        return (Verdict.Pending, (challengeUntil + p.commitWindow + p.revealWindow).toUint40());
    }

    /// @inheritdoc IVerifier
    function settle(Claim calldata claim, bytes calldata, bytes calldata)
        external
        override(IVerifier, Verifier)
        returns (Verdict verdict)
    {
        if (msg.sender != COORDINATOR) revert NotCoordinator(msg.sender);
        Assertion storage a = _assertions[_key(claim.owner, claim.id, claim.interval)];
        if (a.status == Status.None || a.outputHash != claim.outputHash) return Verdict.Invalid;
        if (_isOver(a)) _resolve(a, claim.owner, claim.id, claim.interval);
        if (a.status == Status.Upheld) return Verdict.Valid;
        return a.status == Status.Open || a.status == Status.Challenged ? Verdict.Pending : Verdict.Invalid;
    }

    // --- What anyone may do about a claim

    /// @inheritdoc IOptimisticVerifier
    function refute(
        address owner,
        uint32 id,
        uint32 interval,
        bytes32 containerId,
        bytes calldata params,
        bytes calldata features
    ) external {
        // Check: in time, and about this.
        Assertion storage a = _openAssertion(owner, id, interval);
        bytes32 modelId = _decode(params, a.params).modelId;
        if (modelId == 0) revert WrongWay(modelId);
        _checkClaim(a, hashClaim(a.node, containerId, keccak256(features), a.outputHash));

        // Check: the chain finds something else. A failed run decides nothing: it reverts here.
        bytes32 found = keccak256(ONCHAIN_VERIFIER.run(modelId, features));
        if (found == a.outputHash) revert AnswerIsRight(found);

        // Effect
        a.status = Status.Rejected;
        a.challenger = msg.sender;
        emit Refuted(owner, id, msg.sender, interval, found);
        emit Resolved(owner, id, interval, Status.Rejected);

        // Interaction
        _slashShared(a, owner, a.bond);
    }

    /// @inheritdoc IOptimisticVerifier
    function challenge(address owner, uint32 id, uint32 interval, bytes32 claimHash, bytes calldata params)
        external
        payable
    {
        // Check
        Assertion storage a = _openAssertion(owner, id, interval);
        _checkClaim(a, claimHash);
        Params memory p = _decode(params, a.params);
        if (p.modelId != 0) revert WrongWay(p.modelId);
        if (msg.value != a.bond) revert WrongDeposit(msg.value, a.bond);

        // Effect
        uint40 commitUntil = (block.timestamp + p.commitWindow).toUint40();
        uint40 revealUntil = (uint256(commitUntil) + p.revealWindow).toUint40();
        (a.status, a.challenger) = (Status.Challenged, msg.sender);
        (a.commitUntil, a.revealUntil) = (commitUntil, revealUntil);
        (a.threshold, a.reward) = (p.threshold, p.reward);
        totalHeld += msg.value;

        emit Challenged(owner, id, msg.sender, interval, commitUntil, revealUntil);
    }

    /// @inheritdoc IOptimisticVerifier
    function quoteChallenge(address owner, uint32 id, uint32 interval) external view returns (uint256) {
        Assertion storage a = _assertions[_key(owner, id, interval)];
        return a.status == Status.Open && block.timestamp < a.challengeUntil ? a.bond : 0;
    }

    /// @inheritdoc IOptimisticVerifier
    function commitVote(
        address owner,
        uint32 id,
        uint32 interval,
        bytes32 claimHash,
        bytes calldata params,
        bytes32 commitment
    ) external {
        bytes32 key = _key(owner, id, interval);
        Assertion storage a = _assertions[key];

        // Check: when, about what, who, once.
        if (a.status != Status.Challenged) revert WrongStatus(a.status);
        if (block.timestamp >= a.commitUntil) revert TooLate(block.timestamp, a.commitUntil);
        _checkClaim(a, claimHash);
        if (!_isArbiter(a, _decode(params, a.params).arbiters, msg.sender)) revert NotAnArbiter(msg.sender);
        if (_commitments[key][msg.sender] != 0) revert AlreadyVoted(msg.sender);
        if (commitment == 0) revert ZeroCommitment();

        // Effect
        _commitments[key][msg.sender] = commitment;

        emit VoteCommitted(owner, id, msg.sender, interval, commitment);
    }

    /// @inheritdoc IOptimisticVerifier
    function revealVote(address owner, uint32 id, uint32 interval, bytes32 outputHash, bytes32 salt) external {
        bytes32 key = _key(owner, id, interval);
        Assertion storage a = _assertions[key];

        // Check
        if (a.status != Status.Challenged) revert WrongStatus(a.status);
        if (block.timestamp < a.commitUntil) revert TooEarly(block.timestamp, a.commitUntil);
        if (block.timestamp >= a.revealUntil) revert TooLate(block.timestamp, a.revealUntil);
        bytes32 opened = hashVote(owner, id, interval, msg.sender, outputHash, salt);
        bytes32 committed = _commitments[key][msg.sender];
        if (opened != committed) revert CommitmentMismatch(opened, committed);

        // Effect: more than half agree on one hash at most.
        delete _commitments[key][msg.sender];
        address[] storage voters = _voters[key][outputHash];
        voters.push(msg.sender);
        if (voters.length >= a.threshold) a.decision = outputHash;

        emit VoteRevealed(owner, id, msg.sender, interval, outputHash);
    }

    /// @inheritdoc IOptimisticVerifier
    function resolve(address owner, uint32 id, uint32 interval) external returns (Status status) {
        Assertion storage a = _assertions[_key(owner, id, interval)];

        // Check
        status = a.status;
        if (status != Status.Open && status != Status.Challenged) revert WrongStatus(status);
        if (!_isOver(a)) {
            revert TooEarly(block.timestamp, status == Status.Open ? a.challengeUntil : a.revealUntil);
        }

        // Effect and interaction
        _resolve(a, owner, id, interval);
        return a.status;
    }

    /// @inheritdoc IOptimisticVerifier
    function withdrawCredit(address to) external returns (uint256 amount) {
        // Check
        amount = creditOf[msg.sender];
        if (amount == 0) revert NoCredit(msg.sender);
        if (to == address(0)) revert ZeroAddress();

        // Effect
        creditOf[msg.sender] = 0;
        totalHeld -= amount;
        emit CreditWithdrawn(msg.sender, to, amount);

        // Interaction
        (bool ok,) = to.call{value: amount}("");
        if (!ok) revert TransferFailed(to, amount);
    }

    // --- Views

    /// @inheritdoc IOptimisticVerifier
    function hashClaim(address node, bytes32 containerId, bytes32 featuresHash, bytes32 outputHash)
        public
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(node, containerId, featuresHash, outputHash));
    }

    /// @inheritdoc IOptimisticVerifier
    function hashVote(address owner, uint32 id, uint32 interval, address arbiter, bytes32 outputHash, bytes32 salt)
        public
        view
        returns (bytes32)
    {
        return keccak256(abi.encode(block.chainid, address(this), owner, id, interval, arbiter, outputHash, salt));
    }

    /// @inheritdoc IOptimisticVerifier
    function getAssertion(address owner, uint32 id, uint32 interval) external view returns (Assertion memory) {
        return _assertions[_key(owner, id, interval)];
    }

    /// @inheritdoc IOptimisticVerifier
    function getVoters(address owner, uint32 id, uint32 interval, bytes32 outputHash)
        external
        view
        returns (address[] memory)
    {
        return _voters[_key(owner, id, interval)][outputHash];
    }

    // --- The end of a claim

    /// @dev The registry is called last and calls nobody, so nothing can be entered half-way.
    function _resolve(Assertion storage a, address owner, uint32 id, uint32 interval) private {
        bool challenged = a.status == Status.Challenged;
        bytes32 decision = a.decision;
        Status status = Status.Rejected;
        if (!challenged || decision == a.outputHash) status = Status.Upheld;
        else if (decision == 0) status = Status.Undecided;
        a.status = status;
        emit Resolved(owner, id, interval, status);

        address[] storage voters = _voters[_key(owner, id, interval)][decision];
        if (status == Status.Rejected) {
            creditOf[a.challenger] += a.bond;
            _slash(a, owner, voters);
            return;
        }
        if (status == Status.Undecided) creditOf[a.challenger] += a.bond;
        else if (challenged) _creditDeposit(a, voters);
        NODE_REGISTRY.unlockBond(a.node, a.bond);
    }

    /// @dev The deposit: the arbiters' rewards, then the node.
    function _creditDeposit(Assertion storage a, address[] storage voters) private {
        uint96 reward = a.reward;
        uint256 length = voters.length;
        for (uint256 i; i < length; ++i) {
            creditOf[voters[i]] += reward;
        }
        creditOf[a.node] += a.bond - length * reward;
    }

    /// @dev The bond: the arbiters' rewards, then challenger and owner.
    function _slash(Assertion storage a, address owner, address[] storage voters) private {
        uint96 reward = a.reward;
        uint96 rest = a.bond;
        uint256 length = reward == 0 ? 0 : voters.length;
        for (uint256 i; i < length; ++i) {
            rest -= reward;
            NODE_REGISTRY.slashBond(a.node, reward, voters[i]);
        }
        _slashShared(a, owner, rest);
    }

    /// @dev Were all of it the challenger's, a node could challenge itself before others do, and risk nothing.
    function _slashShared(Assertion storage a, address owner, uint96 amount) private {
        uint96 half = amount / 2;
        NODE_REGISTRY.slashBond(a.node, half, owner);
        NODE_REGISTRY.slashBond(a.node, amount - half, a.challenger);
    }

    /// @dev Whether the claim's next step is its last.
    function _isOver(Assertion storage a) private view returns (bool) {
        if (a.status == Status.Open) return block.timestamp >= a.challengeUntil;
        return a.status == Status.Challenged && block.timestamp >= a.revealUntil;
    }

    function _openAssertion(address owner, uint32 id, uint32 interval) private view returns (Assertion storage a) {
        a = _assertions[_key(owner, id, interval)];
        if (a.status != Status.Open) revert WrongStatus(a.status);
        if (block.timestamp >= a.challengeUntil) revert TooLate(block.timestamp, a.challengeUntil);
    }

    /// @dev After a reorg another claim may stand in the same place.
    function _checkClaim(Assertion storage a, bytes32 claimHash) private view {
        if (claimHash != a.claimHash) revert OtherClaim(claimHash, a.claimHash);
    }

    // --- Parameters

    function _decode(bytes memory params, bytes32 expected) private pure returns (Params memory) {
        if (keccak256(params) != expected) revert ParamsMismatch(keccak256(params), expected);
        return abi.decode(params, (Params));
    }

    function _checkModel(Params memory p) private view {
        if (p.commitWindow != 0 || p.revealWindow != 0 || p.arbiters.length != 0) revert InvalidParams();
        if (p.threshold != 0 || p.reward != 0) revert InvalidParams();
        if (ONCHAIN_VERIFIER.dataOf(p.modelId) == address(0)) revert ModelNotStored(p.modelId);
    }

    function _checkArbiters(Params memory p, uint256 minBond) private pure {
        uint32 shorter = p.commitWindow < p.revealWindow ? p.commitWindow : p.revealWindow;
        if (shorter < MIN_WINDOW) revert InvalidWindow(shorter);
        uint256 count = p.arbiters.length;
        if (count > MAX_ARBITERS || p.threshold > count || uint256(p.threshold) * 2 <= count) {
            revert InvalidThreshold(p.threshold, count);
        }
        address previous;
        for (uint256 i; i < count; ++i) {
            if (p.arbiters[i] <= previous) revert ArbitersNotAscending(previous, p.arbiters[i]);
            previous = p.arbiters[i];
        }
        if (p.reward * count > minBond / 2) revert RewardTooHigh(p.reward * count, minBond / 2);
    }

    /// @dev Nobody votes in its own cause.
    function _isArbiter(Assertion storage a, address[] memory arbiters, address account) private view returns (bool) {
        if (account == a.node || account == a.challenger) return false;
        for (uint256 i; i < arbiters.length; ++i) {
            if (arbiters[i] == account) return true;
        }
        return false;
    }

    /// @dev Apart from `verify` for the sake of the stack.
    function _emitAsserted(Claim calldata c, uint40 challengeUntil) private {
        emit Asserted(c.owner, c.id, c.node, c.interval, c.outputHash, c.minBond, challengeUntil);
    }

    function _key(address owner, uint32 id, uint32 interval) private pure returns (bytes32) {
        return keccak256(abi.encode(owner, id, interval));
    }
}
