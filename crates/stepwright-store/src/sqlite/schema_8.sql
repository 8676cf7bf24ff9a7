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
) STRICT;
CREATE INDEX memories_recent ON memories (user_id, updated_at DESC, memory_id);
