-- Memories of users, over all sessions. `body` is JSON: the text and its topics.
CREATE TABLE memories (
  user_id    TEXT NOT NULL,
  memory_id  TEXT NOT NULL,
  body       TEXT NOT NULL,
  run_id     TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  sum        INTEGER NOT NULL,
  key_id     TEXT,
  PRIMARY KEY (user_id, memory_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX memories_recent ON memories (user_id, updated_at DESC, memory_id);
-- Values that processes share beside the runs, such as the state of a schedule. `version` is the mark
-- of the last change: a change names the one that it has seen.
CREATE TABLE shared_values (
  kind    TEXT NOT NULL,
  key     TEXT NOT NULL,
  value   TEXT NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
-- The bytes of media by their SHA-256, each once, in parts of the same size. `uses` counts the runs
-- whose facts refer to them; `media_uses.run` is `runs.id`, or `kept.id` of a deleted run.
CREATE TABLE media (
  hash TEXT NOT NULL PRIMARY KEY,
  size INTEGER NOT NULL,
  uses INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX media_unused ON media (hash) WHERE uses <= 0;
CREATE TABLE media_parts (
  hash TEXT NOT NULL,
  nth  INTEGER NOT NULL,
  body BLOB NOT NULL,
  UNIQUE (hash, nth)
) STRICT;
CREATE TABLE media_uses (
  run  INTEGER NOT NULL,
  hash TEXT NOT NULL,
  PRIMARY KEY (run, hash)
) STRICT, WITHOUT ROWID;
