-- The journal of a node: every step is written here before it has an effect outside.
CREATE TABLE blocks (              -- the newest blocks that were followed, to find where a reorg begins
    chain_id INTEGER NOT NULL, coordinator TEXT NOT NULL, number INTEGER NOT NULL,
    hash BLOB NOT NULL, parent_hash BLOB NOT NULL,
    timestamp INTEGER NOT NULL, base_fee INTEGER NOT NULL, gas_limit INTEGER NOT NULL,
    PRIMARY KEY (chain_id, coordinator, number)
) WITHOUT ROWID;

CREATE TABLE subscriptions (
    chain_id INTEGER NOT NULL, coordinator TEXT NOT NULL, owner TEXT NOT NULL, id INTEGER NOT NULL,
    terms BLOB NOT NULL,           -- abi.encode(Subscription)
    container TEXT NOT NULL,
    features BLOB NOT NULL,        -- emptied once no reorg can undo the end, unless it was signed off chain
    expiry INTEGER, signature BLOB,-- of the signed request, where it was signed off chain
    created_block INTEGER,         -- NULL: signed but not on chain
    ended_block INTEGER,           -- cancelled or completed
    interval INTEGER NOT NULL DEFAULT 0, delivered INTEGER NOT NULL DEFAULT 0,
    answered INTEGER NOT NULL DEFAULT 0, -- newest interval that this node has answered, known without its job
    paused INTEGER NOT NULL DEFAULT 0,
    last_interval INTEGER,         -- of a paid subscription that was cancelled
    PRIMARY KEY (chain_id, coordinator, owner, id)
) WITHOUT ROWID;
CREATE INDEX subscriptions_open ON subscriptions (chain_id, coordinator) WHERE ended_block IS NULL;
CREATE INDEX subscriptions_created ON subscriptions (chain_id, coordinator, created_block)
    WHERE created_block IS NOT NULL;
CREATE INDEX subscriptions_ended ON subscriptions (chain_id, coordinator, ended_block) WHERE ended_block IS NOT NULL;
CREATE INDEX subscriptions_to_empty ON subscriptions (chain_id, coordinator, ended_block)
    WHERE ended_block IS NOT NULL AND signature IS NULL AND features <> x'';
CREATE INDEX subscriptions_signed ON subscriptions (chain_id, coordinator, expiry) WHERE created_block IS NULL;

CREATE TABLE fulfilments (         -- answers the chain counted in its newest blocks, to undo them in a reorg
    chain_id INTEGER NOT NULL, coordinator TEXT NOT NULL, owner TEXT NOT NULL, id INTEGER NOT NULL,
    interval INTEGER NOT NULL, redundancy INTEGER NOT NULL, node TEXT NOT NULL,
    tx_hash BLOB NOT NULL, block_number INTEGER NOT NULL,
    interval_before INTEGER NOT NULL, delivered_before INTEGER NOT NULL, answered_before INTEGER NOT NULL,
    PRIMARY KEY (chain_id, coordinator, owner, id, interval, redundancy)
) WITHOUT ROWID;
CREATE INDEX fulfilments_by_block ON fulfilments (chain_id, coordinator, block_number);

CREATE TABLE changes (             -- pauses and cancellations in the newest blocks, to undo them in a reorg
    chain_id INTEGER NOT NULL, coordinator TEXT NOT NULL, owner TEXT NOT NULL, id INTEGER NOT NULL,
    block_number INTEGER NOT NULL, log_index INTEGER NOT NULL,
    paused_before INTEGER NOT NULL, last_interval_before INTEGER,
    PRIMARY KEY (chain_id, coordinator, block_number, log_index)
) WITHOUT ROWID;

CREATE TABLE jobs (                -- one answer that this node owes
    chain_id INTEGER NOT NULL, coordinator TEXT NOT NULL, owner TEXT NOT NULL, id INTEGER NOT NULL,
    interval INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('accepted', 'computed', 'signed', 'sent', 'delivered', 'failed', 'dropped')),
    code TEXT NOT NULL DEFAULT '', note TEXT NOT NULL DEFAULT '',
    starts_at INTEGER NOT NULL, ends_at INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    output BLOB, proof BLOB, tx_hash BLOB,
    ended_block INTEGER,           -- the newest block when it had ended, written with that block
    models TEXT NOT NULL DEFAULT '[]', -- the versions that the output came from, JSON
    PRIMARY KEY (chain_id, coordinator, owner, id, interval)
) WITHOUT ROWID;
CREATE INDEX jobs_open ON jobs (chain_id, coordinator) WHERE state IN ('accepted', 'computed', 'signed', 'sent');
CREATE INDEX jobs_just_ended ON jobs (chain_id, coordinator)
    WHERE ended_block IS NULL AND state IN ('delivered', 'failed', 'dropped');
CREATE INDEX jobs_ended ON jobs (chain_id, coordinator, ended_block) WHERE ended_block IS NOT NULL;
CREATE INDEX jobs_to_empty ON jobs (chain_id, coordinator, ended_block)
    WHERE ended_block IS NOT NULL AND (output IS NOT NULL OR proof IS NOT NULL);
CREATE INDEX jobs_by_transaction ON jobs (tx_hash) WHERE tx_hash IS NOT NULL;

CREATE TABLE job_counts (          -- kept by the triggers, so that nobody has to count
    chain_id INTEGER NOT NULL, state TEXT NOT NULL, jobs INTEGER NOT NULL,
    PRIMARY KEY (chain_id, state)
) WITHOUT ROWID;
CREATE TRIGGER jobs_added AFTER INSERT ON jobs BEGIN
    INSERT INTO job_counts VALUES (NEW.chain_id, NEW.state, 1) ON CONFLICT DO UPDATE SET jobs = jobs + 1;
END;
CREATE TRIGGER jobs_moved AFTER UPDATE OF state ON jobs WHEN OLD.state <> NEW.state BEGIN
    UPDATE job_counts SET jobs = jobs - 1 WHERE chain_id = OLD.chain_id AND state = OLD.state;
    INSERT INTO job_counts VALUES (NEW.chain_id, NEW.state, 1) ON CONFLICT DO UPDATE SET jobs = jobs + 1;
END;
CREATE TRIGGER jobs_removed AFTER DELETE ON jobs BEGIN
    UPDATE job_counts SET jobs = jobs - 1 WHERE chain_id = OLD.chain_id AND state = OLD.state;
END;

CREATE TABLE transactions (        -- signed before they are broadcast, and broadcast again byte for byte after a crash
    hash BLOB PRIMARY KEY, chain_id INTEGER NOT NULL, account TEXT NOT NULL, nonce INTEGER NOT NULL,
    raw BLOB NOT NULL, recipient TEXT NOT NULL, data BLOB NOT NULL, gas INTEGER NOT NULL,
    max_fee INTEGER NOT NULL, max_priority_fee INTEGER NOT NULL,
    sent_block INTEGER NOT NULL,   -- the head when it was signed
    state TEXT NOT NULL CHECK (state IN ('pending', 'mined', 'replaced'))
) WITHOUT ROWID;
CREATE INDEX transactions_pending ON transactions (chain_id, account, nonce) WHERE state = 'pending';
CREATE INDEX transactions_closed ON transactions (chain_id, sent_block) WHERE state <> 'pending';
