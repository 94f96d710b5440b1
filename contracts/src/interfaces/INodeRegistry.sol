// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title INodeRegistry
/// @notice Where nodes say how they are reached, and post bonds. Serving needs no entry here.
/// @dev Assumptions:
/// - A bond stands towards one verifier, and that verifier alone may lock and slash it. Posting a bond trusts the
///   verifier's code: a verifier that nobody has a bond with can touch nothing.
/// - All of a bond is in one of three places: *active* (counts towards minimum bonds), *locked* (a verifier's claim on
///   it is undecided) or *unbonding* (on its way out after `UNBONDING_DELAY`, and open to locks until withdrawn).
///   Only what is locked can be slashed, only what is active can start unbonding, only what is unbonding can leave.
/// - Bonds are in ETH. A slash is credited to its recipient, who withdraws it: no ETH is ever pushed.
interface INodeRegistry {
    /// @notice How a node is reached, and what it serves.
    struct Node {
        /// URL of the node's HTTP API.
        string endpoint;
        /// Public key to which features may be encrypted, in the form that the endpoint documents.
        bytes encryptionKey;
        /// What the node serves.
        string[] containers;
    }

    /// @notice A node's bond towards one verifier, in wei, by the place that it is in.
    struct Bond {
        /// Counts towards minimum bonds.
        uint96 active;
        /// Held by the verifier.
        uint96 locked;
        /// On its way out.
        uint96 unbonding;
        /// When what is unbonding may be withdrawn, in seconds since the epoch.
        uint40 withdrawableAt;
    }

    /// @notice The node's entry is this one from now on; the previous one is void.
    event NodeListed(address indexed node, string endpoint, bytes encryptionKey, string[] containers);

    /// @notice The node has taken its entry back.
    event NodeDelisted(address indexed node);

    /// @notice `from` has added `amount` wei to the active bond of `node`.
    event BondPosted(address indexed node, address indexed verifier, address indexed from, uint256 amount);

    /// @notice `amount` wei counts no more. All that is unbonding may be withdrawn at `withdrawableAt`, in seconds
    /// since the epoch.
    event UnbondingStarted(address indexed node, address indexed verifier, uint256 amount, uint40 withdrawableAt);

    /// @notice The node has taken `amount` wei of its bond out.
    event BondWithdrawn(address indexed node, address indexed verifier, address indexed to, uint256 amount);

    /// @notice The verifier holds `amount` wei: `fromActive` of the active part, the rest of what was unbonding.
    event BondLocked(address indexed node, address indexed verifier, uint256 amount, uint256 fromActive);

    /// @notice `amount` wei is active again.
    event BondUnlocked(address indexed node, address indexed verifier, uint256 amount);

    /// @notice `amount` wei of what was locked is the credit of `to`.
    event BondSlashed(address indexed node, address indexed verifier, address indexed to, uint256 amount);

    /// @notice `account` has sent its credit, `amount` wei, to `to`.
    event CreditWithdrawn(address indexed account, address indexed to, uint256 amount);

    /// @notice The node has no entry.
    error NotListed(address node);

    /// @notice An entry without an endpoint would be none.
    error EmptyEndpoint();

    /// @notice The names of the containers overlap in calldata.
    error Overlapping(uint256 length, uint256 maximum);

    /// @notice The node, the verifier, or the receiver is the zero address.
    error ZeroAddress();

    /// @notice There is nothing to move.
    error ZeroAmount();

    /// @notice The bond has `available` wei in the place that it should come from.
    error InsufficientBond(address node, address verifier, uint256 available, uint256 required);

    /// @notice What is unbonding may be withdrawn at `withdrawableAt`, in seconds since the epoch.
    error StillUnbonding(uint256 timestamp, uint40 withdrawableAt);

    /// @notice The account has no credit.
    error NoCredit(address account);

    /// @notice The receiver did not take the ETH.
    error TransferFailed(address to, uint256 amount);

    /// @notice Seconds between the start of unbonding and withdrawal.
    function UNBONDING_DELAY() external view returns (uint40);

    /// @notice Writes the caller's entry, or replaces it.
    function listNode(string calldata endpoint, bytes calldata encryptionKey, string[] calldata containers) external;

    /// @notice Takes the caller's entry back. Bonds stay.
    function delistNode() external;

    /// @notice A node's entry; an empty endpoint: none.
    function getNode(address node) external view returns (Node memory);

    /// @notice Adds the ETH sent to the bond of `node` towards `verifier`. Anyone may pay; only the node gets it back.
    function postBond(address node, address verifier) external payable;

    /// @notice Starts to take `amount` wei of the caller's active bond out. What was unbonding before waits anew with
    /// it.
    function startUnbonding(address verifier, uint96 amount) external;

    /// @notice Sends what the caller has unbonded to `to`.
    function withdrawBond(address verifier, address to) external returns (uint256 amount);

    /// @notice Called by a verifier: holds a part of the node's bond until it is unlocked or slashed.
    function lockBond(address node, uint96 amount) external;

    /// @notice Called by a verifier: what it locked is active again.
    function unlockBond(address node, uint96 amount) external;

    /// @notice Called by a verifier: what it locked goes to `to`, as a credit.
    function slashBond(address node, uint96 amount, address to) external;

    /// @notice Sends the caller's credit to `to`.
    function withdrawCredit(address to) external returns (uint256 amount);

    /// @notice The active bond in wei: neither locked nor unbonding. What a minimum bond is compared with.
    function bondOf(address node, address verifier) external view returns (uint256);

    /// @notice All of a bond.
    function getBond(address node, address verifier) external view returns (Bond memory);

    /// @notice What `account` may withdraw, in wei.
    function creditOf(address account) external view returns (uint256);

    /// @notice All bonds and credits together, in wei. Never more than the ETH that is here.
    function totalHeld() external view returns (uint256);
}
