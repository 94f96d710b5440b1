// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IHttp} from "../spc/IHttp.sol";
import {ILlm} from "../spc/ILlm.sol";
import {SpcAddresses} from "../spc/SpcAddresses.sol";

/// @title Reviewer
/// @notice Fetches a text and has a model review it, both within one transaction: the second call depends on what the
/// first one answered.
contract Reviewer {
    event Reviewed(string url, string verdict);

    error NotFound(string url, uint16 status);

    IHttp private constant HTTP = IHttp(SpcAddresses.HTTP);
    ILlm private constant LLM = ILlm(SpcAddresses.LLM);

    string public MODEL;

    mapping(bytes32 urlHash => string) private _verdicts;

    constructor(string memory model) {
        MODEL = model;
    }

    /// @notice Keeps what the model says of the text at `url`.
    function review(string calldata url) external returns (string memory verdict) {
        return _keep(url, ask(url));
    }

    /// @notice As `review`, but keeps "unknown" where there is no text or no model.
    function reviewIfPossible(string calldata url) external returns (string memory verdict) {
        try this.ask(url) returns (string memory found) {
            verdict = found;
        } catch {
            verdict = "unknown";
        }
        return _keep(url, verdict);
    }

    /// @notice What was kept; empty where nothing was.
    function verdictOf(string calldata url) external view returns (string memory) {
        return _verdicts[keccak256(bytes(url))];
    }

    /// @notice What the model says of the text at `url`.
    function ask(string calldata url) public view returns (string memory verdict) {
        (uint16 status, bytes memory text) = HTTP.get(url);
        if (status != 200) revert NotFound(url, status);
        (verdict,,) = LLM.complete(MODEL, string.concat("Review in one word: ", string(text)), 8, 0);
    }

    function _keep(string calldata url, string memory verdict) private returns (string memory) {
        _verdicts[keccak256(bytes(url))] = verdict;
        emit Reviewed(url, verdict);
        return verdict;
    }
}
