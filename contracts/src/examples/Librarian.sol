// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Embeddings} from "../spc/Embeddings.sol";
import {Inference} from "../spc/Inference.sol";
import {Item, Metric} from "../spc/IVectorDatabase.sol";
import {Collection, Vectors} from "../spc/Vectors.sol";

/// @title Librarian
/// @notice Files texts: finds the nearest one that it has, the subject, and keeps the text, all in one transaction.
contract Librarian {
    /// @param nearest The id of the nearest text filed before, `NONE` for the first.
    event Filed(uint256 indexed id, uint256 indexed subject, uint256 nearest, int256 score);

    error NotASubject(int256 subject);

    uint256 public constant NONE = type(uint256).max;

    /// @notice Turns texts into vectors.
    bytes32 public immutable EMBEDDER;

    /// @notice Tells the subject of a vector.
    bytes32 public immutable CLASSIFIER;

    Collection public immutable SHELF;

    /// @notice How many texts were filed; their ids count from 0.
    uint256 public count;

    constructor(bytes32 embedder, bytes32 classifier) {
        (EMBEDDER, CLASSIFIER) = (embedder, classifier);
        SHELF = Vectors.create("texts", Embeddings.TEXTS.dimensionOf(embedder), Metric.InnerProduct);
    }

    /// @notice Files a text.
    function file(string calldata text) external returns (uint256 id, uint256 nearest, uint256 subject) {
        bytes memory vector = Embeddings.embed(EMBEDDER, text);
        int256 score;
        (nearest, score) = _findNearest(vector);
        subject = _classify(vector);
        id = count++;
        SHELF.put(Item(id, subject, vector, bytes(text)));
        emit Filed(id, subject, nearest, score);
    }

    /// @notice The filed texts that are nearest to a question.
    function find(string calldata question, uint16 k) external view returns (string[] memory texts) {
        (uint256[] memory ids,) = SHELF.search(Embeddings.embed(EMBEDDER, question), k);
        return _read(ids);
    }

    /// @notice The same among the texts of one subject.
    function findIn(uint256 subject, string calldata question, uint16 k) external view returns (string[] memory texts) {
        (uint256[] memory ids,) = SHELF.searchTagged(Embeddings.embed(EMBEDDER, question), k, subject);
        return _read(ids);
    }

    function _findNearest(bytes memory vector) private view returns (uint256 id, int256 score) {
        (uint256[] memory ids, int256[] memory scores) = SHELF.search(vector, 1);
        return ids.length == 0 ? (NONE, int256(0)) : (ids[0], scores[0]);
    }

    function _classify(bytes memory vector) private view returns (uint256) {
        int256 subject = Inference.inferVector(CLASSIFIER, vector)[0];
        if (subject < 0) revert NotASubject(subject);
        return uint256(subject);
    }

    function _read(uint256[] memory ids) private view returns (string[] memory texts) {
        texts = new string[](ids.length);
        for (uint256 i; i < ids.length; ++i) {
            texts[i] = string(SHELF.get(ids[i]).metadata);
        }
    }
}
