// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {INodeRegistry} from "../src/interfaces/INodeRegistry.sol";
import {Vm} from "./Vm.sol";
import {vmMore} from "./verifiers/VmMore.sol";

/// @dev Entries and bonds.
contract NodeRegistryTest {
    bool public constant IS_TEST = true;

    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    uint40 private constant DELAY = 7 days;
    address private constant NODE = address(0xA11CE);
    address private constant OTHER = address(0xB0B);
    address private constant VERIFIER = address(0x7E1);
    address private constant PAYER = address(0x9A1);

    INodeRegistry private registry;

    receive() external payable {}

    function setUp() public {
        vm.warp(1_767_225_600);
        registry = INodeRegistry(vm.deployCode("NodeRegistry.sol:NodeRegistry", abi.encode(DELAY)));
        vmMore.deal(NODE, 100 ether);
    }

    function _post(uint256 amount) private {
        vm.prank(NODE);
        registry.postBond{value: amount}(NODE, VERIFIER);
    }

    function _unbond(uint96 amount) private {
        vm.prank(NODE);
        registry.startUnbonding(VERIFIER, amount);
    }

    function _withdraw() private returns (uint256) {
        vm.prank(NODE);
        return registry.withdrawBond(VERIFIER, NODE);
    }

    function _assertBond(uint256 active, uint256 locked, uint256 unbonding) private view {
        INodeRegistry.Bond memory bond = registry.getBond(NODE, VERIFIER);
        vm.assertEq(bond.active, active);
        vm.assertEq(bond.locked, locked);
        vm.assertEq(bond.unbonding, unbonding);
        vm.assertEq(registry.bondOf(NODE, VERIFIER), active);
    }

    function _insufficient(address verifier, uint256 available, uint256 required) private pure returns (bytes memory) {
        return abi.encodeWithSelector(INodeRegistry.InsufficientBond.selector, NODE, verifier, available, required);
    }

    // --- Entries

    function test_ANodeListsItselfAndIsReplacedAsAWhole() public {
        string[] memory containers = new string[](2);
        (containers[0], containers[1]) = ("demo/digits:1", "demo/digits:2");
        vm.expectEmit(address(registry));
        emit INodeRegistry.NodeListed(NODE, "https://a.example", hex"01", containers);
        vm.prank(NODE);
        registry.listNode("https://a.example", hex"01", containers);
        INodeRegistry.Node memory node = registry.getNode(NODE);
        vm.assertEq(node.endpoint, "https://a.example");
        vm.assertEq(node.encryptionKey, hex"01");
        vm.assertEq(node.containers.length, 2);
        vm.assertEq(node.containers[1], "demo/digits:2");

        vm.prank(NODE);
        registry.listNode("https://b.example", "", new string[](0));
        node = registry.getNode(NODE);
        vm.assertEq(node.endpoint, "https://b.example");
        vm.assertEq(node.encryptionKey, "");
        vm.assertEq(node.containers.length, 0);

        vm.expectEmit(address(registry));
        emit INodeRegistry.NodeDelisted(NODE);
        vm.prank(NODE);
        registry.delistNode();
        vm.assertEq(registry.getNode(NODE).endpoint, "");
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.NotListed.selector, NODE));
        vm.prank(NODE);
        registry.delistNode();
    }

    /// @dev A thousand names that are all the same kilobyte of calldata.
    function test_RevertWhen_NamesOverlap() public {
        bytes memory data = abi.encodePacked(INodeRegistry.listNode.selector, abi.encode(96, 160, 192));
        data = abi.encodePacked(data, abi.encode(1, bytes32("x"), 0, 1000));
        for (uint256 i; i < 1_000; ++i) {
            data = abi.encodePacked(data, uint256(32_000));
        }
        data = abi.encodePacked(data, uint256(1_024), new bytes(1_024));
        bytes memory overlapping = abi.encodeWithSelector(INodeRegistry.Overlapping.selector, 1_024_000, data.length);
        (bool ok, bytes memory reason) = address(registry).call(data);
        vm.assertFalse(ok);
        vm.assertEq(reason, overlapping);
    }

    function test_RevertWhen_ThereIsNoEndpoint() public {
        vm.expectRevert(INodeRegistry.EmptyEndpoint.selector);
        registry.listNode("", "", new string[](0));
    }

    // --- Bonds

    function testFuzz_ABondComesBackAfterTheDelay(uint96 amount, uint96 part) public {
        amount = uint96(1 + uint256(amount) % 50 ether);
        part = uint96(1 + uint256(part) % amount);
        vm.expectEmit(address(registry));
        emit INodeRegistry.BondPosted(NODE, VERIFIER, NODE, amount);
        _post(amount);
        vm.expectEmit(address(registry));
        emit INodeRegistry.UnbondingStarted(NODE, VERIFIER, part, uint40(block.timestamp) + DELAY);
        _unbond(part);
        _assertBond(amount - part, 0, part);

        uint256 end = block.timestamp + DELAY;
        vm.warp(end - 1);
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.StillUnbonding.selector, end - 1, end));
        _withdraw();
        vm.warp(end);
        uint256 before = NODE.balance;
        vm.assertEq(_withdraw(), part);
        vm.assertEq(NODE.balance - before, part);
        _assertBond(amount - part, 0, 0);
        vm.assertEq(registry.totalHeld(), amount - part);
        vm.assertEq(address(registry).balance, amount - part);

        vm.expectRevert(INodeRegistry.ZeroAmount.selector);
        _withdraw();
    }

    function test_ALaterPartMakesTheEarlierWaitAnew() public {
        _post(3 ether);
        _unbond(1 ether);
        vm.warp(block.timestamp + DELAY);
        _unbond(1 ether);
        uint256 end = block.timestamp + DELAY;
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.StillUnbonding.selector, block.timestamp, end));
        _withdraw();
        vm.warp(end);
        vm.assertEq(_withdraw(), 2 ether);
    }

    function test_AnyoneMayPostForANodeButOnlyTheNodeGetsItBack() public {
        vmMore.deal(OTHER, 1 ether);
        vm.prank(OTHER);
        registry.postBond{value: 1 ether}(NODE, VERIFIER);
        _assertBond(1 ether, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.InsufficientBond.selector, OTHER, VERIFIER, 0, 1));
        vm.prank(OTHER);
        registry.startUnbonding(VERIFIER, 1);
    }

    function test_RevertWhen_TheAmountIsZeroOrTooLarge() public {
        vm.expectRevert(INodeRegistry.ZeroAmount.selector);
        _post(0);
        vm.expectRevert(INodeRegistry.ZeroAmount.selector);
        _unbond(0);
        vm.expectRevert(INodeRegistry.ZeroAddress.selector);
        registry.postBond{value: 1}(address(0), VERIFIER);
        vm.expectRevert(INodeRegistry.ZeroAddress.selector);
        registry.postBond{value: 1}(NODE, address(0));
        _post(1 ether);
        vm.expectRevert(_insufficient(VERIFIER, 1 ether, 1 ether + 1));
        _unbond(1 ether + 1);
        vmMore.deal(address(this), 1 << 97);
        vm.expectRevert(abi.encodeWithSignature("SafeCastOverflowedUintDowncast(uint8,uint256)", 96, uint256(1) << 96));
        registry.postBond{value: 1 << 96}(NODE, VERIFIER);
    }

    // --- The verifier's part

    function test_WhatIsLockedCannotLeave() public {
        _post(2 ether);
        vm.expectEmit(address(registry));
        emit INodeRegistry.BondLocked(NODE, VERIFIER, 1.5 ether, 1.5 ether);
        vm.prank(VERIFIER);
        registry.lockBond(NODE, 1.5 ether);
        _assertBond(0.5 ether, 1.5 ether, 0);
        vm.expectRevert(_insufficient(VERIFIER, 0.5 ether, 1 ether));
        _unbond(1 ether);

        vm.expectEmit(address(registry));
        emit INodeRegistry.BondUnlocked(NODE, VERIFIER, 1.5 ether);
        vm.prank(VERIFIER);
        registry.unlockBond(NODE, 1.5 ether);
        _assertBond(2 ether, 0, 0);
    }

    function test_WhatIsUnbondingCanStillBeLocked() public {
        _post(2 ether);
        _unbond(1.5 ether);
        vm.warp(block.timestamp + DELAY);
        vm.expectEmit(address(registry));
        emit INodeRegistry.BondLocked(NODE, VERIFIER, 1 ether, 0.5 ether);
        vm.prank(VERIFIER);
        registry.lockBond(NODE, 1 ether);
        _assertBond(0, 1 ether, 1 ether);
        vm.assertEq(_withdraw(), 1 ether);
        vm.prank(VERIFIER);
        registry.slashBond(NODE, 1 ether, PAYER);
        _assertBond(0, 0, 0);
        vm.assertEq(registry.creditOf(PAYER), 1 ether);
    }

    function test_ASlashIsACreditThatItsRecipientTakes() public {
        _post(2 ether);
        vm.prank(VERIFIER);
        registry.lockBond(NODE, 2 ether);
        vm.expectEmit(address(registry));
        emit INodeRegistry.BondSlashed(NODE, VERIFIER, PAYER, 1.25 ether);
        vm.prank(VERIFIER);
        registry.slashBond(NODE, 1.25 ether, PAYER);
        _assertBond(0, 0.75 ether, 0);
        vm.assertEq(registry.totalHeld(), 2 ether);

        vm.expectEmit(address(registry));
        emit INodeRegistry.CreditWithdrawn(PAYER, OTHER, 1.25 ether);
        vm.prank(PAYER);
        registry.withdrawCredit(OTHER);
        vm.assertEq(OTHER.balance, 1.25 ether);
        vm.assertEq(registry.totalHeld(), 0.75 ether);
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.NoCredit.selector, PAYER));
        vm.prank(PAYER);
        registry.withdrawCredit(OTHER);
    }

    /// @dev A consumer's own verifier, which the node never chose, finds nothing to take.
    function testFuzz_RevertWhen_AnotherVerifierReachesForTheBond(address stranger) public {
        vm.assume(stranger != VERIFIER && stranger != address(0) && stranger != address(vm));
        _post(2 ether);
        vm.prank(VERIFIER);
        registry.lockBond(NODE, 1 ether);
        vm.expectRevert(_insufficient(stranger, 0, 1));
        vm.prank(stranger);
        registry.lockBond(NODE, 1);
        vm.expectRevert(_insufficient(stranger, 0, 1));
        vm.prank(stranger);
        registry.unlockBond(NODE, 1);
        vm.expectRevert(_insufficient(stranger, 0, 1));
        vm.prank(stranger);
        registry.slashBond(NODE, 1, stranger);
        _assertBond(1 ether, 1 ether, 0);
    }

    function test_RevertWhen_MoreIsSlashedThanIsLocked() public {
        _post(2 ether);
        vm.prank(VERIFIER);
        registry.lockBond(NODE, 1 ether);
        vm.expectRevert(_insufficient(VERIFIER, 1 ether, 1 ether + 1));
        vm.prank(VERIFIER);
        registry.slashBond(NODE, 1 ether + 1, PAYER);
        vm.expectRevert(_insufficient(VERIFIER, 1 ether, 2 ether));
        vm.prank(VERIFIER);
        registry.lockBond(NODE, 2 ether);
    }

    // --- ETH that leaves

    function test_RevertWhen_TheRecipientRefuses() public {
        _post(1 ether);
        _unbond(1 ether);
        vm.warp(block.timestamp + DELAY);
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.TransferFailed.selector, address(registry), 1 ether));
        vm.prank(NODE);
        registry.withdrawBond(VERIFIER, address(registry));
        vm.expectRevert(INodeRegistry.ZeroAddress.selector);
        vm.prank(NODE);
        registry.withdrawBond(VERIFIER, address(0));
    }

    function test_AReentrantRecipientIsPaidOnce() public {
        _post(5 ether);
        Reentrant thief = new Reentrant(registry);
        registry.postBond{value: 1 ether}(address(thief), address(thief));
        thief.slashMyself(1 ether);
        thief.withdraw();
        vm.assertEq(address(thief).balance, 1 ether);
        vm.assertTrue(thief.failed());
        vm.assertEq(registry.totalHeld(), 5 ether);
        vm.assertEq(address(registry).balance, 5 ether);
    }
}

