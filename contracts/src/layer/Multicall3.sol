// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Multicall3
/// @notice Many calls in one, with the functions and at the address that client libraries expect.
/// @dev Calls are made in this contract's name: never give it an allowance, and leave nothing in it.
contract Multicall3 {
    /// @notice A call that must succeed.
    struct Call {
        address target;
        bytes callData;
    }

    /// @notice A call that may be allowed to fail.
    struct Call3 {
        address target;
        bool allowFailure;
        bytes callData;
    }

    /// @notice The same, with ETH.
    struct Call3Value {
        address target;
        bool allowFailure;
        uint256 value;
        bytes callData;
    }

    /// @notice What became of a call.
    struct Result {
        bool success;
        bytes returnData;
    }

    /// @notice A call failed that had to succeed.
    error CallFailed(uint256 index, bytes reason);

    /// @notice The values of the calls are not the value sent.
    error WrongValue(uint256 given, uint256 required);

    /// @notice Makes calls that must all succeed.
    /// @return blockNumber The block in which they were made.
    /// @return returnData What each returned.
    function aggregate(Call[] calldata calls)
        external
        payable
        returns (uint256 blockNumber, bytes[] memory returnData)
    {
        blockNumber = block.number;
        returnData = new bytes[](calls.length);
        for (uint256 i; i < calls.length; ++i) {
            returnData[i] = _call(calls[i].target, calls[i].callData, 0, false, i).returnData;
        }
    }

    /// @notice Makes calls, which must all succeed where `requireSuccess`.
    function tryAggregate(bool requireSuccess, Call[] calldata calls) external payable returns (Result[] memory) {
        return _tryAggregate(requireSuccess, calls);
    }

    /// @notice The same, with the block in which they were made.
    function tryBlockAndAggregate(bool requireSuccess, Call[] calldata calls)
        external
        payable
        returns (uint256 blockNumber, bytes32 blockHash, Result[] memory results)
    {
        return (block.number, blockhash(block.number), _tryAggregate(requireSuccess, calls));
    }

    /// @notice Makes calls that must all succeed, with the block in which they were made.
    function blockAndAggregate(Call[] calldata calls)
        external
        payable
        returns (uint256 blockNumber, bytes32 blockHash, Result[] memory results)
    {
        return (block.number, blockhash(block.number), _tryAggregate(true, calls));
    }

    /// @notice Makes calls, of which each says whether it may fail.
    function aggregate3(Call3[] calldata calls) external payable returns (Result[] memory results) {
        results = new Result[](calls.length);
        for (uint256 i; i < calls.length; ++i) {
            results[i] = _call(calls[i].target, calls[i].callData, 0, calls[i].allowFailure, i);
        }
    }

    /// @notice The same, with ETH: the value sent must be the sum of theirs.
    function aggregate3Value(Call3Value[] calldata calls) external payable returns (Result[] memory results) {
        results = new Result[](calls.length);
        uint256 required;
        for (uint256 i; i < calls.length; ++i) {
            required += calls[i].value;
            results[i] = _call(calls[i].target, calls[i].callData, calls[i].value, calls[i].allowFailure, i);
        }
        if (required != msg.value) revert WrongValue(msg.value, required);
    }

    /// @notice The balance of an account, in wei.
    function getEthBalance(address account) external view returns (uint256) {
        return account.balance;
    }

    /// @notice The hash of one of the last 256 blocks.
    function getBlockHash(uint256 number) external view returns (bytes32) {
        return blockhash(number);
    }

    /// @notice The hash of the block before this one.
    function getLastBlockHash() external view returns (bytes32) {
        return blockhash(block.number - 1);
    }

    /// @notice The number of this block.
    function getBlockNumber() external view returns (uint256) {
        return block.number;
    }

    /// @notice The time of this block, in seconds since 1970.
    function getCurrentBlockTimestamp() external view returns (uint256) {
        return block.timestamp;
    }

    /// @notice The gas limit of this block.
    function getCurrentBlockGasLimit() external view returns (uint256) {
        return block.gaslimit;
    }

    /// @notice Who made this block.
    function getCurrentBlockCoinbase() external view returns (address) {
        return block.coinbase;
    }

    /// @notice The base fee of this block, in wei per gas.
    function getBasefee() external view returns (uint256) {
        return block.basefee;
    }

    /// @notice The id of this chain.
    function getChainId() external view returns (uint256) {
        return block.chainid;
    }

    function _tryAggregate(bool requireSuccess, Call[] calldata calls) private returns (Result[] memory results) {
        results = new Result[](calls.length);
        for (uint256 i; i < calls.length; ++i) {
            results[i] = _call(calls[i].target, calls[i].callData, 0, !requireSuccess, i);
        }
    }

    function _call(address target, bytes calldata data, uint256 value, bool mayFail, uint256 index)
        private
        returns (Result memory result)
    {
        (result.success, result.returnData) = target.call{value: value}(data);
        if (!result.success && !mayFail) revert CallFailed(index, result.returnData);
    }
}
