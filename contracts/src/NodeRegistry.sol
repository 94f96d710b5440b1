// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {INodeRegistry} from "./interfaces/INodeRegistry.sol";

/// @title NodeRegistry
/// @notice Entries of nodes, and their bonds per verifier.
contract NodeRegistry is INodeRegistry {
    using SafeCast for uint256;

    /// @inheritdoc INodeRegistry
    uint40 public immutable UNBONDING_DELAY;

    /// @inheritdoc INodeRegistry
    uint256 public totalHeld;

    mapping(address node => Node) private _nodes;
    mapping(address node => mapping(address verifier => Bond)) private _bonds;
    mapping(address account => uint256) private _credits;

    constructor(uint40 unbondingDelay) {
        UNBONDING_DELAY = unbondingDelay;
    }

    /// @inheritdoc INodeRegistry
    function listNode(string calldata endpoint, bytes calldata encryptionKey, string[] calldata containers) external {
        // Check
        if (bytes(endpoint).length == 0) revert EmptyEndpoint();
        uint256 length;
        for (uint256 i; i < containers.length; ++i) {
            length += bytes(containers[i]).length;
        }
        if (length > msg.data.length) revert Overlapping(length, msg.data.length);

        // Effect
        Node storage node = _nodes[msg.sender];
        (node.endpoint, node.encryptionKey) = (endpoint, encryptionKey);
        delete node.containers;
        for (uint256 i; i < containers.length; ++i) {
            node.containers.push(containers[i]);
        }

        emit NodeListed(msg.sender, endpoint, encryptionKey, containers);
    }

    /// @inheritdoc INodeRegistry
    function delistNode() external {
        // Check
        if (bytes(_nodes[msg.sender].endpoint).length == 0) revert NotListed(msg.sender);

        // Effect
        delete _nodes[msg.sender];

        emit NodeDelisted(msg.sender);
    }

    /// @inheritdoc INodeRegistry
    function postBond(address node, address verifier) external payable {
        // Check
        if (node == address(0) || verifier == address(0)) revert ZeroAddress();
        if (msg.value == 0) revert ZeroAmount();

        // Effect
        _bonds[node][verifier].active += msg.value.toUint96();
        totalHeld += msg.value;

        emit BondPosted(node, verifier, msg.sender, msg.value);
    }

    /// @inheritdoc INodeRegistry
    function startUnbonding(address verifier, uint96 amount) external {
        // Check
        if (amount == 0) revert ZeroAmount();
        Bond storage bond = _bonds[msg.sender][verifier];
        if (bond.active < amount) revert InsufficientBond(msg.sender, verifier, bond.active, amount);

        // Effect
        uint40 withdrawableAt = (block.timestamp + UNBONDING_DELAY).toUint40();
        bond.active -= amount;
        bond.unbonding += amount;
        bond.withdrawableAt = withdrawableAt;

        emit UnbondingStarted(msg.sender, verifier, amount, withdrawableAt);
    }

    /// @inheritdoc INodeRegistry
    function withdrawBond(address verifier, address to) external returns (uint256 amount) {
        // Check
        Bond storage bond = _bonds[msg.sender][verifier];
        amount = bond.unbonding;
        if (amount == 0) revert ZeroAmount();
        if (block.timestamp < bond.withdrawableAt) revert StillUnbonding(block.timestamp, bond.withdrawableAt);

        // Effect
        (bond.unbonding, bond.withdrawableAt) = (0, 0);
        emit BondWithdrawn(msg.sender, verifier, to, amount);

        // Interaction
        _send(to, amount);
    }

    /// @inheritdoc INodeRegistry
    function lockBond(address node, uint96 amount) external {
        // Check
        Bond storage bond = _bonds[node][msg.sender];
        uint256 available = uint256(bond.active) + bond.unbonding;
        if (available < amount) revert InsufficientBond(node, msg.sender, available, amount);

        // Effect: what is on its way out comes last.
        uint96 fromActive = amount < bond.active ? amount : bond.active;
        bond.active -= fromActive;
        bond.unbonding -= amount - fromActive;
        bond.locked += amount;

        emit BondLocked(node, msg.sender, amount, fromActive);
    }

    /// @inheritdoc INodeRegistry
    function unlockBond(address node, uint96 amount) external {
        // Check and effect
        Bond storage bond = _takeLocked(node, amount);
        bond.active += amount;

        emit BondUnlocked(node, msg.sender, amount);
    }

    /// @inheritdoc INodeRegistry
    function slashBond(address node, uint96 amount, address to) external {
        // Check and effect
        _takeLocked(node, amount);
        _credits[to] += amount;

        emit BondSlashed(node, msg.sender, to, amount);
    }

    /// @inheritdoc INodeRegistry
    function withdrawCredit(address to) external returns (uint256 amount) {
        // Check
        amount = _credits[msg.sender];
        if (amount == 0) revert NoCredit(msg.sender);

        // Effect
        _credits[msg.sender] = 0;
        emit CreditWithdrawn(msg.sender, to, amount);

        // Interaction
        _send(to, amount);
    }

    /// @inheritdoc INodeRegistry
    function bondOf(address node, address verifier) external view returns (uint256) {
        return _bonds[node][verifier].active;
    }

    /// @inheritdoc INodeRegistry
    function getBond(address node, address verifier) external view returns (Bond memory) {
        return _bonds[node][verifier];
    }

    /// @inheritdoc INodeRegistry
    function creditOf(address account) external view returns (uint256) {
        return _credits[account];
    }

    /// @inheritdoc INodeRegistry
    function getNode(address node) external view returns (Node memory) {
        return _nodes[node];
    }

    /// @dev From the bond towards the caller.
    function _takeLocked(address node, uint96 amount) private returns (Bond storage bond) {
        bond = _bonds[node][msg.sender];
        if (bond.locked < amount) revert InsufficientBond(node, msg.sender, bond.locked, amount);
        bond.locked -= amount;
    }

    function _send(address to, uint256 amount) private {
        if (to == address(0)) revert ZeroAddress();
        totalHeld -= amount;
        (bool ok,) = to.call{value: amount}("");
        if (!ok) revert TransferFailed(to, amount);
    }
}
