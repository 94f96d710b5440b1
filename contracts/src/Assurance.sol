// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ICoordinator} from "./interfaces/ICoordinator.sol";
import {IFeaturesCommitter} from "./interfaces/IFeaturesCommitter.sol";
import {IVerifier, Claim, Verdict} from "./interfaces/IVerifier.sol";
import {Lock} from "./Lock.sol";
import {RevertReason} from "./RevertReason.sol";
import {StaticRead} from "./StaticRead.sol";
import {Answer, Subscription, SubscriptionLib} from "./Subscription.sol";

/// @title Assurance
/// @notice Asks verifiers. They are untrusted: whatever they do, a call to one ends in a judgement.
abstract contract Assurance is ICoordinator, Lock {
    /// @dev What a verifier said.
    struct Judgement {
        /// Whether it answered at all, and in form.
        bool ok;
        Verdict verdict;
        uint256 pendingUntil;
        /// Who is paid, as returned by `payees`; or the revert data where it failed.
        bytes result;
    }

    /// @inheritdoc ICoordinator
    uint40 public constant MAX_PENDING = 30 days;

    /// @inheritdoc ICoordinator
    uint256 public constant SETTLE_GAS = 5_000_000;

    uint256 private constant MAX_PAYEES = 64;

    /// @dev A list of so many addresses, ABI-encoded. More of what a verifier returns is not looked at.
    uint256 private constant MAX_RESULT = 64 + 32 * MAX_PAYEES;

    /// @dev Asks what becomes of an answer that is being delivered. Reverts where it is not taken.
    function _verify(Answer memory a, Subscription memory s, bytes calldata output, bytes calldata proof)
        internal
        returns (Judgement memory j)
    {
        a.featuresHash = _featuresHashOf(a, s);
        uint256 gasBefore = gasleft();
        j = _ask(IVerifier.verify.selector, a, s, output, proof);

        // Check
        if (!j.ok) {
            RevertReason.checkGas(j.result, gasBefore);
            revert VerifierFailed(s.verifier, j.result);
        }
        if (j.verdict == Verdict.Invalid) revert InvalidAnswer(s.verifier, keccak256(output));
        if (j.verdict == Verdict.Pending) {
            uint256 latest = block.timestamp + MAX_PENDING;
            if (j.pendingUntil > latest || j.pendingUntil <= block.timestamp) {
                revert PendingTooLong(j.pendingUntil, latest);
            }
        }
    }

    /// @dev Asks once more about an answer that is pending. Never fails on the verifier's account.
    function _askAgain(Answer memory a, Subscription memory s, bytes calldata output, bytes calldata proof)
        internal
        returns (Judgement memory)
    {
        return _ask(IVerifier.settle.selector, a, s, output, proof);
    }

    /// @dev One or two calls, with the same arguments, under the lock.
    function _ask(bytes4 selector, Answer memory a, Subscription memory s, bytes calldata output, bytes calldata proof)
        private
        returns (Judgement memory j)
    {
        bytes memory data = abi.encodeWithSelector(selector, _claim(a, s, output), output, proof);
        _lock = LOCKED;
        _call(j, s.verifier, data);
        if (j.ok) j.ok = _readVerdict(j, selector == IVerifier.verify.selector);
        if (j.ok && j.verdict == Verdict.Valid && s.fee != 0) {
            bytes4 payees = IVerifier.payees.selector;
            assembly ("memory-safe") {
                let at := add(data, 0x20)
                mstore(at, or(payees, and(mload(at), shr(32, not(0)))))
            }
            _call(j, s.verifier, data);
            if (j.ok) j.ok = _isPayees(j.result);
        }
        _lock = FREE;
    }

    function _call(Judgement memory j, address verifier, bytes memory data) private {
        bool ok;
        assembly ("memory-safe") {
            ok := call(gas(), verifier, 0, add(data, 0x20), mload(data), 0, 0)
        }
        (j.ok, j.result) = (ok, RevertReason.read(ok ? MAX_RESULT : RevertReason.MAX));
    }

    function _readVerdict(Judgement memory j, bool mayBePending) private pure returns (bool) {
        bytes memory result = j.result;
        if (result.length < (mayBePending ? 64 : 32)) return false;
        uint256 verdict;
        uint256 pendingUntil;
        assembly ("memory-safe") {
            verdict := mload(add(result, 0x20))
            pendingUntil := mload(add(result, 0x40))
        }
        if (verdict > uint256(type(Verdict).max)) return false;
        j.verdict = Verdict(verdict);
        if (mayBePending) j.pendingUntil = pendingUntil;
        return true;
    }

    /// @dev Whether it is an ABI-encoded list of at most 64 addresses.
    function _isPayees(bytes memory result) private pure returns (bool) {
        if (result.length < 64) return false;
        (uint256 offset, uint256 count) = (_wordAt(result, 0), _wordAt(result, 1));
        return offset == 32 && count <= MAX_PAYEES && result.length >= 64 + 32 * count;
    }

    /// @dev The addresses of such a list; of none, where there is no such list.
    function _payeeCount(bytes memory result) internal pure returns (uint256) {
        return result.length < 64 ? 0 : _wordAt(result, 1);
    }

    function _payeeAt(bytes memory result, uint256 index) internal pure returns (address) {
        return address(uint160(_wordAt(result, 2 + index)));
    }

    function _wordAt(bytes memory data, uint256 index) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(add(data, 0x20), mul(0x20, index)))
        }
    }

    function _claim(Answer memory a, Subscription memory s, bytes calldata output) private pure returns (Claim memory) {
        return Claim({
            owner: s.owner,
            id: a.id,
            interval: a.interval,
            redundancy: a.redundancy,
            node: a.node,
            containerId: s.containerId,
            featuresHash: a.featuresHash,
            outputHash: keccak256(output),
            verifierParams: s.verifierParams,
            minBond: s.minBond
        });
    }

    /// @dev In pull mode the terms have none: it is what the consumer committed to, or the verifier's own business.
    function _featuresHashOf(Answer memory a, Subscription memory s) private view returns (bytes32) {
        if (s.mode & SubscriptionLib.PULL == 0) return s.featuresHash;
        (uint256 compares,) = StaticRead.word(s.verifier, abi.encodeCall(IVerifier.comparesFeatures, ()));
        if (compares != 0) return 0;
        (uint256 featuresHash,) =
            StaticRead.word(s.owner, abi.encodeCall(IFeaturesCommitter.featuresHashOf, (a.id, a.interval)));
        if (featuresHash == 0) revert FeaturesNotCommitted(s.owner, a.id, a.interval);
        return bytes32(featuresHash);
    }
}
