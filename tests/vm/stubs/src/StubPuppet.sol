// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev Calls precompiles in every way that a trap or a replay could go wrong by. Compiled for tests/vm/test_stubs.py.
contract StubPuppet {
    address private constant COUNTER = address(0x0810);
    address private constant DOOR = address(uint160(uint256(keccak256("infernet.spc.door"))));

    bytes[] public answers;

    error Undone();

    function count() external view returns (uint256) {
        return answers.length;
    }

    function lastAnswer() external view returns (bytes memory) {
        return answers[answers.length - 1];
    }

    /// @dev Keeps what each call returned, failed or not: a try/catch around all of them.
    function callAll(bytes[] calldata requests) public {
        for (uint256 i = 0; i < requests.length; ++i) {
            (, bytes memory answer) = COUNTER.call(requests[i]);
            answers.push(answer);
        }
    }

    function callAndRevert(bytes[] calldata requests) external {
        callAll(requests);
        revert Undone();
    }

    /// @dev The first ones in a frame that reverts, the last one after it.
    function callUndoneThen(bytes[] calldata undone, bytes[] calldata then) external {
        try this.callAndRevert(undone) {} catch {}
        callAll(then);
    }

    function callAnother(bytes[] calldata requests, address spc, bytes calldata request) external {
        callAll(requests);
        (, bytes memory answer) = spc.call(request);
        answers.push(answer);
    }

    function callStatic(bytes calldata request) external {
        (bool ok, bytes memory answer) = COUNTER.staticcall{gas: 1_000_000}(request);
        answers.push(ok ? answer : bytes("failed"));
    }

    function callDelegate(bytes calldata request) external {
        (bool ok, bytes memory answer) = COUNTER.delegatecall(request);
        answers.push(ok ? answer : bytes("failed"));
    }

    function callWith(bytes calldata request, uint256 gas) external {
        (, bytes memory answer) = COUNTER.call{gas: gas}(request);
        answers.push(answer);
    }

    /// @dev As a stub's trap does, but this is no stub.
    function knock(bytes calldata request) external {
        bytes memory message = bytes.concat(abi.encode(bytes32(0), address(this), block.number), request);
        (bool ok, bytes memory answer) = DOOR.call(message);
        answers.push(ok ? answer : bytes("failed"));
    }

    /// @dev Another request in each block, however it is simulated.
    function callByTime() external {
        (, bytes memory answer) = COUNTER.call(abi.encodeWithSignature("echo(bytes)", abi.encode(block.timestamp)));
        answers.push(answer);
    }
}

contract AsksInConstructor {
    bytes public answer;

    constructor(bytes memory request) {
        (, answer) = address(0x0810).call(request);
    }
}
