// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ICoordinator} from "../interfaces/ICoordinator.sol";
import {ISubscriptionConsumer} from "../interfaces/ISubscriptionConsumer.sol";
import {Answer, DelegateRequest, Subscription, SubscriptionLib} from "../Subscription.sol";
import {Cheats} from "./Cheats.sol";
import {Infernet, InfernetSuite} from "./InfernetSuite.sol";
import {SpcTest} from "./SpcTest.sol";

/// @notice A request as nodes see it in `SubscriptionCreated`.
struct Request {
    /// The terms, as a delivery needs them.
    Subscription terms;
    /// Name of the container, or a chain "A,B,C".
    string container;
    /// Empty in pull mode: see `InfernetTest.features`.
    bytes features;
    /// Empty where the terms name no verifier.
    bytes verifierParams;
}

/// @notice One answer.
struct Delivery {
    /// Zero: whoever was last given the id.
    address owner;
    /// The subscription.
    uint32 id;
    /// 0: the current one.
    uint32 interval;
    /// Zero: `Infernet.NODE`.
    address node;
    /// The model's output.
    bytes output;
    /// Empty where no verifier wants one.
    bytes proof;
}

/// @title InfernetTest
/// @notice For forge tests of consumers: puts the contracts of Infernet into the test's chain and plays the node.
/// @dev The contracts are the real ones, at the addresses in `Infernet`: give `address(Infernet.COORDINATOR)` to your
/// consumer. Stands beside forge-std (`contract MyTest is Test, InfernetTest`) or alone.
/// - What was asked is read from the logs, which are recorded from the start. Call `recordedLogs` where you would call
///   `vm.recordLogs` and `vm.getRecordedLogs`: a request that those take away before a function of this contract has
///   seen it cannot be answered any more (`NotSeen`). Two contracts of one run that both inherit this share the logs in
///   the same way: let one of them play the node.
/// - `vm.expectRevert`, `vm.expectEmit` and `vm.expectCall` before `fulfil` look at the delivery; `vm.startPrank` does
///   not disturb it.
/// - What the precompiles of an execution layer answer, `fulfilSpc` and `failSpc` of `SpcTest` say.
/// - After `vm.createSelectFork` call `deployInfernet`: a fork has contracts of its own, or none.
abstract contract InfernetTest is SpcTest {
    /// @notice The recorded logs show no such subscription, or no pending answer to it.
    error NotSeen(address owner, uint32 id);

    Cheats private constant CHEATS = Cheats(address(uint160(uint256(keccak256("hevm cheat code")))));
    address private constant DEPLOYMENT_PROXY = 0x4e59b44847b379578588920cA78FbF26c0B4956C;

    mapping(uint32 id => address) private _lastOwner;
    mapping(address owner => mapping(uint32 id => Request)) private _requests;
    mapping(address owner => mapping(uint32 id => Answer)) private _pending;

    /// @dev The next call is made by `account`, whoever the test pretends to be.
    modifier by(address account) {
        (Cheats.CallerMode mode, address sender, address origin) = CHEATS.readCallers();
        bool pranked = mode == Cheats.CallerMode.RecurrentPrank;
        if (pranked) CHEATS.stopPrank();
        CHEATS.prank(account);
        _;
        if (pranked) CHEATS.startPrank(sender, origin);
    }

    constructor() {
        deployInfernet();
    }

    /// @notice Deploys what is not there yet, and records logs from now on.
    function deployInfernet() internal {
        bytes memory proxyCode = DEPLOYMENT_PROXY.code;
        CHEATS.etch(DEPLOYMENT_PROXY, CHEATS.getDeployedCode("InfernetSuite.sol:InfernetSuite"));
        InfernetSuite(DEPLOYMENT_PROXY).deploy();
        CHEATS.etch(DEPLOYMENT_PROXY, proxyCode);
        CHEATS.resetNonce(DEPLOYMENT_PROXY); // forge may yet create the proxy itself
        CHEATS.label(address(Infernet.COORDINATOR), "Coordinator");
        CHEATS.label(Infernet.NODE, "node");
        CHEATS.recordLogs();
    }

    // --- The node

    /// @notice Delivers an output to a subscription, in its current interval.
    function fulfil(uint32 id, bytes memory output) internal {
        fulfil(Delivery(address(0), id, 0, address(0), output, ""));
    }

    /// @notice The same, by a node of your choice.
    function fulfil(uint32 id, bytes memory output, address node) internal {
        fulfil(Delivery(address(0), id, 0, node, output, ""));
    }

    /// @notice The same, with a proof for the verifier.
    function fulfil(uint32 id, bytes memory output, bytes memory proof) internal {
        fulfil(Delivery(address(0), id, 0, address(0), output, proof));
    }

    /// @notice The same, with everything said.
    function fulfil(Delivery memory d) internal by(d.node == address(0) ? Infernet.NODE : d.node) {
        Subscription memory s = request(d.owner, d.id).terms;
        uint32 interval = d.interval == 0 ? _interval(s) : d.interval;
        Infernet.COORDINATOR.deliverModelOutput(d.id, interval, s, d.output, d.proof);
    }

    /// @notice Creates the subscription that was signed, or finds it, and delivers an output to it.
    function fulfil(DelegateRequest memory r, bytes memory output) internal by(Infernet.NODE) {
        Infernet.COORDINATOR.deliverModelOutputDelegate(r, _interval(r.subscription), output, "");
    }

    /// @notice Asks the verifier of the last pending answer once more.
    function settle(uint32 id, bytes memory output, bytes memory proof) internal by(Infernet.NODE) {
        Subscription memory s = request(id).terms;
        Answer memory a = _pending[s.owner][id];
        if (a.id == 0) revert NotSeen(s.owner, id);
        Infernet.COORDINATOR.settle(a, s, output, proof);
    }

    /// @notice Adds to a node's bond towards a verifier.
    function bond(address node, address verifier, uint256 amountWei) internal by(node) {
        CHEATS.deal(node, node.balance + amountWei);
        Infernet.NODE_REGISTRY.postBond{value: amountWei}(node, verifier);
    }

    // --- The consumer

    /// @notice Pays ETH into the ledger, where the fees of `account` come from.
    function deposit(address account, uint256 amountWei) internal by(Infernet.NODE) {
        CHEATS.deal(Infernet.NODE, Infernet.NODE.balance + amountWei);
        Infernet.COORDINATOR.deposit{value: amountWei}(account, address(0), amountWei);
    }

    /// @notice What a delegated request must carry as its signature, by the owner's signer.
    function sign(uint256 key, DelegateRequest memory r) internal view returns (bytes memory) {
        bytes32 domainType =
            keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
        bytes32 name = keccak256("InfernetCoordinator");
        bytes32 domain =
            keccak256(abi.encode(domainType, name, keccak256("1"), block.chainid, address(Infernet.COORDINATOR)));
        bytes32 message = SubscriptionLib.hashDelegate(r.nonce, r.expiry, SubscriptionLib.hash(r.subscription));
        (uint8 v, bytes32 x, bytes32 y) = CHEATS.sign(key, keccak256(abi.encodePacked(hex"1901", domain, message)));
        return abi.encodePacked(x, y, v);
    }

    /// @notice Moves the time to the start of an interval.
    function warpTo(uint32 id, uint32 interval) internal {
        CHEATS.warp(_start(request(id).terms, interval));
    }

    // --- What was asked

    /// @notice What a container would be given now. In pull mode the consumer is asked for it, as nodes do.
    function features(uint32 id) internal returns (bytes memory) {
        Request memory r = request(id);
        Subscription memory s = r.terms;
        if (s.mode & SubscriptionLib.PULL == 0) return r.features;
        uint32 interval = _interval(s);
        address caller = s.verifier == address(0) ? Infernet.NODE : address(0);
        return ISubscriptionConsumer(s.owner).getModelFeatures(id, interval, uint32(_start(s, interval)), caller);
    }

    /// @notice The last request that was given the id.
    function request(uint32 id) internal returns (Request memory) {
        return request(address(0), id);
    }

    /// @notice The same, where signers of several owners have chosen one id.
    function request(address owner, uint32 id) internal returns (Request memory r) {
        recordedLogs();
        if (owner == address(0)) owner = _lastOwner[id];
        r = _requests[owner][id];
        if (r.terms.redundancy == 0) revert NotSeen(owner, id);
    }

    /// @notice The logs since this was last called, or any other function here that looks for requests.
    function recordedLogs() internal returns (Cheats.Log[] memory logs) {
        logs = CHEATS.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].emitter == address(Infernet.COORDINATOR) && logs[i].topics.length > 2) _keep(logs[i]);
        }
    }

    function _keep(Cheats.Log memory log) private {
        (address owner, uint32 id) = (address(uint160(uint256(log.topics[1]))), uint32(uint256(log.topics[2])));
        Request storage r = _requests[owner][id];
        if (log.topics[0] == ICoordinator.SubscriptionCreated.selector) {
            _lastOwner[id] = owner;
            (r.terms, r.container, r.features) = abi.decode(log.data, (Subscription, string, bytes));
            r.verifierParams = "";
        } else if (log.topics[0] == ICoordinator.VerifierParams.selector) {
            r.verifierParams = abi.decode(log.data, (bytes));
        } else if (log.topics[0] == ICoordinator.AnswerPending.selector) {
            Answer storage a = _pending[owner][id];
            (a.id, a.node) = (id, address(uint160(uint256(log.topics[3]))));
            (a.interval, a.redundancy, a.pendingUntil, a.featuresHash,) =
                abi.decode(log.data, (uint32, uint16, uint40, bytes32, bytes32));
        }
    }

    function _interval(Subscription memory s) private view returns (uint32) {
        uint256 timestamp = CHEATS.getBlockTimestamp();
        if (s.period == 0 || timestamp < s.activeAt) return 1;
        return uint32((timestamp - s.activeAt) / s.period + 1);
    }

    function _start(Subscription memory s, uint32 interval) private pure returns (uint256) {
        return s.activeAt + uint256(interval - 1) * s.period;
    }
}
