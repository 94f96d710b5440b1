// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Subscription} from "../Subscription.sol";
import {IVerifier} from "./IVerifier.sol";

/// @title ISealedQuorumVerifier
/// @notice Bonded nodes commit to their outputs before any of them is seen, then reveal. What k of them agree on, or
/// their median, is delivered once, by anyone, and shared by those who were right.
/// @dev Assumptions:
/// - Windows follow each other from the interval's start: commit, reveal, then delivery. All lie within one interval,
///   and each is at least `MIN_WINDOW` long: a payer that reads the reveals has to leave time to deliver them.
/// - Any bonded node may commit: commits are not capped by redundancy, so nobody can fill the places. One operator with
///   many bonds still counts as many.
/// - A commit locks the minimum bond of the terms. Revealing unlocks it, right or wrong; where nobody reveals it in
///   time, it goes to the payer of the subscription.
/// - A commit is `keccak256(abi.encode(uint256 chainId, address coordinator, address owner, uint32 id,
///   uint32 interval, address node, bytes32 featuresHash, bytes32 outputHash, bytes32 salt))`: nobody can copy one, or
///   use it elsewhere. The salt is secret until the reveal and must not be guessable.
/// - Fewer than k that agree, or two outputs that equally many agree on: no delivery is accepted, and the fee returns
///   to the payer after the deadline.
/// - Parameters: `abi.encode(Params)`. Proof: `abi.encode(bytes32 featuresHash, uint256[] order)`. `featuresHash`
///   counts in pull mode only. `order` is empty for equal outputs; for the median it lists the indices of the reveals
///   (see `getReveals`) by value, equal ones by index.
interface ISealedQuorumVerifier is IVerifier {
    /// @notice What the delivered output is.
    enum Rule {
        /// The output that most nodes gave, and at least k.
        Equal,
        /// The middle one of at least k numbers, the lower of two. Outputs are `abi.encode(int256[])` of one number.
        Median
    }

    /// @notice The terms' parameters.
    struct Params {
        /// What the delivered output is.
        Rule rule;
        /// How many must agree, or for the median be there.
        uint16 k;
        /// How many share the fee, the first to reveal first.
        uint16 maxPaid;
        /// Seconds from the interval's start.
        uint32 commitWindow;
        /// Seconds from the end of the commit window.
        uint32 revealWindow;
        /// For the median: who is so far from it at most shares the fee.
        uint256 tolerance;
    }

    /// @notice What is known of an interval, of its parameters and of what was revealed.
    struct Round {
        /// 0 in pull mode.
        bytes32 featuresHash;
        /// What most nodes agree on: for equal outputs keccak256(abi.encode(featuresHash, outputHash)), for the median
        /// the features hash.
        bytes32 best;
        /// Who gets the stakes of those who do not reveal.
        address payer;
        /// When the commit window ends and the reveal window begins, in seconds since the epoch.
        uint40 revealFrom;
        /// When the reveal window ends, in seconds since the epoch.
        uint40 revealUntil;
        /// Of each commit, in wei; 0: nobody has committed yet.
        uint96 stake;
        /// As in the parameters.
        uint16 k;
        /// As in the parameters.
        uint16 maxPaid;
        /// As in the parameters.
        Rule rule;
        /// How many agree on it.
        uint32 bestCount;
        /// As many agree on something else.
        bool tied;
        /// As in the parameters.
        uint256 tolerance;
    }

    /// @notice A node has committed to its output, which nobody sees yet. Its stake is locked.
    event Committed(
        address indexed owner, uint32 indexed id, address indexed node, uint32 interval, bytes32 commitment
    );

    /// @notice A node has shown what it committed to. Its stake is unlocked.
    event Revealed(
        address indexed owner,
        uint32 indexed id,
        address indexed node,
        uint32 interval,
        bytes32 featuresHash,
        bytes output
    );

    /// @notice The node did not reveal; its stake, in wei, is the payer's.
    event Forfeited(
        address indexed owner, uint32 indexed id, address indexed node, uint32 interval, address payer, uint256 stake
    );

