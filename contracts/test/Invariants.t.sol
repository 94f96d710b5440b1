// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DelegateRequest, Subscription} from "../src/Subscription.sol";
import {Base} from "./Base.sol";
import {Puppet} from "./Puppet.sol";

/// @dev Lives on a Coordinator: two consumers, four nodes, few nonces, so that everything collides often.
/// It keeps its own books from nothing but which calls succeeded.
contract Handler is Base {
    struct Known {
        Subscription terms;
        uint32 id;
        bool ended;
    }

    uint256 private constant NODES = 4;
    uint32 private constant NONCES = 4;

    Puppet[2] private puppets;
    Known[] private known;
    DelegateRequest[] private signed;

    uint32 public highestId;
    mapping(bytes32 interval => uint256) private answersOf;
    mapping(bytes32 intervalOfNode => bool) private answered;
    mapping(address owner => mapping(uint32 nonce => bool)) private seenUsed;
    mapping(address owner => mapping(uint32 nonce => uint256)) private creations;
    mapping(address owner => mapping(uint32 id => uint256)) private expectedCalls;

    // What may never happen. Each stays at zero.
    uint256 public tooManyAnswers;
    uint256 public answeredTwiceByOneNode;
    uint256 public idsThatDidNotGrow;
    uint256 public deliveriesAfterTheEnd;
    uint256 public deliveriesOutOfTime;
    uint256 public noncesThatCameBack;
    uint256 public wordsOfEndedSubscriptions;
    uint256 public wrongOrdinals;

    // How much happened, so that the run is known to be about something.
    uint256 public deliveries;
    uint256 public endings;

    function setUp() public override {
        super.setUp();
        puppets[0] = puppet;
        puppets[1] = _puppet();
    }

    // --- Actions

    function create(uint256 who, uint256 frequency, uint256 period, uint256 redundancy) external {
        Subscription memory s = _someTerms(who, frequency, period, redundancy);
        uint32 id = _create(s);
        if (id <= highestId) ++idsThatDidNotGrow;
        highestId = id;
        known.push(Known(s, id, false));
    }

    function sign(uint256 who, uint256 frequency, uint256 redundancy, uint32 nonce) external {
        Subscription memory s = _someTerms(who, frequency, 1, redundancy);
        signed.push(_request(nonce % NONCES, s));
    }

    function deliver(uint256 which, uint256 node, int8 drift) external {
        if (known.length == 0) return;
        Known storage k = known[which % known.length];
        uint32 interval = _drifted(k.terms, drift);
        Subscription memory s = k.terms;
        vm.prank(_node(node));
        try coordinator.deliverModelOutput(k.id, interval, s, OUTPUT, PROOF) {
            _book(k.terms, k.id, interval, _node(node), k.ended);
            if (_isLast(k.terms, interval, k.id)) _end(k);
        } catch {}
    }

    function deliverDelegate(uint256 which, uint256 node, int8 drift) external {
        if (signed.length == 0) return;
        DelegateRequest memory r = signed[which % signed.length];
        uint32 interval = _drifted(r.subscription, drift);
        uint256 place = _find(r);
        vm.prank(_node(node));
        try coordinator.deliverModelOutputDelegate(r, interval, OUTPUT, PROOF) {
            if (place == known.length) _bookCreation(r);
            Known storage k = known[place];
            _book(k.terms, k.id, interval, _node(node), k.ended);
            if (_isLast(k.terms, interval, k.id)) _end(k);
        } catch {}
    }

    function createDelegate(uint256 which) external {
        if (signed.length == 0) return;
        DelegateRequest memory r = signed[which % signed.length];
        uint256 place = _find(r);
        try this.submitDelegate(r) {
            if (place == known.length) _bookCreation(r);
            else if (known[place].ended) ++noncesThatCameBack;
        } catch {}
    }

    function submitDelegate(DelegateRequest calldata r) external {
        _createDelegate(r);
    }

    function cancel(uint256 which) external {
        if (known.length == 0) return;
        Known storage k = known[which % known.length];
        vm.prank(k.terms.owner);
        try coordinator.cancelSubscription(k.id) {
            if (k.ended) ++noncesThatCameBack;
            _end(k);
        } catch {}
    }

    function burn(uint256 who, uint32 nonce) external {
        nonce %= NONCES;
        address owner = address(puppets[who % 2]);
        bool before = coordinator.isNonceUsed(owner, nonce);
        vm.prank(owner);
        try coordinator.burnNonce(nonce) {
            if (before) ++noncesThatCameBack;
            seenUsed[owner][nonce] = true;
        } catch {}
    }

    function wait(uint16 time) external {
        vm.warp(block.timestamp + time % 90);
    }

    // --- Books

    function _book(Subscription storage s, uint32 id, uint32 interval, address node, bool ended) private {
        ++deliveries;
        ++expectedCalls[s.owner][id];
        bytes32 key = keccak256(abi.encode(s.owner, id, interval));
        bytes32 nodeKey = keccak256(abi.encode(key, node));
        if (ended) ++deliveriesAfterTheEnd;
        if (++answersOf[key] > s.redundancy) ++tooManyAnswers;
        if (s.redundancy > 1 && answered[nodeKey]) ++answeredTwiceByOneNode;
        answered[nodeKey] = true;
        if (Puppet(s.owner).last().redundancy != answersOf[key]) ++wrongOrdinals;
        uint256 start = s.activeAt + uint256(interval - 1) * s.period;
        if (block.timestamp < start || s.period != 0 && block.timestamp >= start + s.period) ++deliveriesOutOfTime;
        if (interval > s.frequency) ++deliveriesOutOfTime;
    }

    function _bookCreation(DelegateRequest memory r) private {
        address owner = r.subscription.owner;
        if (seenUsed[owner][r.nonce]) ++noncesThatCameBack;
        seenUsed[owner][r.nonce] = true;
        if (++creations[owner][r.nonce] > 1) ++noncesThatCameBack;
        known.push(Known(r.subscription, uint32(1) << 31 | r.nonce, false));
    }

    function _isLast(Subscription storage s, uint32 interval, uint32 id) private view returns (bool) {
        return interval == s.frequency && answersOf[keccak256(abi.encode(s.owner, id, interval))] == s.redundancy;
    }

    function _end(Known storage k) private {
        k.ended = true;
        ++endings;
    }

    /// @dev Looks at everything that is known, once per call of an invariant.
    function audit() external returns (bool sound) {
        for (uint256 i; i < known.length; ++i) {
            bytes32 word = _word(known[i].terms.owner, known[i].id);
            bytes32 expected = known[i].ended ? bytes32(0) : _commitment(known[i].terms);
            if (word != expected) ++wordsOfEndedSubscriptions;
        }
        for (uint256 p; p < 2; ++p) {
            for (uint32 nonce; nonce < NONCES; ++nonce) {
                bool used = coordinator.isNonceUsed(address(puppets[p]), nonce);
                if (used != seenUsed[address(puppets[p])][nonce]) ++noncesThatCameBack;
            }
        }
        return wordsOfEndedSubscriptions == 0 && noncesThatCameBack == 0;
    }

    function counted() external view returns (uint256) {
        return puppets[0].count() + puppets[1].count();
    }

    function lastId() external view returns (uint32) {
        return coordinator.lastId();
    }

    // --- Choices

    function _someTerms(uint256 who, uint256 frequency, uint256 period, uint256 redundancy)
        private
        view
        returns (Subscription memory s)
    {
        s = _recurring(frequency % 4 + 1, period % 3 == 0 ? 0 : 60, uint16(redundancy % 3 + 1));
        if (s.period == 0) s.frequency = 1;
        if (frequency % 7 == 0 && s.period != 0) s.frequency = FOREVER;
        s.owner = address(puppets[who % 2]);
    }

    /// @dev Mostly the current interval, sometimes one beside it.
    function _drifted(Subscription memory s, int8 drift) private view returns (uint32) {
        uint32 current = coordinator.getSubscriptionInterval(s.activeAt, s.period);
        if (drift == 1) return current + 1;
        if (drift == -1) return current - 1;
        return current;
    }

    function _node(uint256 node) private pure returns (address) {
        return address(uint160(0x1000 + node % NODES));
    }

    function _find(DelegateRequest memory r) private view returns (uint256 i) {
        bytes32 wanted = keccak256(abi.encode(r.subscription, uint32(1) << 31 | r.nonce));
        for (; i < known.length; ++i) {
            Subscription memory s = known[i].terms;
            if (keccak256(abi.encode(s, known[i].id)) == wanted) return i;
        }
    }
}

