// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Claim, Verdict} from "../../src/interfaces/IVerifier.sol";
import {Subscription} from "../../src/Subscription.sol";

/// @dev Can be everything at once: consumer, signer, verifier, token, receiver of ether. Wherever it is called, it makes
/// the calls that it was told to make, and counts those that got in.
contract Intruder {
    struct Plan {
        address target;
        bytes data;
    }

    bool public armed;
    uint256 public strikes;
    uint256 public entered;
    bytes4[] private _reasons;
    Plan[] private _plans;

    Verdict public verdict = Verdict.Valid;
    uint40 public pendingUntil;
    mapping(address account => uint256) public balanceOf;

    error GotIn(uint256 index);

    function plan(address target, bytes calldata data) external {
        _plans.push(Plan(target, data));
    }

    function plans() external view returns (uint256) {
        return _plans.length;
    }

    function planOf(uint256 index) external view returns (address target, bytes memory data) {
        return (_plans[index].target, _plans[index].data);
    }

    function arm(bool on) external {
        (armed, strikes, entered) = (on, 0, 0);
        delete _reasons;
    }

    function setVerdict(Verdict newVerdict, uint40 until) external {
        (verdict, pendingUntil) = (newVerdict, until);
    }

    function reasons() external view returns (bytes4[] memory) {
        return _reasons;
    }

    // --- Its own account

    function act(address target, bytes calldata data) external payable returns (bytes memory) {
        (bool ok, bytes memory result) = target.call{value: msg.value}(data);
        if (!ok) {
            assembly {
                revert(add(result, 0x20), mload(result))
            }
        }
        return result;
    }

    function _strike() private {
        if (!armed) return;
        ++strikes;
        for (uint256 i; i < _plans.length; ++i) {
            (bool ok, bytes memory result) = _plans[i].target.call(_plans[i].data);
            if (ok) entered |= 1 << i;
            _reasons.push(bytes4(result));
        }
    }

    /// @dev Nothing can be counted in a view: it reverts where it got in. A write that is tried there burns all gas.
    function _strikeInView() private view {
        if (!armed) return;
        for (uint256 i; i < _plans.length; ++i) {
            (bool ok,) = _plans[i].target.staticcall{gas: 500_000}(_plans[i].data);
            if (ok) revert GotIn(i);
        }
    }

    // --- As a receiver of ether

    receive() external payable {
        _strike();
    }

    // --- As a consumer and its signer

    function rawReceiveModelOutput(uint32, uint32, uint16, address, bytes calldata, bytes calldata) external {
        _strike();
    }

    function rawReceiveProvisionalOutput(uint32, uint32, uint16, address, bytes calldata, bytes calldata) external {
        _strike();
    }

    function featuresHashOf(uint32, uint32) external view returns (bytes32) {
        _strikeInView();
        return bytes32(uint256(1));
    }

    function signer() external view returns (address) {
        _strikeInView();
        return address(this);
    }

    function isValidSignature(bytes32, bytes calldata) external view returns (bytes4) {
        _strikeInView();
        return 0x1626ba7e;
    }

    // --- As a verifier

    function proofKind() external pure returns (bytes32) {
        return keccak256("infernet.proof.none");
    }

    function comparesFeatures() external view returns (bool) {
        _strikeInView();
        return false;
    }

    function checkTerms(Subscription calldata, bytes calldata) external view {
        _strikeInView();
    }

    function verify(Claim calldata, bytes calldata, bytes calldata) external returns (Verdict, uint40) {
        _strike();
        return (verdict, pendingUntil);
    }

    function settle(Claim calldata, bytes calldata, bytes calldata) external returns (Verdict) {
        _strike();
        return verdict;
    }

    function payees(Claim calldata, bytes calldata, bytes calldata) external returns (address[] memory) {
        _strike(); // a view is only a promise
        return new address[](0);
    }

    // --- As a token

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        _strike();
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        _strike();
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        return true;
    }
}
