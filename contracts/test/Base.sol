// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICoordinator} from "../src/interfaces/ICoordinator.sol";
import {IEIP712Coordinator} from "../src/interfaces/IEIP712Coordinator.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {INodeRegistry} from "../src/interfaces/INodeRegistry.sol";
import {DelegateRequest, Subscription, SubscriptionLib} from "../src/Subscription.sol";
import {Puppet} from "./Puppet.sol";
import {Vm} from "./Vm.sol";

/// @dev A Coordinator, a consumer, nodes, and terms to start from.
abstract contract Base {
    bool public constant IS_TEST = true;

    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    uint256 internal constant SIGNER_KEY = 0x5161;
    uint256 internal constant START = 1_767_225_600;
    uint32 internal constant CALLBACK_GAS = 500_000;
    uint256 internal constant FOREVER = type(uint256).max;
    uint40 internal constant NO_EXPIRY = type(uint40).max;
    string internal constant CONTAINER = "digits";
    bytes internal constant FEATURES = hex"0102030405";
    bytes internal constant OUTPUT = hex"2a";
    bytes internal constant PROOF = hex"beef";

    address internal constant NODE = address(0xA11CE);
    address internal constant OTHER_NODE = address(0xB0B);

    address internal constant PROTOCOL = address(0x9207);

    IModelRegistry internal models;
    INodeRegistry internal nodes;
    IEIP712Coordinator internal coordinator;
    Puppet internal puppet;
    uint32 internal overhead;

    function setUp() public virtual {
        vm.warp(START);
        vm.txGasPrice(1 gwei);
        coordinator = _deploy();
        puppet = _puppet();
        overhead = coordinator.DELIVERY_OVERHEAD_WEI();
    }

    function _deploy() internal returns (IEIP712Coordinator) {
        models = IModelRegistry(vm.deployCode("ModelRegistry.sol:ModelRegistry"));
        nodes = INodeRegistry(vm.deployCode("NodeRegistry.sol:NodeRegistry", abi.encode(uint40(7 days))));
        return _deployWith(0, address(0));
    }

    function _deployWith(uint16 protocolShareBps, address protocolTo) internal returns (IEIP712Coordinator) {
        bytes memory arguments = abi.encode(address(models), address(nodes), protocolShareBps, protocolTo);
        return IEIP712Coordinator(vm.deployCode("EIP712Coordinator.sol:EIP712Coordinator", arguments));
    }

    function _puppet() internal returns (Puppet) {
        return Puppet(vm.deployCode("Puppet.sol:Puppet", abi.encode(address(coordinator), vm.addr(SIGNER_KEY))));
    }

    /// @dev One answer, by any node, now.
    function _terms() internal view returns (Subscription memory s) {
        s.owner = address(puppet);
        s.containerId = keccak256(bytes(CONTAINER));
        s.featuresHash = keccak256(FEATURES);
        s.frequency = 1;
        s.activeAt = uint40(block.timestamp);
        s.redundancy = 1;
        s.maxGasPrice = 100 gwei;
        s.maxGasLimit = overhead + CALLBACK_GAS;
    }

    function _recurring(uint256 frequency, uint32 period, uint16 redundancy)
        internal
        view
        returns (Subscription memory s)
    {
        s = _terms();
        (s.frequency, s.period, s.redundancy) = (frequency, period, redundancy);
    }

    function _create(Subscription memory s) internal returns (uint32) {
        vm.prank(s.owner);
        return coordinator.createSubscription(s, CONTAINER, s.mode & 1 == 1 ? bytes("") : FEATURES);
    }

    /// @dev One answer, paid in ETH from the consumer's balance.
    function _paidTerms(uint128 fee) internal view returns (Subscription memory s) {
        s = _terms();
        s.fee = fee;
        s.deadline = uint40(block.timestamp + 1 hours);
    }

    /// @dev An answer per interval, paid in ETH from the consumer's balance.
    function _paidRecurring(uint256 frequency, uint16 redundancy, uint128 fee)
        internal
        view
        returns (Subscription memory s)
    {
        s = _recurring(frequency, 60, redundancy);
        s.fee = fee;
    }

    function _fund(address account, uint256 amount) internal {
        vm.deal(address(this), amount);
        coordinator.deposit{value: amount}(account, address(0), amount);
    }

    function _free(address account) internal view returns (uint256 free) {
        (free,) = coordinator.balanceOf(account, address(0));
    }

    function _locked(address account) internal view returns (uint256 locked) {
        (, locked) = coordinator.balanceOf(account, address(0));
    }

    function _assertMoney(address account, uint256 free, uint256 locked) internal view {
        vm.assertEq(_free(account), free, "free");
        vm.assertEq(_locked(account), locked, "locked");
    }

    function _deliver(uint32 id, uint32 interval, Subscription memory s) internal {
        _deliverBy(NODE, id, interval, s);
    }

    function _deliverBy(address node, uint32 id, uint32 interval, Subscription memory s) internal {
        vm.prank(node);
        coordinator.deliverModelOutput(id, interval, s, OUTPUT, PROOF);
    }

    function _request(uint32 nonce, Subscription memory s) internal view returns (DelegateRequest memory) {
        return DelegateRequest(nonce, NO_EXPIRY, s, CONTAINER, FEATURES, _sign(SIGNER_KEY, nonce, NO_EXPIRY, s));
    }

    function _deliverDelegate(DelegateRequest memory r, uint32 interval) internal {
        vm.prank(NODE);
        coordinator.deliverModelOutputDelegate(r, interval, OUTPUT, PROOF);
    }

    function _createDelegate(DelegateRequest memory r) internal returns (uint32) {
        return
            coordinator.createSubscriptionDelegate(
                r.nonce, r.expiry, r.subscription, r.container, r.features, r.signature
            );
    }

    function _sign(uint256 key, uint32 nonce, uint40 expiry, Subscription memory s)
        internal
        view
        returns (bytes memory)
    {
        return _signDigest(key, _digest(address(coordinator), block.chainid, nonce, expiry, s));
    }

    function _signDigest(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 ss) = vm.sign(key, digest);
        return abi.encodePacked(r, ss, v);
    }

    /// @dev Written out from EIP-712, apart from the library that is tested.
    function _digest(address verifying, uint256 chain, uint32 nonce, uint40 expiry, Subscription memory s)
        internal
        pure
        returns (bytes32)
    {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("InfernetCoordinator"),
                keccak256("1"),
                chain,
                verifying
            )
        );
        bytes32 structHash =
            keccak256(abi.encode(_delegateTypeHash(), nonce, expiry, keccak256(abi.encode(_typeHash(), s))));
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    string internal constant TYPE =
        "Subscription(address owner,bytes32 containerId,bytes32 featuresHash,uint256 frequency,uint32 period,uint40 activeAt,uint16 redundancy,uint48 maxGasPrice,uint32 maxGasLimit,uint8 mode,address node,uint96 minBond,address verifier,bytes32 verifierParams,uint96 verifierFee,address payer,address token,uint128 fee,address royaltyTo,uint16 royaltyBps,uint40 deadline)";

    function _typeHash() internal pure returns (bytes32) {
        return keccak256(bytes(TYPE));
    }

    function _delegateTypeHash() internal pure returns (bytes32) {
        return keccak256(
            bytes(string.concat("DelegateSubscription(uint32 nonce,uint40 expiry,Subscription subscription)", TYPE))
        );
    }

    function _commitment(Subscription memory s) internal pure returns (bytes32) {
        return keccak256(abi.encode(_typeHash(), s)) & ~bytes32(uint256(0xff));
    }

    function _word(address owner, uint32 id) internal view returns (bytes32 word) {
        (word,,) = coordinator.getSubscription(owner, id);
    }

    function _bound(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        if (high - low == type(uint256).max) return value;
        return low + value % (high - low + 1);
    }

    function _notFound(address owner, uint32 id) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(ICoordinator.SubscriptionNotFound.selector, owner, id);
    }

    function _mismatch(address owner, uint32 id) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(ICoordinator.TermsMismatch.selector, owner, id);
    }
}
