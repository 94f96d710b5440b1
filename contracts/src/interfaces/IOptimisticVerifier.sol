// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IVerifier} from "./IVerifier.sol";

/// @title IOptimisticVerifier
/// @notice A node claims its answer against a bond; who knows better challenges. An answer that nobody challenges in
/// time is final, and whoever is wrong pays whoever is right.
/// @dev Assumptions:
/// - A delivery locks the minimum bond of the terms. It is unlocked when the claim ends well, whatever happens to the
///   subscription meanwhile.
/// - Where the terms name a model that the chain can run (`modelId`), a challenge is decided at once: `refute` runs the
///   model, and a challenge of a right answer reverts.
/// - Otherwise the arbiters that the terms name re-execute, and vote on the hash of the output that they found, under
///   commit and reveal. `threshold`, more than half of them, must have found the same: the claim's hash and the claim
///   stands, or another one and it falls. The hash 0 says that there is no output to be found: it decides nothing.
///   A challenger deposits as much as the node's bond.
/// - A challenger that loses pays each arbiter of the majority `reward`, and the node the rest of its deposit.
/// - A node that loses pays the same rewards; the rest of its bond is shared by the challenger and the owner of the
///   subscription, as credits in the node registry. The owner's half is what keeps a node from challenging itself.
/// - Time-outs: no challenge in its window, the claim stands; arbiters that do not decide in theirs, both get their own
///   back and the fee returns to the payer. Nobody has to act for anybody else to get out.
/// - Challenges and votes name the claim that they are about by `hashClaim`; after a reorg another may stand in its
///   place, and there they revert. So compute the hash from what was re-executed, rather than read it here.
/// - Arbiters and windows are the consumer's choice. A node that delivers agrees to them: it should know the
///   parameters' hash. Nobody but a node's own delivery can put its bond at risk.
/// - Parameters: `abi.encode(Params)`. Proof of a delivery: `abi.encode(bytes32 featuresHash, bytes params)`, the hash of
///   the features that the node was asked, so that in pull mode nobody can change them under its claim. Proof of a
///   settlement: empty.
interface IOptimisticVerifier is IVerifier {
    /// @notice The terms' parameters.
    struct Params {
        /// Seconds from the delivery.
        uint32 challengeWindow;
        /// Seconds from the challenge.
        uint32 commitWindow;
        /// Seconds from the end of the commit window.
        uint32 revealWindow;
        /// A model of the on-chain verifier; then there are no arbiters. 0: there are.
        bytes32 modelId;
        /// In ascending order.
        address[] arbiters;
        /// How many of them must have found the same: more than half.
        uint16 threshold;
        /// In wei, for each arbiter of the majority; all together at most half the minimum bond.
        uint96 reward;
    }

    /// @notice Where a claim stands.
    enum Status {
        /// There is no claim.
        None,
        /// Waits for a challenge, or the end of its window.
        Open,
        /// Waits for the arbiters, or the end of their windows.
        Challenged,
        /// The answer is good.
        Upheld,
        /// The answer is wrong.
        Rejected,
        /// The arbiters did not decide: the fee returns to the payer, bond and deposit to theirs.
        Undecided
    }

    /// @notice A claim. Amounts are in wei, times in seconds since the epoch.
    struct Assertion {
        /// Who delivered, and answers for it.
        address node;
        /// How much of its bond is locked; what a challenger deposits.
        uint96 bond;
        /// keccak256 of the output that was delivered.
        bytes32 outputHash;
        /// `hashClaim` of node, container, features and output.
        bytes32 claimHash;
        /// Hash of the terms' parameters.
        bytes32 params;
        Status status;
        /// When it can be challenged no more.
        uint40 challengeUntil;
        /// When arbiters can commit no more; 0: not challenged.
        uint40 commitUntil;
        /// When they can reveal no more; 0: not challenged.
        uint40 revealUntil;
        /// As in the parameters; 0: not challenged.
        uint16 threshold;
        /// As in the parameters; 0: not challenged.
        uint96 reward;
        /// Zero: nobody.
        address challenger;
        /// What the arbiters agree on; 0: nothing yet.
        bytes32 decision;
    }

