-- `chain` links a fact to the one before it: see `sums.rs`. Facts from before have none. `scope` and
-- `key_id` are reserved for payloads that are sealed: the scope whose key opens the payload, so that
-- it can be erased with the key, and the key. No version so far writes them; a row with a `key_id` is
-- refused.
ALTER TABLE journal
  ADD COLUMN chain  bytea,
  ADD COLUMN scope  text COLLATE "C",
  ADD COLUMN key_id text COLLATE "C";
ALTER TABLE blobs
  ADD COLUMN scope  text COLLATE "C",
  ADD COLUMN key_id text COLLATE "C";
ALTER TABLE sessions
  ADD COLUMN scope  text COLLATE "C",
  ADD COLUMN key_id text COLLATE "C";
ALTER TABLE inbox
  ADD COLUMN scope  text COLLATE "C",
  ADD COLUMN key_id text COLLATE "C";