/// @dev Its own node and verifier; asks again while it is being paid.
contract Reentrant {
    INodeRegistry private immutable _registry;
    bool public failed;

    constructor(INodeRegistry registry) {
        _registry = registry;
    }

    function slashMyself(uint96 amount) external {
        _registry.lockBond(address(this), amount);
        _registry.slashBond(address(this), amount, address(this));
    }

    function withdraw() external {
        _registry.withdrawCredit(address(this));
    }

    receive() external payable {
        try _registry.withdrawCredit(address(this)) {
            failed = false;
        } catch {
            failed = true;
        }
    }
}

/// @dev Everything a bond goes through, in any order.
contract BondHandler {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    INodeRegistry private immutable _registry;
    address[3] public actors = [address(0xA1), address(0xA2), address(0xA3)]; // nodes and verifiers alike
    uint256 public posted;
    uint256 public left;

    constructor(INodeRegistry registry) {
        _registry = registry;
    }

    function post(uint256 who, uint256 verifier, uint96 amount) external {
        amount = uint96(1 + uint256(amount) % 10 ether);
        vmMore.deal(address(this), amount);
        _registry.postBond{value: amount}(actors[who % 3], actors[verifier % 3]);
        posted += amount;
    }

    function unbond(uint256 who, uint256 verifier, uint96 amount) external {
        uint256 active = _bond(who, verifier).active;
        if (active == 0) return;
        vm.prank(actors[who % 3]);
        _registry.startUnbonding(actors[verifier % 3], uint96(1 + amount % active));
    }

    function withdraw(uint256 who, uint256 verifier) external {
        INodeRegistry.Bond memory bond = _bond(who, verifier);
        if (bond.unbonding == 0 || block.timestamp < bond.withdrawableAt) return;
        vm.prank(actors[who % 3]);
        left += _registry.withdrawBond(actors[verifier % 3], address(0xDEAD));
    }

    function lock(uint256 who, uint256 verifier, uint96 amount) external {
        INodeRegistry.Bond memory bond = _bond(who, verifier);
        uint256 available = uint256(bond.active) + bond.unbonding;
        vm.prank(actors[verifier % 3]);
        _registry.lockBond(actors[who % 3], uint96(amount % (available + 1)));
    }

    function unlock(uint256 who, uint256 verifier, uint96 amount) external {
        uint256 locked = _bond(who, verifier).locked;
        vm.prank(actors[verifier % 3]);
        _registry.unlockBond(actors[who % 3], uint96(amount % (locked + 1)));
    }

    function slash(uint256 who, uint256 verifier, uint256 to, uint96 amount) external {
        uint256 locked = _bond(who, verifier).locked;
        vm.prank(actors[verifier % 3]);
        _registry.slashBond(actors[who % 3], uint96(amount % (locked + 1)), actors[to % 3]);
    }

    function takeCredit(uint256 who) external {
        if (_registry.creditOf(actors[who % 3]) == 0) return;
        vm.prank(actors[who % 3]);
        left += _registry.withdrawCredit(address(0xDEAD));
    }

    function wait(uint32 time) external {
        vm.warp(block.timestamp + time % 10 days);
    }

    function sum() external view returns (uint256 total) {
        for (uint256 i; i < 3; ++i) {
            total += _registry.creditOf(actors[i]);
            for (uint256 j; j < 3; ++j) {
                INodeRegistry.Bond memory bond = _bond(i, j);
                total += uint256(bond.active) + bond.locked + bond.unbonding;
            }
        }
    }

    function _bond(uint256 who, uint256 verifier) private view returns (INodeRegistry.Bond memory) {
        return _registry.getBond(actors[who % 3], actors[verifier % 3]);
    }
}

contract NodeRegistryInvariants {
    bool public constant IS_TEST = true;

    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    INodeRegistry private registry;
    BondHandler private handler;

    function setUp() public {
        vm.warp(1_767_225_600);
        registry = INodeRegistry(vm.deployCode("NodeRegistry.sol:NodeRegistry", abi.encode(uint40(7 days))));
        handler = new BondHandler(registry);
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_EveryWeiIsABondOrACredit() public view {
        vm.assertEq(registry.totalHeld(), handler.sum());
        vm.assertEq(address(registry).balance, handler.sum());
        vm.assertEq(handler.posted(), handler.sum() + handler.left());
    }
}