    /// @notice A node claims that this is the output. `bond` wei of its bond is locked; who knows better has until
    /// before `challengeUntil`.
    event Asserted(
        address indexed owner,
        uint32 indexed id,
        address indexed node,
        uint32 interval,
        bytes32 outputHash,
        uint256 bond,
        uint40 challengeUntil
    );

    /// @notice The claim is before its arbiters: they commit until before `commitUntil` and reveal until before
    /// `revealUntil`.
    event Challenged(
        address indexed owner,
        uint32 indexed id,
        address indexed challenger,
        uint32 interval,
        uint40 commitUntil,
        uint40 revealUntil
    );

    /// @notice The chain itself has found another output: its hash is `outputHash`.
    event Refuted(
        address indexed owner, uint32 indexed id, address indexed challenger, uint32 interval, bytes32 outputHash
    );

    /// @notice An arbiter has committed to the hash of an output, which nobody sees yet.
    event VoteCommitted(
        address indexed owner, uint32 indexed id, address indexed arbiter, uint32 interval, bytes32 commitment
    );

    /// @notice An arbiter has found this output's hash; 0: that there is none.
    event VoteRevealed(
        address indexed owner, uint32 indexed id, address indexed arbiter, uint32 interval, bytes32 outputHash
    );

    /// @notice The claim is over: bond and deposit are with those whom they belong to.
    event Resolved(address indexed owner, uint32 indexed id, uint32 interval, Status status);

    /// @notice `account` has sent its credit, `amount` wei, to `to`.
    event CreditWithdrawn(address indexed account, address indexed to, uint256 amount);

    /// @notice A model that the chain runs needs no windows to vote in, no arbiters, no threshold and no reward.
    error InvalidParams();

    /// @notice An interval has one claim.
    error RedundancyNotOne(uint16 redundancy);

    /// @notice Without a bond a wrong claim costs nothing.
    error ZeroMinBond();

    /// @notice Windows, in seconds, are at least `MIN_WINDOW` long, and at most `MAX_WINDOWS` together.
    error InvalidWindow(uint256 window);

    /// @notice More than half of the arbiters, and no more than there are; at most `MAX_ARBITERS`.
    error InvalidThreshold(uint256 threshold, uint256 arbiters);

    /// @notice Arbiters are distinct and in ascending order.
    error ArbitersNotAscending(address previous, address arbiter);

    /// @notice The rewards, in wei, would take more than half of the bond.
    error RewardTooHigh(uint256 total, uint256 maximum);

    /// @notice The on-chain verifier has no such model.
    error ModelNotStored(bytes32 modelId);

    /// @notice Only the Coordinator of this verifier delivers and settles.
    error NotCoordinator(address caller);

    /// @notice These are not the parameters that the terms hold the hash of.
    error ParamsMismatch(bytes32 given, bytes32 expected);

    /// @notice The interval has its claim.
    error AlreadyAsserted();

    /// @notice The claim is not in the state that the call needs.
    error WrongStatus(Status status);

    /// @notice The window before this one is open until `from`.
    error TooEarly(uint256 timestamp, uint256 from);

    /// @notice The window closed at `until`.
    error TooLate(uint256 timestamp, uint256 until);

    /// @notice Claims on a stored model are refuted by running it, others challenged before the arbiters.
    error WrongWay(bytes32 modelId);

    /// @notice Another claim stands here than the one that the call is about: `found` is its hash.
    error OtherClaim(bytes32 given, bytes32 found);

    /// @notice A challenge deposits exactly as many wei as the node's bond.
    error WrongDeposit(uint256 given, uint256 required);

    /// @notice These are not the features that the claim is about.
    error FeaturesMismatch(bytes32 given, bytes32 expected);

    /// @notice The chain finds the same output.
    error AnswerIsRight(bytes32 outputHash);

    /// @notice Only arbiters that the terms name vote, and none in its own cause.
    error NotAnArbiter(address caller);

