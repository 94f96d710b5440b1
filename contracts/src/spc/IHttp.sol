// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice A header of an HTTP request.
struct Header {
    string name;
    string value;
}

/// @title IHttp
/// @notice HTTP requests inside a transaction. At 0x0801 of every execution layer that enables it.
/// @dev Assumptions:
/// - What an answer proves: that the producer of the block wrote it into the block. Not that the server said so, not
///   that it would say so again, not that anyone else saw it. Where that is not enough, ask for something that can be
///   checked (a signature inside the body) or ask several layers.
/// - The request is made once, by the producer, when the transaction is executed; followers take the answer from the
///   block. `eth_call` and `eth_estimateGas` make requests of their own: a request that changes something at the server
///   may be made several times.
/// - The request stands in the block for everyone to read: no key, no password, no cookie.
/// - Only hosts that the layer's operator lists are asked, at addresses that are public. Redirects of GET and HEAD are
///   followed within that list, five at most.
/// - Any status is an answer; a request without an answer (refused, too slow, too large) reverts with a reason. Gas is
///   charged for the request, and for each byte of the answer.
interface IHttp {
    /// @notice GET without headers.
    /// @param url http:// or https://, ASCII.
    /// @return status The HTTP status, 100 to 599.
    /// @return body The answer's body, decompressed.
    function get(string calldata url) external view returns (uint16 status, bytes memory body);

    /// @notice Any request.
    /// @param method GET, HEAD, POST, PUT, PATCH or DELETE.
    /// @param headers Those of the connection itself (Host, Content-Length, Cookie and the like) are refused.
    function request(string calldata method, string calldata url, Header[] calldata headers, bytes calldata body)
        external
        view
        returns (uint16 status, bytes memory answer);
}
