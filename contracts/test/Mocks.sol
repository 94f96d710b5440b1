// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {Claim, IVerifier, Verdict} from "../src/interfaces/IVerifier.sol";
import {Subscription} from "../src/Subscription.sol";

/// @dev A verifier that says what a test tells it to, or misbehaves.
contract Oracle is IVerifier {
    enum Mood {
        Answer,
        Revert,
        RevertLong,
        Garbage,
        Short,
        BurnGas,
        ReturnMegabyte
    }

    error Unwilling(uint256 code);

    Verdict public verdict = Verdict.Valid;
    uint256 public pendingUntil;
    Mood public mood;
    Mood public payeesMood;
    bool public comparesFeatures;
    bool public refusesTerms;
    address[] private _payees;
    Claim private _lastClaim;
    bytes public lastOutput;
    bytes public lastProof;
    uint256 public verified;
    uint256 public settled;
    address public target;
    bytes public script;
    bool public scriptOk;
    bytes public scriptResult;

    function set(Verdict newVerdict, uint256 newPendingUntil) external {
        (verdict, pendingUntil) = (newVerdict, newPendingUntil);
    }

    function setMood(Mood newMood) external {
        mood = newMood;
    }

    function setPayees(address[] calldata newPayees) external {
        _payees = newPayees;
    }

    function setPayeesMood(Mood newMood) external {
        payeesMood = newMood;
    }

    function setComparesFeatures(bool compares) external {
        comparesFeatures = compares;
    }

    function setRefusesTerms(bool refuses) external {
        refusesTerms = refuses;
    }

    function setScript(address newTarget, bytes calldata newScript) external {
        (target, script) = (newTarget, newScript);
    }

    function lastClaim() external view returns (Claim memory) {
        return _lastClaim;
    }

    function proofKind() external pure returns (bytes32) {
        return keccak256("infernet.proof.none");
    }

    function checkTerms(Subscription calldata, bytes calldata) external view {
        if (refusesTerms) revert Unwilling(1);
    }

    function verify(Claim calldata claim, bytes calldata output, bytes calldata proof)
        external
        returns (Verdict, uint40)
    {
        _note(claim, output, proof);
        ++verified;
        return (verdict, uint40(pendingUntil));
    }

    function settle(Claim calldata claim, bytes calldata output, bytes calldata proof) external returns (Verdict) {
        _note(claim, output, proof);
        ++settled;
        return verdict;
    }

    function payees(Claim calldata, bytes calldata, bytes calldata) external view returns (address[] memory) {
        _misbehave(payeesMood);
        return _payees;
    }

    function _note(Claim calldata claim, bytes calldata output, bytes calldata proof) private {
        (_lastClaim, lastOutput, lastProof) = (claim, output, proof);
        if (target != address(0)) (scriptOk, scriptResult) = target.call(script);
        _misbehave(mood);
    }

    function _misbehave(Mood how) private pure {
        if (how == Mood.Revert) revert Unwilling(2);
        if (how == Mood.BurnGas) {
            assembly {
                invalid()
            }
        }
        if (how == Mood.RevertLong) {
            assembly {
                revert(0, 1000000)
            }
        }
        if (how == Mood.Garbage) {
            assembly {
                mstore(0, 77)
                mstore(0x20, 77)
                return(0, 0x40)
            }
        }
        if (how == Mood.Short) {
            assembly {
                return(0, 0x1f)
            }
        }
        if (how == Mood.ReturnMegabyte) {
            assembly {
                mstore(0, not(0))
                mstore(0x20, not(0))
                return(0, 1000000)
            }
        }
    }
}

contract Token is ERC20 {
    constructor() ERC20("Token", "TKN") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

/// @dev Keeps one in a hundred of each transfer.
contract TaxToken is Token {
    function _update(address from, address to, uint256 amount) internal override {
        if (from == address(0) || to == address(0)) return super._update(from, to, amount);
        super._update(from, address(0xdead), amount / 100);
        super._update(from, to, amount - amount / 100);
    }
}

/// @dev Takes one more than asked from whoever sends.
contract GreedyToken is Token {
    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (from != address(0) && balanceOf(from) != 0) super._update(from, address(0xdead), 1);
    }
}

/// @dev Says no, without reverting.
contract FalseToken is Token {
    function transfer(address, uint256) public pure override returns (bool) {
        return false;
    }

    function transferFrom(address, address, uint256) public pure override returns (bool) {
        return false;
    }
}

/// @dev Says nothing.
contract SilentToken {
    mapping(address => uint256) public balanceOf;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function transfer(address to, uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }

    function transferFrom(address from, address to, uint256 amount) external {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// @dev Calls back whenever it moves.
contract ReentrantToken is Token {
    address private _target;
    bytes private _script;
    bool public scriptOk;
    bytes public scriptResult;

    function setScript(address target, bytes calldata script) external {
        (_target, _script) = (target, script);
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (_target != address(0)) (scriptOk, scriptResult) = _target.call(_script);
        super._update(from, to, amount);
    }
}

/// @dev Receives ETH only when it likes, and calls back.
contract Receiver {
    bool public refuses;
    address private _target;
    bytes private _script;
    bool public scriptOk;
    bytes public scriptResult;

    function setRefuses(bool refuse) external {
        refuses = refuse;
    }

    function setScript(address target, bytes calldata script) external {
        (_target, _script) = (target, script);
    }

    receive() external payable {
        require(!refuses, "no");
        if (_target != address(0)) (scriptOk, scriptResult) = _target.call(_script);
    }
}