    /// @notice An arbiter commits once.
    error AlreadyVoted(address arbiter);

    /// @notice This is not what the arbiter committed to; or it has revealed, or never committed.
    error CommitmentMismatch(bytes32 given, bytes32 committed);

    /// @notice A commitment of 0 is none.
    error ZeroCommitment();

    /// @notice The receiver is the zero address.
    error ZeroAddress();

    /// @notice The account has no credit.
    error NoCredit(address account);

    /// @notice The receiver did not take the ETH.
    error TransferFailed(address to, uint256 amount);

    /// @notice The shortest that a window may be, in seconds.
    function MIN_WINDOW() external view returns (uint32);

    /// @notice The longest that all windows together may be, in seconds.
    function MAX_WINDOWS() external view returns (uint256);

    /// @notice The most arbiters that the terms may name.
    function MAX_ARBITERS() external view returns (uint256);

    /// @notice The only Coordinator whose subscriptions are served here.
    function COORDINATOR() external view returns (address);

    /// @notice Shows that a claim on a stored model is wrong, and takes half of the node's bond.
    /// @param containerId The subscription's.
    /// @param features What the model was asked.
    function refute(
        address owner,
        uint32 id,
        uint32 interval,
        bytes32 containerId,
        bytes calldata params,
        bytes calldata features
    ) external;

    /// @notice Challenges a claim before its arbiters, against the deposit that `quoteChallenge` says.
    /// @param claimHash `hashClaim` of the claim that is wrong; where another stands, nothing happens.
    function challenge(address owner, uint32 id, uint32 interval, bytes32 claimHash, bytes calldata params)
        external
        payable;

    /// @notice What a challenge has to deposit, in wei; 0 where it is not possible now.
    function quoteChallenge(address owner, uint32 id, uint32 interval) external view returns (uint256);

    /// @notice An arbiter commits to the hash of the output that it found.
    /// @param claimHash `hashClaim` of the claim that it re-executed; where another stands, nothing happens.
    /// @param commitment `hashVote` of what it found.
    function commitVote(
        address owner,
        uint32 id,
        uint32 interval,
        bytes32 claimHash,
        bytes calldata params,
        bytes32 commitment
    ) external;

    /// @notice An arbiter reveals the hash that it committed to.
    function revealVote(address owner, uint32 id, uint32 interval, bytes32 outputHash, bytes32 salt) external;

    /// @notice Ends a claim whose time has come: unlocks or slashes the bond, credits who is owed. Anyone may call;
    /// settling does it too.
    function resolve(address owner, uint32 id, uint32 interval) external returns (Status status);

    /// @notice Sends the caller's credit to `to`.
    function withdrawCredit(address to) external returns (uint256 amount);

    /// @notice What is claimed: `keccak256(abi.encode(address node, bytes32 containerId, bytes32 featuresHash,
    /// bytes32 outputHash))`.
    function hashClaim(address node, bytes32 containerId, bytes32 featuresHash, bytes32 outputHash)
        external
        pure
        returns (bytes32);

    /// @notice What an arbiter commits to: `keccak256(abi.encode(uint256 chainId, address verifier, address owner,
    /// uint32 id, uint32 interval, address arbiter, bytes32 outputHash, bytes32 salt))`.
    function hashVote(address owner, uint32 id, uint32 interval, address arbiter, bytes32 outputHash, bytes32 salt)
        external
        view
        returns (bytes32);

    /// @notice The claim of an interval; status `None`: there is none.
    function getAssertion(address owner, uint32 id, uint32 interval) external view returns (Assertion memory);

    /// @notice The arbiters that found an output.
    function getVoters(address owner, uint32 id, uint32 interval, bytes32 outputHash)
        external
        view
        returns (address[] memory);

    /// @notice What `account` may withdraw, in wei.
    function creditOf(address account) external view returns (uint256);

    /// @notice All deposits and credits together, in wei. Never more than the ETH that is here.
    function totalHeld() external view returns (uint256);
}
