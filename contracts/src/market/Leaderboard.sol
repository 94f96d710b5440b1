// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {BaseConsumer} from "../consumer/BaseConsumer.sol";
import {QuorumConsumer} from "../consumer/QuorumConsumer.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {Subscription} from "../Subscription.sol";

/// @title Leaderboard
/// @notice A market for better models. A sponsor puts up a prize for a task: a metric, and a test set that only its hash
/// is known of. Anyone enters a model. Once entries are closed the test set is revealed, nodes evaluate each entry, k of
/// n must agree on its score, and the best one is paid and becomes what the task's alias points to.
/// @dev The phases, each ending with its second: submit a commitment (nobody can copy what nobody has seen), open it
/// (the model's files are public from then on), reveal the test set (nobody can train on it), evaluate, finish.
///
/// What is trusted: the sponsor, not to hand the test set to a friend beforehand, which no contract can see; and k of the
/// n nodes of each evaluation (see `QuorumConsumer`): who enters accepts the evaluator that the task names. A sponsor who does not reveal, or reveals what no node can
/// read, loses the prize to the entrants.
///
/// An entrant pays the evaluation of the entry, so a crowd of entries costs the sponsor nothing, and what an evaluation
/// did not use comes back. No function walks over the entries.
contract Leaderboard is QuorumConsumer {
    /// @notice What a sponsor asks for.
    struct Task {
        /// Scores an entry: its features are `abi.encode(manifestHash, manifestUri, testSetHash, testSetUri)`, its output
        /// one `int256`, more being better. Name of the container, or a chain.
        string evaluator;
        /// Namespace of the alias. It must be the sponsor's, who offers it to this contract first and gets it back.
        string namespace;
        /// Name of the model whose alias `champion` will point to the winner.
        string name;
        /// keccak256(abi.encode(testSetHash, salt)): the sha256 of the test set's file, and 32 random bytes.
        bytes32 testSetCommitment;
        /// A score has to be above it to win.
        int256 floor;
        /// The last seconds of the phases, since the epoch.
        uint40 submitBy;
        uint40 openBy;
        uint40 revealBy;
        uint40 endBy;
        /// Seconds that the nodes have for one evaluation, before it may be asked for again.
        uint32 window;
        /// How many nodes evaluate an entry, and how many must agree.
        uint16 n;
        uint16 k;
        /// What a node gets for one evaluation, in wei.
        uint128 fee;
        /// In wei; evaluations at a higher gas price are not taken.
        uint48 maxGasPrice;
    }

    /// @notice How a task stands.
    struct Standing {
        address sponsor;
        /// Entries that were opened and are nobody else's copy.
        uint32 opened;
        /// Of those, how many have a score.
        uint32 scored;
        bool isFinished;
        /// The prize went to the entrants: `prize` is what each of them gets.
        bool isShared;
        /// In wei.
        uint256 prize;
        /// Zero until it is revealed.
        bytes32 testSetHash;
        /// The entry that leads, counted from 1; 0: none is above the floor yet.
        uint256 best;
        int256 bestScore;
    }

    /// @notice A model that takes part.
    struct Entry {
        address author;
        uint16 royaltyBps;
        bool isScored;
        /// The subscription of its last evaluation; 0: none yet.
        uint32 evaluation;
        /// What its author has paid for evaluations and they have not used, in wei, before the running one.
        uint256 balance;
        bytes32 commitment;
        bytes32 manifestHash;
        int256 score;
        string uri;
    }

    /// @notice A task is open for entries.
    event TaskCreated(uint256 indexed taskId, address indexed sponsor, uint256 prize, Task task);
    /// @notice Somebody has entered a model that nobody knows yet.
    event Submitted(uint256 indexed taskId, uint256 indexed entry, address indexed author);
    /// @notice Which model an entry is.
    event Opened(uint256 indexed taskId, uint256 indexed entry, bytes32 indexed manifestHash, string uri);
    /// @notice The entry is a copy of one that was submitted before it, and is out.
    event Displaced(uint256 indexed taskId, uint256 indexed entry, uint256 indexed by);
    /// @notice The test set is known: entries can be evaluated.
    event Revealed(uint256 indexed taskId, bytes32 testSetHash, string uri);
    /// @notice Nodes are asked for an entry's score.
    event EvaluationRequested(uint256 indexed taskId, uint256 indexed entry, uint32 subscriptionId);
    /// @notice k nodes agree. An output that is no `int256` scores the least there is.
    event Scored(uint256 indexed taskId, uint256 indexed entry, int256 score);
    /// @notice The prize is the author's. `isPromoted`: the alias points to the winner.
    event Finished(uint256 indexed taskId, uint256 indexed entry, address author, int256 score, bool isPromoted);
    /// @notice The test set was not revealed, or no entry has a score: the prize is the entrants', in equal parts.
    event Abandoned(uint256 indexed taskId, uint256 entries, uint256 share);

    /// @notice What of the task cannot be: phases out of order or in the past, no test set, no fee, no window, no names.
    error InvalidTask(string what);
    /// @notice No such task.
    error UnknownTask(uint256 taskId);
    /// @notice No such entry; they count from 1.
    error UnknownEntry(uint256 entry);
    /// @notice A task has a prize: send it with `create`.
    error NoPrize();
    /// @notice The namespace is somebody else's.
    error NotSponsor(address sender, address sponsor);
    /// @notice It is too early or too late; times in seconds since the epoch, both ends included.
    error OutsidePhase(uint256 time, uint256 from, uint256 to);
    /// @notice The entry is somebody else's.
    error NotAuthor(address sender, address author);
    /// @notice What is shown is not what was committed to.
    error WrongCommitment(bytes32 found, bytes32 expected);
    /// @notice The entry is open.
    error AlreadyOpened(uint256 entry);
    /// @notice A manifest's hash is never zero.
    error ZeroManifestHash();
    /// @notice The registry takes no higher share.
    error TooMuchRoyalty(uint16 royaltyBps, uint16 maximum);
    /// @notice The same model was submitted before, by this entry.
    error IsACopy(uint256 original);
    /// @notice Exactly `needed` wei have to come with it.
    error WrongPayment(uint256 paid, uint256 needed);
    /// @notice The test set is known.
    error AlreadyRevealed();
    /// @notice The test set is not known.
    error NotRevealed();
    /// @notice The entry takes no part: it was not opened, or is a copy.
    error NotOpened(uint256 entry);
    /// @notice The entry has its score.
    error AlreadyScored(uint256 entry);
    /// @notice The entry's last evaluation is not over: wait for its nodes, or let it expire.
    error EvaluationRuns(uint32 subscriptionId);
    /// @notice The task goes on: not all that were opened have a score.
    error EvaluationsMissing(uint256 opened, uint256 scored);
    /// @notice The task is over.
    error IsFinished();
    /// @notice There is nothing to withdraw.
    error NothingOwed(address account);
    /// @notice The account does not take ether.
    error TransferFailed(address to, uint256 amount);

    string private constant ALIAS = "champion";
    bytes16 private constant HEX = "0123456789abcdef";

    /// @notice Gas of the callback that keeps a score.
    uint32 public constant CALLBACK_GAS = 250_000;

    /// @notice Where winners are published.
    IModelRegistry public immutable MODEL_REGISTRY;

    Task[] private _tasks;
    mapping(uint256 taskId => Standing) private _standings;
    mapping(uint256 taskId => string) private _testSetUris;
    mapping(uint256 taskId => Entry[]) private _entries;
    mapping(uint256 taskId => mapping(bytes32 manifestHash => uint256 entry)) private _originals;
    mapping(uint32 subscriptionId => uint256) private _evaluated; // taskId << 128 | entry
    mapping(uint32 subscriptionId => uint256) private _answers;
    mapping(address => uint256) private _owed;

    constructor(address coordinator) BaseConsumer(coordinator) {
        MODEL_REGISTRY = IModelRegistry(COORDINATOR.MODEL_REGISTRY());
    }

    // --- The phases

    /// @notice Sets a task. The value is the prize.
    function create(Task calldata task) external payable returns (uint256 taskId) {
        _check(task);
        if (msg.value == 0) revert NoPrize();
        (address owner,) = MODEL_REGISTRY.getNamespace(task.namespace);
        if (owner != msg.sender) revert NotSponsor(msg.sender, owner);

        taskId = _tasks.length;
        _tasks.push(task);
        Standing storage s = _standings[taskId];
        (s.sponsor, s.prize) = (msg.sender, msg.value);
        emit TaskCreated(taskId, msg.sender, msg.value, task);

        MODEL_REGISTRY.acceptNamespace(task.namespace);
    }

    /// @notice Enters a model that nobody has to know yet.
    /// @param commitment keccak256(abi.encode(taskId, author, manifestHash, salt)).
    /// @return entry Counted from 1.
    function submit(uint256 taskId, bytes32 commitment) external returns (uint256 entry) {
        _checkPhase(0, _task(taskId).submitBy);
        Entry storage e = _entries[taskId].push();
        (e.author, e.commitment) = (msg.sender, commitment);
        entry = _entries[taskId].length;
        emit Submitted(taskId, entry, msg.sender);
    }

    /// @notice Says which model was entered. The value is what its evaluation costs: `fee · n`.
    /// @param uri Where the manifest and the files it names are found, from now until the end.
    /// @param royaltyBps The author's share of later uses, should it win, in 1/10,000.
    function open(
        uint256 taskId,
        uint256 entry,
        bytes32 manifestHash,
        string calldata uri,
        uint16 royaltyBps,
        bytes32 salt
    ) external payable {
        // Check
        Task storage t = _task(taskId);
        _checkPhase(uint256(t.submitBy) + 1, t.openBy);
        Entry storage e = _entry(taskId, entry);
        if (e.author != msg.sender) revert NotAuthor(msg.sender, e.author);
        if (e.manifestHash != 0) revert AlreadyOpened(entry);
        if (manifestHash == 0) revert ZeroManifestHash();
        bytes32 found = keccak256(abi.encode(taskId, msg.sender, manifestHash, salt));
        if (found != e.commitment) revert WrongCommitment(found, e.commitment);
        uint16 most = MODEL_REGISTRY.MAX_ROYALTY_BPS();
        if (royaltyBps > most) revert TooMuchRoyalty(royaltyBps, most);
        if (msg.value != _cost(t)) revert WrongPayment(msg.value, _cost(t));

        // Effect: of two entries of one model the earlier commitment holds.
        uint256 original = _originals[taskId][manifestHash];
        if (original != 0 && original < entry) revert IsACopy(original);
        if (original == 0) ++_standings[taskId].opened;
        else _displace(taskId, original, entry);
        _originals[taskId][manifestHash] = entry;
        (e.manifestHash, e.uri, e.royaltyBps, e.balance) = (manifestHash, uri, royaltyBps, msg.value);

        emit Opened(taskId, entry, manifestHash, uri);
    }

    /// @notice Shows the test set. Anyone may who knows the salt.
    function reveal(uint256 taskId, bytes32 testSetHash, string calldata uri, bytes32 salt) external {
        // Check
        Task storage t = _task(taskId);
        Standing storage s = _standings[taskId];
        _checkPhase(uint256(t.openBy) + 1, t.revealBy);
        if (s.testSetHash != 0) revert AlreadyRevealed();
        bytes32 found = keccak256(abi.encode(testSetHash, salt));
        if (found != t.testSetCommitment || testSetHash == 0) revert WrongCommitment(found, t.testSetCommitment);

        // Effect
        (s.testSetHash, _testSetUris[taskId]) = (testSetHash, uri);

        emit Revealed(taskId, testSetHash, uri);
    }

    /// @notice Asks the nodes for an entry's score; again where they did not agree. Anyone may. The value tops up what is
    /// left of the entry's balance, to `fee · n` exactly.
    function evaluate(uint256 taskId, uint256 entry) external payable returns (uint32 subscriptionId) {
        // Check
        Task storage t = _task(taskId);
        Standing storage s = _standings[taskId];
        if (s.testSetHash == 0) revert NotRevealed();
        _checkPhase(0, t.endBy);
        Entry storage e = _takingPart(taskId, entry);
        if (e.isScored) revert AlreadyScored(entry);
        _settleLast(t, e);
        if (e.balance + msg.value != _cost(t)) revert WrongPayment(msg.value, _cost(t) - e.balance);

        // Effect
        bytes memory features = abi.encode(e.manifestHash, e.uri, s.testSetHash, _testSetUris[taskId]);
        uint256 paid = e.evaluation == 0 ? _cost(t) : msg.value; // what came back already lies in the ledger
        e.balance = 0;

        // Act
        if (paid != 0) COORDINATOR.deposit{value: paid}(address(this), address(0), paid);
        subscriptionId = _requestWithTerms(_terms(t), t.evaluator, features, "");
        e.evaluation = subscriptionId;
        _evaluated[subscriptionId] = taskId << 128 | entry;
        _expectQuorum(subscriptionId, t.n, t.k);

        emit EvaluationRequested(taskId, entry, subscriptionId);
    }

    /// @notice Pays the winner and moves the alias. Once all opened entries have a score, or the time is over. Anyone may.
    /// Where no entry has a score, as of a test set that nobody can read, the prize is the entrants'.
    function finish(uint256 taskId) external {
        // Check
        Task storage t = _task(taskId);
        Standing storage s = _standings[taskId];
        if (s.isFinished) revert IsFinished();
        if (s.testSetHash == 0) revert NotRevealed();
        if (s.scored < s.opened && block.timestamp <= t.endBy) revert EvaluationsMissing(s.opened, s.scored);
        if (s.scored == 0 && s.opened != 0) return _share(taskId, t, s);

        // Effect
        s.isFinished = true;
        address winner = s.best == 0 ? s.sponsor : _entries[taskId][s.best - 1].author;
        _owed[winner] += s.prize;

        // Act
        bool isPromoted = s.best != 0 && _promote(t, _entries[taskId][s.best - 1]);
        MODEL_REGISTRY.offerNamespace(t.namespace, s.sponsor);

        emit Finished(taskId, s.best, winner, s.bestScore, isPromoted);
    }

    /// @notice Ends a task whose test set was not revealed. Anyone may; entrants then `refund`, which pays their part.
    function abandon(uint256 taskId) external {
        // Check
        Task storage t = _task(taskId);
        Standing storage s = _standings[taskId];
        if (s.isFinished) revert IsFinished();
        if (s.testSetHash != 0) revert AlreadyRevealed();
        _checkPhase(uint256(t.revealBy) + 1, type(uint256).max);

        _share(taskId, t, s);
    }

    /// @notice What an entry's evaluations have not used becomes its author's, once the task is finished; and the
    /// author's part of the prize of a task that was abandoned. Anyone may.
    function refund(uint256 taskId, uint256 entry) external {
        Standing storage s = _standings[taskId];
        if (!s.isFinished) revert EvaluationsMissing(s.opened, s.scored);
        Entry storage e = _takingPart(taskId, entry);
        _settleLast(_task(taskId), e);
        uint256 amount = e.balance;
        bool isInLedger = e.evaluation != 0;
        e.balance = 0;
        if (s.isShared && !e.isScored) {
            e.isScored = true; // its part is taken
            _owed[e.author] += s.prize;
        }
        _owed[e.author] += amount;
        if (amount != 0 && isInLedger) COORDINATOR.withdraw(address(this), address(0), amount);
    }

    /// @notice Sends the caller what is owed to it.
    function withdraw() external {
        uint256 amount = _owed[msg.sender];
        if (amount == 0) revert NothingOwed(msg.sender);
        _owed[msg.sender] = 0;
        (bool ok,) = msg.sender.call{value: amount}("");
        if (!ok) revert TransferFailed(msg.sender, amount);
    }

    /// @dev From the Coordinator's ledger.
    receive() external payable {
        if (msg.sender != address(COORDINATOR)) revert NotCoordinator(msg.sender);
    }

    // --- Views

    /// @notice What was asked for, and how it stands.
    function getTask(uint256 taskId) external view returns (Task memory, Standing memory) {
        return (_task(taskId), _standings[taskId]);
    }

    /// @notice An entry, as far as it is known.
    /// @param entry Counted from 1.
    function getEntry(uint256 taskId, uint256 entry) external view returns (Entry memory) {
        return _entry(taskId, entry);
    }

    /// @notice How many entries there are, copies and unopened ones among them.
    function countEntries(uint256 taskId) external view returns (uint256) {
        return _entries[taskId].length;
    }

    /// @notice What an account can withdraw, in wei.
    function owed(address account) external view returns (uint256) {
        return _owed[account];
    }

    // --- Answers

    function _receiveModelOutput(
        uint32 subscriptionId,
        uint32 interval,
        uint16 redundancy,
        address node,
        bytes calldata output,
        bytes calldata proof
    ) internal override {
        ++_answers[subscriptionId];
        super._receiveModelOutput(subscriptionId, interval, redundancy, node, output, proof);
    }

    function _receiveAgreedOutput(uint32 subscriptionId, uint32, bytes calldata output) internal override {
        (uint256 taskId, uint256 entry) = (_evaluated[subscriptionId] >> 128, uint128(_evaluated[subscriptionId]));
        int256 score = output.length == 32 ? abi.decode(output, (int256)) : type(int256).min;
        Entry storage e = _entries[taskId][entry - 1];
        Standing storage s = _standings[taskId];
        (e.isScored, e.score) = (true, score);
        ++s.scored;
        bool leads = s.best == 0 || score > s.bestScore || (score == s.bestScore && entry < s.best);
        if (score > _tasks[taskId].floor && leads && !s.isFinished) (s.best, s.bestScore) = (entry, score);
        emit Scored(taskId, entry, score);
    }

    // --- Parts

    function _check(Task calldata t) private view {
        bool isInOrder =
            block.timestamp <= t.submitBy && t.submitBy < t.openBy && t.openBy < t.revealBy && t.revealBy < t.endBy;
        if (!isInOrder) revert InvalidTask("phases");
        if (t.k > t.n || uint256(t.k) * 2 <= t.n) revert InvalidQuorum(t.k, t.n);
        if (t.testSetCommitment == 0) revert InvalidTask("testSetCommitment");
        if (t.fee == 0 || t.maxGasPrice == 0) revert InvalidTask("fee");
        if (t.window == 0) revert InvalidTask("window");
        if (bytes(t.evaluator).length == 0 || bytes(t.name).length == 0) revert InvalidTask("names");
    }

    function _checkPhase(uint256 from, uint256 to) private view {
        if (block.timestamp < from || block.timestamp > to) revert OutsidePhase(block.timestamp, from, to);
    }

    function _share(uint256 taskId, Task storage t, Standing storage s) private {
        // Effect
        (s.isFinished, s.isShared) = (true, true);
        uint256 share = s.opened == 0 ? 0 : s.prize / s.opened;
        _owed[s.sponsor] += s.prize - share * s.opened;
        s.prize = share;

        // Act
        MODEL_REGISTRY.offerNamespace(t.namespace, s.sponsor);

        emit Abandoned(taskId, s.opened, share);
    }

    function _displace(uint256 taskId, uint256 copy, uint256 by) private {
        Entry storage e = _entries[taskId][copy - 1];
        _owed[e.author] += e.balance;
        e.balance = 0;
        emit Displaced(taskId, copy, by);
    }

    /// @dev What the last evaluation left comes back to the entry's balance. It must be over.
    function _settleLast(Task storage t, Entry storage e) private {
        uint32 id = e.evaluation;
        if (id == 0 || _evaluated[id] == 0) return;
        (bytes32 commitment,,) = COORDINATOR.getSubscription(address(this), id);
        if (commitment != 0) revert EvaluationRuns(id);
        delete _evaluated[id];
        e.balance += uint256(t.fee) * (t.n - _answers[id]);
    }

    function _terms(Task storage t) private view returns (Subscription memory s) {
        s.redundancy = t.n;
        s.maxGasPrice = t.maxGasPrice;
        s.maxGasLimit = CALLBACK_GAS + COORDINATOR.DELIVERY_OVERHEAD_WEI();
        s.fee = t.fee;
        uint256 deadline = block.timestamp + t.window;
        s.deadline = deadline < t.endBy ? uint40(deadline) : t.endBy;
        (s.royaltyTo, s.royaltyBps) = MODEL_REGISTRY.terms(keccak256(bytes(t.evaluator)));
    }

    /// @dev The winner is published as a version of the task's model, named by its manifest hash. A sponsor who has put
    /// another model under that name keeps the alias where it is, not the prize.
    function _promote(Task storage t, Entry storage e) private returns (bool) {
        string memory version = _toHex(e.manifestHash);
        address royaltyTo = e.royaltyBps == 0 ? address(0) : e.author;
        IModelRegistry.Publication memory p = IModelRegistry.Publication(e.manifestHash, e.uri, royaltyTo, e.royaltyBps);
        try MODEL_REGISTRY.publish(t.namespace, t.name, version, p) {} catch {}
        bytes32 containerId = keccak256(abi.encodePacked(t.namespace, "/", t.name, ":", version));
        if (MODEL_REGISTRY.getVersion(containerId).manifestHash != e.manifestHash) return false;
        MODEL_REGISTRY.setAlias(t.namespace, t.name, ALIAS, version);
        return true;
    }

    function _task(uint256 taskId) private view returns (Task storage) {
        if (taskId >= _tasks.length) revert UnknownTask(taskId);
        return _tasks[taskId];
    }

    function _entry(uint256 taskId, uint256 entry) private view returns (Entry storage) {
        if (entry == 0 || entry > _entries[taskId].length) revert UnknownEntry(entry);
        return _entries[taskId][entry - 1];
    }

    function _takingPart(uint256 taskId, uint256 entry) private view returns (Entry storage e) {
        e = _entry(taskId, entry);
        if (e.manifestHash == 0 || _originals[taskId][e.manifestHash] != entry) revert NotOpened(entry);
    }

    function _cost(Task storage t) private view returns (uint256) {
        return uint256(t.fee) * t.n;
    }

    function _toHex(bytes32 word) private pure returns (string memory) {
        bytes memory digits = new bytes(64);
        for (uint256 i; i < 64; ++i) {
            digits[i] = HEX[uint256(word) >> (252 - 4 * i) & 15];
        }
        return string(digits);
    }
}
