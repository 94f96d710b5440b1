-- A chain on disk. One transaction writes a block and everything that it changed.
CREATE TABLE parameters (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE blocks (
    number INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    header BLOB NOT NULL,           -- RLP
    records BLOB NOT NULL,          -- RLP list of the precompiles' calls, empty where there are none
    undo BLOB                       -- what its changes were before; NULL once its parent's state is not kept
);

-- Who answers for a block, the producer among them: see seals.py.
CREATE TABLE seals (
    block INTEGER NOT NULL, signer BLOB NOT NULL, seal BLOB NOT NULL, PRIMARY KEY (block, signer)
) WITHOUT ROWID;

CREATE TABLE transactions (
    block INTEGER NOT NULL, tx_index INTEGER NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    sender BLOB NOT NULL,
    raw BLOB NOT NULL,
    succeeded INTEGER NOT NULL,
    gas_used INTEGER NOT NULL,
    PRIMARY KEY (block, tx_index)
) WITHOUT ROWID;

CREATE TABLE logs (
    block INTEGER NOT NULL, log_index INTEGER NOT NULL,
    tx_index INTEGER NOT NULL,
    address BLOB NOT NULL,
    topic0 BLOB, topic1 BLOB, topic2 BLOB, topic3 BLOB,
    data BLOB NOT NULL,
    PRIMARY KEY (block, log_index)
) WITHOUT ROWID;
CREATE INDEX logs_by_address ON logs (address, block);
CREATE INDEX logs_by_topic ON logs (topic0, block);

-- The head's state. Integers are big endian without leading zeros.
CREATE TABLE accounts (
    address BLOB PRIMARY KEY, nonce BLOB NOT NULL, balance BLOB NOT NULL, code_hash BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE slots (
    address BLOB NOT NULL, slot BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (address, slot)
) WITHOUT ROWID;
CREATE TABLE codes (hash BLOB PRIMARY KEY, code BLOB NOT NULL);
CREATE TABLE blobs (sha256 BLOB PRIMARY KEY, data BLOB NOT NULL);
