-- `chain` links a fact to the one before it: see `sums.rs`. `scope` and `key_id` are reserved for
-- payloads that are sealed: the scope whose key opens the payload, so that it can be erased with the
-- key, and the key. No version so far writes them; a row with a `key_id` is refused.
ALTER TABLE journal ADD COLUMN chain BLOB;
ALTER TABLE journal ADD COLUMN scope TEXT;
ALTER TABLE journal ADD COLUMN key_id TEXT;
ALTER TABLE blobs ADD COLUMN scope TEXT;
ALTER TABLE blobs ADD COLUMN key_id TEXT;
ALTER TABLE sessions ADD COLUMN scope TEXT;
ALTER TABLE sessions ADD COLUMN key_id TEXT;
ALTER TABLE inbox ADD COLUMN scope TEXT;
ALTER TABLE inbox ADD COLUMN key_id TEXT;