    /// @notice `k` is 0, `maxPaid` is 0 or above 64, or there is a tolerance where there is no median.
    error InvalidParams();

    /// @notice The mode has to say that answers are sealed.
    error NotSealed(uint8 mode);

    /// @notice The quorum is one answer.
    error RedundancyNotOne(uint16 redundancy);

    /// @notice A quorum is of many nodes: none may be named.
    error NodeNamed(address node);

    /// @notice Without a bond there would be nothing to lose by not revealing.
    error ZeroMinBond();

    /// @notice Windows are at least `MIN_WINDOW` seconds long.
    error WindowTooShort(uint32 window, uint32 minimum);

    /// @notice The windows end too late to deliver within the interval, or before the deadline. `end` has the time of a
    /// delivery in it.
    error WindowsTooLong(uint256 end, uint256 limit);

    /// @notice Nobody could commit any more.
    error CommitWindowOver(uint256 timestamp, uint256 end);

    /// @notice Only the Coordinator of this verifier delivers.
    error NotCoordinator(address caller);

    /// @notice There is no such subscription, it has other terms, or another verifier.
    error TermsMismatch(address owner, uint32 id);

    /// @notice Commitments are taken from `from` until before `until`, in seconds since the epoch.
    error NotInCommitWindow(uint256 timestamp, uint256 from, uint256 until);

    /// @notice Outputs are revealed from `from` until before `until`, in seconds since the epoch.
    error NotInRevealWindow(uint256 timestamp, uint256 from, uint256 until);

    /// @notice The reveal window is open until `end`, in seconds since the epoch.
    error RevealsNotOver(uint256 timestamp, uint256 end);

    /// @notice A node commits once in an interval.
    error AlreadyCommitted(address node);

    /// @notice A commitment of 0 is none.
    error ZeroCommitment();

    /// @notice This is not what the node committed to; or it has revealed, or never committed.
    error CommitmentMismatch(bytes32 given, bytes32 committed);

    /// @notice The terms name other features.
    error FeaturesMismatch(bytes32 given, bytes32 expected);

    /// @notice The median is taken of `abi.encode(int256[])` with one number.
    error NotANumber(bytes output);

    /// @notice The node has nothing to forfeit.
    error NothingCommitted(address node);

    /// @notice `order` does not list every reveal once, by value.
    error NotInOrder(uint256 position);

    /// @notice The shortest that a window may be, in seconds.
    function MIN_WINDOW() external view returns (uint32);

    /// @notice The only Coordinator whose subscriptions are served here.
    function COORDINATOR() external view returns (address);

    /// @notice Commits to an output for the current interval, as the caller; locks its stake.
    /// @param id The subscription.
    /// @param s Its terms.
    /// @param params The verifier's parameters.
    /// @param commitment See `hashCommitment`.
    function commit(uint32 id, Subscription calldata s, bytes calldata params, bytes32 commitment) external;

    /// @notice Reveals what the caller committed to. Its stake is unlocked, right or wrong.
    function reveal(
        address owner,
        uint32 id,
        uint32 interval,
        bytes32 featuresHash,
        bytes calldata output,
        bytes32 salt
    ) external;

    /// @notice Gives the stake of a node that did not reveal to the payer. Anyone may call.
    function forfeit(address owner, uint32 id, uint32 interval, address node) external;

    /// @notice What a node commits to.
    function hashCommitment(
        address owner,
        uint32 id,
        uint32 interval,
        address node,
        bytes32 featuresHash,
        bytes32 outputHash,
        bytes32 salt
    ) external view returns (bytes32);

    /// @notice What is known of an interval; `stake` 0: nobody has committed.
    function getRound(address owner, uint32 id, uint32 interval) external view returns (Round memory);

    /// @notice The open commitment of a node; 0: none, or revealed or forfeited.
    function getCommitment(address owner, uint32 id, uint32 interval, address node) external view returns (bytes32);

    /// @notice Who revealed what most agree on, in the order of their reveals, and for the median the numbers.
    function getReveals(address owner, uint32 id, uint32 interval)
        external
        view
        returns (address[] memory nodes, int256[] memory values);
}
