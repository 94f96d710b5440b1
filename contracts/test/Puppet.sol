// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BaseConsumer} from "../src/consumer/BaseConsumer.sol";
import {CallbackConsumer} from "../src/consumer/CallbackConsumer.sol";
import {Delegator} from "../src/consumer/Delegator.sol";
import {ProvisionalConsumer} from "../src/consumer/ProvisionalConsumer.sol";
import {SubscriptionConsumer} from "../src/consumer/SubscriptionConsumer.sol";
import {IFeaturesCommitter} from "../src/interfaces/IFeaturesCommitter.sol";

/// @dev A consumer that does in its callback what a test tells it to.
contract Puppet is CallbackConsumer, SubscriptionConsumer, ProvisionalConsumer, Delegator, IFeaturesCommitter {
    enum Mood {
        Store,
        Revert,
        BurnGas,
        ReturnMegabyte,
        RevertMegabyte,
        CallCoordinator,
        SelfDestruct
    }

    error Refused(uint256 code);

    struct Received {
        uint32 id;
        uint32 interval;
        uint16 redundancy;
        address node;
        bytes output;
        bytes proof;
    }

    Mood public mood;
    bytes public script;
    bool public scriptOk;
    bytes public scriptResult;
    uint256 public gasSeen;
    uint256 public count;
    Received internal _last;
    bytes internal _features;
    bool public committing;
    bytes32 public committed;
    uint256 public provisionalCount;
    Received internal _lastProvisional;

    constructor(address coordinator, address signer) BaseConsumer(coordinator) Delegator(signer) {}

    function setMood(Mood newMood) external {
        mood = newMood;
    }

    function setScript(bytes calldata newScript) external {
        mood = Mood.CallCoordinator;
        script = newScript;
    }

    function setFeatures(bytes calldata features) external {
        _features = features;
    }

    /// @dev From now on it answers when it is asked for the features of an interval.
    function commitFeatures(bytes32 featuresHash) external {
        (committing, committed) = (true, featuresHash);
    }

    function featuresHashOf(uint32, uint32) external view returns (bytes32) {
        if (!committing) revert Refused(7);
        return committed;
    }

    function lastProvisional() external view returns (Received memory) {
        return _lastProvisional;
    }

    function _receiveProvisionalOutput(
        uint32 id,
        uint32 interval,
        uint16 redundancy,
        address node,
        bytes calldata output,
        bytes calldata proof
    ) internal override {
        if (mood == Mood.Revert) revert Refused(43);
        _lastProvisional = Received(id, interval, redundancy, node, output, proof);
        ++provisionalCount;
    }

    function updateSigner(address newSigner) external {
        _updateSigner(newSigner);
    }

    function last() external view returns (Received memory) {
        return _last;
    }

    function request(string memory container, bytes memory features, uint48 price, uint32 limit, uint16 redundancy)
        external
        returns (uint32)
    {
        return _requestModelOutput(container, features, price, limit, redundancy);
    }

    function subscribe(
        string memory container,
        uint48 price,
        uint32 limit,
        uint256 frequency,
        uint32 period,
        uint16 redundancy
    ) external returns (uint32) {
        return _createModelOutputSubscription(container, price, limit, frequency, period, redundancy);
    }

    function cancel(uint32 id) external {
        _cancelModelOutputSubscription(id);
    }

    function getModelFeatures(uint32, uint32, uint32, address) external view override returns (bytes memory) {
        return _features;
    }

    function _receiveModelOutput(
        uint32 id,
        uint32 interval,
        uint16 redundancy,
        address node,
        bytes calldata output,
        bytes calldata proof
    ) internal override {
        uint256 gasAtStart = gasleft();
        Mood now_ = mood;
        if (now_ == Mood.Revert) revert Refused(42);
        if (now_ == Mood.BurnGas) {
            assembly {
                invalid()
            }
        }
        if (now_ == Mood.ReturnMegabyte) {
            assembly {
                return(0, 1000000)
            }
        }
        if (now_ == Mood.RevertMegabyte) {
            assembly {
                revert(0, 1000000)
            }
        }
        if (now_ == Mood.SelfDestruct) selfdestruct(payable(address(1)));
        if (now_ == Mood.CallCoordinator) (scriptOk, scriptResult) = address(COORDINATOR).call(script);
        gasSeen = gasAtStart;
        _last = Received(id, interval, redundancy, node, output, proof);
        ++count;
    }
}

/// @dev Asks in its constructor, where it has no code yet, and may be gone by the end of the transaction.
contract AsksInConstructor is CallbackConsumer {
    uint32 public id;
    bool public answered;

    constructor(address coordinator, bool destruct) BaseConsumer(coordinator) {
        uint32 limit = COORDINATOR.DELIVERY_OVERHEAD_WEI() + 100_000;
        id = _requestModelOutput("digits", hex"01", 100 gwei, limit, 1);
        if (destruct) selfdestruct(payable(address(1)));
    }

    function _receiveModelOutput(uint32, uint32, uint16, address, bytes calldata, bytes calldata) internal override {
        answered = true;
    }
}

/// @dev An ERC-1271 signer in one of several characters.
contract Wallet {
    enum Character {
        Honest,
        AlwaysNo,
        WrongMagic,
        DirtyMagic,
        Reverts,
        ReturnsNothing,
        Reenters
    }

    bytes4 private constant MAGIC = 0x1626ba7e;

    Character public immutable CHARACTER;
    bytes32 public approved;
    address public target;
    bytes public script;

    constructor(Character character) {
        CHARACTER = character;
    }

    function approve(bytes32 digest) external {
        approved = digest;
    }

    function setScript(address newTarget, bytes calldata newScript) external {
        (target, script) = (newTarget, newScript);
    }

    function isValidSignature(bytes32 digest, bytes calldata) external view returns (bytes32) {
        if (CHARACTER == Character.Honest) return digest == approved ? bytes32(MAGIC) : bytes32(0);
        if (CHARACTER == Character.WrongMagic) return bytes32(bytes4(0xffffffff));
        if (CHARACTER == Character.DirtyMagic) return bytes32(MAGIC) | bytes32(uint256(1));
        if (CHARACTER == Character.Reverts) revert("no");
        if (CHARACTER == Character.ReturnsNothing) {
            assembly {
                return(0, 0)
            }
        }
        if (CHARACTER == Character.Reenters) {
            (bool ok, bytes memory result) = target.staticcall(script);
            // Signs only if it found the door locked, so the test sees which error it met.
            if (!ok && result.length == 4 && bytes4(result) == bytes4(keccak256("Reentered()"))) return bytes32(MAGIC);
        }
        return 0;
    }
}

/// @dev A consumer whose `signer()` misbehaves.
contract BadDelegator {
    bytes public script;
    bool public immutable REENTERS;
    address private immutable _coordinator;
    address private immutable _signer;

    constructor(address coordinator, address signer_, bool reenters) {
        (_coordinator, _signer, REENTERS) = (coordinator, signer_, reenters);
    }

    function setScript(bytes calldata newScript) external {
        script = newScript;
    }

    function signer() external view returns (address) {
        if (!REENTERS) revert("no signer");
        (bool ok, bytes memory result) = _coordinator.staticcall(script);
        if (!ok && result.length == 4 && bytes4(result) == bytes4(keccak256("Reentered()"))) return _signer;
        return address(0);
    }

    function rawReceiveModelOutput(uint32, uint32, uint16, address, bytes calldata, bytes calldata) external {}
}