/// @dev Whatever consumers, signers and nodes do, in whatever order:
/// 1. an interval never has more than `redundancy` deliveries;
/// 2. nor two by one node;
/// 3. on-chain ids only grow;
/// 4. a completed or cancelled subscription never delivers, and leaves no word;
/// 5. a nonce's bit never comes back: it creates at most one subscription, once;
/// 6. a delivery is accepted only within its interval, and the consumer is called once for each.
contract InvariantsTest is Base {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Handler private handler;

    function setUp() public override {
        handler = new Handler();
        handler.setUp();
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        bytes4[] memory selectors = new bytes4[](10);
        selectors[0] = Handler.create.selector;
        selectors[1] = Handler.sign.selector;
        selectors[2] = Handler.deliver.selector;
        selectors[3] = Handler.deliverDelegate.selector;
        selectors[4] = Handler.createDelegate.selector;
        selectors[5] = Handler.cancel.selector;
        selectors[6] = Handler.burn.selector;
        selectors[7] = Handler.wait.selector;
        selectors[8] = Handler.deliver.selector; // more often than the rest
        selectors[9] = Handler.deliverDelegate.selector;
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_AnIntervalHasAtMostItsRedundancy() public view {
        vm.assertEq(handler.tooManyAnswers(), 0);
        vm.assertEq(handler.answeredTwiceByOneNode(), 0);
        vm.assertEq(handler.wrongOrdinals(), 0);
    }

    function invariant_IdsOnlyGrow() public view {
        vm.assertEq(handler.idsThatDidNotGrow(), 0);
        vm.assertEq(handler.lastId(), handler.highestId());
    }

    function invariant_WhatEndedStaysEnded() public {
        vm.assertEq(handler.deliveriesAfterTheEnd(), 0);
        vm.assertTrue(handler.audit());
        vm.assertEq(handler.noncesThatCameBack(), 0);
        vm.assertEq(handler.wordsOfEndedSubscriptions(), 0);
    }

    function invariant_DeliveriesAreInTimeAndReachTheConsumerOnce() public view {
        vm.assertEq(handler.deliveriesOutOfTime(), 0);
        vm.assertEq(handler.counted(), handler.deliveries());
    }

    /// @dev The handler reaches what it is meant to: a fixed walk delivers, completes and cancels.
    function test_TheHandlerDoesSomething() public {
        handler.create(0, 0, 0, 1);
        handler.deliver(0, 0, 0);
        handler.deliver(0, 0, 0);
        handler.deliver(0, 1, 0);
        handler.deliver(0, 2, 0);
        handler.sign(1, 1, 0, 2);
        handler.deliverDelegate(0, 0, 0);
        handler.wait(60);
        handler.deliverDelegate(0, 0, 0);
        handler.deliverDelegate(0, 0, 0);
        handler.create(1, 0, 1, 0);
        handler.cancel(2);
        vm.assertEq(handler.deliveries(), 4);
        vm.assertEq(handler.endings(), 3);
        vm.assertTrue(handler.audit());
    }
}
