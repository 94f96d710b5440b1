// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BaseConsumer} from "../consumer/BaseConsumer.sol";
import {Subscription} from "../Subscription.sol";
import {Tensors} from "../Tensor.sol";

/// @title Trainer
/// @notice Has a model trained, again and again if wanted, keeps the best version, and asks that version.
/// @dev One node trains: what a version is worth is its word. Others see the same by training again from the same seed, and
/// a contract that wants no single word asks several nodes (`QuorumConsumer`).
contract Trainer is BaseConsumer {
    /// @notice A model version, as the node that trained it says.
    struct Version {
        /// The container that answers for it.
        string name;
        bytes32 manifestHash;
        /// On the rows that were held out, times 10**18.
        int256 metric;
    }

    event TrainingRequested(uint32 indexed id, string request, uint256 frequency);
    event Trained(
        uint32 indexed id, uint32 indexed interval, string name, bytes32 manifestHash, int256 metric, bool isBest
    );
    event Answered(uint32 indexed id, string name, int256 answer);

    error NotOwner(address sender);
    error NothingTrained();

    uint48 public constant MAX_GAS_PRICE = 1_000 gwei;
    uint32 public constant CALLBACK_GAS = 600_000;

    address public immutable OWNER;

    /// @notice The only node that is asked.
    address public immutable NODE;

    /// @notice True where the metric is an error.
    bool public immutable LESS_IS_BETTER;

    /// @notice The container that trains.
    string public CONTAINER;

    /// @notice Answers by subscription.
    mapping(uint32 id => int256) public answers;

    Version private _best;
    mapping(uint32 id => string name) private _asked;

    constructor(address coordinator, string memory container, address node, bool lessIsBetter)
        BaseConsumer(coordinator)
    {
        (OWNER, CONTAINER, NODE, LESS_IS_BETTER) = (msg.sender, container, node, lessIsBetter);
    }

    /// @notice Has the model trained once.
    /// @param request JSON: `{"seed": 7, "params": {"depth": 3}}`; what is left out is the workflow's own choice.
    function train(string calldata request) external returns (uint32 id) {
        return _train(request, 1, 0);
    }

    /// @notice Has it trained in every interval, on the data that there are by then.
    /// @param period Seconds of an interval: more than a training takes.
    /// @param frequency Number of intervals.
    function keepFresh(string calldata request, uint32 period, uint256 frequency) external returns (uint32 id) {
        return _train(request, frequency, period);
    }

    /// @notice Ends trainings that have not begun.
    function stop(uint32 id) external {
        if (msg.sender != OWNER) revert NotOwner(msg.sender);
        COORDINATOR.cancelSubscription(id);
    }

    /// @notice Asks the best version.
    /// @param features As the version's manifest says.
    function ask(bytes calldata features) external returns (uint32 id) {
        string memory name = _best.name;
        if (bytes(name).length == 0) revert NothingTrained();
        id = _request(name, features, 1, 0);
        _asked[id] = name;
    }

    function best() external view returns (Version memory) {
        return _best;
    }

    function _receiveModelOutput(uint32 id, uint32 interval, uint16, address, bytes calldata output, bytes calldata)
        internal
        override
    {
        string memory name = _asked[id];
        if (bytes(name).length != 0) {
            answers[id] = Tensors.decodeInts(output)[0];
            emit Answered(id, name, answers[id]);
            return;
        }
        Version memory v;
        (v.name, v.manifestHash, v.metric) = abi.decode(output, (string, bytes32, int256));
        bool isBest = bytes(_best.name).length == 0 || _isBetter(v.metric, _best.metric);
        if (isBest) _best = v;
        emit Trained(id, interval, v.name, v.manifestHash, v.metric, isBest);
    }

    function _isBetter(int256 metric, int256 than) private view returns (bool) {
        return LESS_IS_BETTER ? metric < than : metric > than;
    }

    function _train(string memory request, uint256 frequency, uint32 period) private returns (uint32 id) {
        if (msg.sender != OWNER) revert NotOwner(msg.sender);
        id = _request(CONTAINER, bytes(request), frequency, period);
        emit TrainingRequested(id, request, frequency);
    }

    function _request(string memory container, bytes memory features, uint256 frequency, uint32 period)
        private
        returns (uint32 id)
    {
        Subscription memory s;
        s.owner = address(this);
        s.containerId = keccak256(bytes(container));
        s.featuresHash = keccak256(features);
        (s.frequency, s.period) = (frequency, period);
        s.activeAt = uint40(block.timestamp);
        s.redundancy = 1;
        s.maxGasPrice = MAX_GAS_PRICE;
        s.maxGasLimit = CALLBACK_GAS + COORDINATOR.DELIVERY_OVERHEAD_WEI();
        s.node = NODE;
        return COORDINATOR.createSubscription(s, container, features);
    }
}
