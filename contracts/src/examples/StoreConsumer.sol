// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BaseConsumer} from "../consumer/BaseConsumer.sol";
import {CallbackConsumer} from "../consumer/CallbackConsumer.sol";
import {Delegator} from "../consumer/Delegator.sol";
import {SubscriptionConsumer} from "../consumer/SubscriptionConsumer.sol";
import {Subscription} from "../Subscription.sol";

/// @title StoreConsumer
/// @notice Asks for anything and stores the first 32 bytes of each output. For measuring and testing: anyone may call.
contract StoreConsumer is CallbackConsumer, SubscriptionConsumer, Delegator {
    /// @notice The first 32 bytes of the last output.
    bytes32 public lastOutput;

    /// @notice Number of outputs received.
    uint256 public deliveries;

    bytes private _features;

    constructor(address coordinator, address signer) BaseConsumer(coordinator) Delegator(signer) {}

    function request(
        string calldata container,
        bytes calldata features,
        uint48 maxGasPrice,
        uint32 maxGasLimit,
        uint16 redundancy
    ) external returns (uint32 id) {
        return _requestModelOutput(container, features, maxGasPrice, maxGasLimit, redundancy);
    }

    function requestWithTerms(Subscription calldata s, string calldata container, bytes calldata features)
        external
        returns (uint32 id)
    {
        return COORDINATOR.createSubscription(s, container, features);
    }

    /// @param verifierParams Parameters of `s.verifier`.
    function requestVerified(
        Subscription calldata s,
        string calldata container,
        bytes calldata features,
        bytes calldata verifierParams
    ) external returns (uint32 id) {
        return COORDINATOR.createSubscription(s, container, features, verifierParams);
    }

    function subscribe(
        string calldata container,
        uint48 maxGasPrice,
        uint32 maxGasLimit,
        uint256 frequency,
        uint32 period,
        uint16 redundancy
    ) external returns (uint32 id) {
        return _createModelOutputSubscription(container, maxGasPrice, maxGasLimit, frequency, period, redundancy);
    }

    function cancel(uint32 id) external {
        _cancelModelOutputSubscription(id);
    }

    function setFeatures(bytes calldata features) external {
        _features = features;
    }

    function updateSigner(address newSigner) external {
        _updateSigner(newSigner);
    }

    function getModelFeatures(uint32, uint32, uint32, address) external view override returns (bytes memory) {
        return _features;
    }

    function _receiveModelOutput(uint32, uint32, uint16, address, bytes calldata output, bytes calldata)
        internal
        virtual
        override
    {
        lastOutput = bytes32(output);
        ++deliveries;
    }
}
