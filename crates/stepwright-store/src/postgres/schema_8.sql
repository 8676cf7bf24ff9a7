-- Memories of users, over all sessions. `body` is JSON: the text and its topics.
CREATE TABLE memories (
  user_id    text COLLATE "C" NOT NULL,
  memory_id  text COLLATE "C" NOT NULL,
  body       text COLLATE "C" NOT NULL,
  run_id     text COLLATE "C",
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  sum        bigint NOT NULL,
  key_id     text COLLATE "C",
  PRIMARY KEY (user_id, memory_id)
);
CREATE INDEX memories_recent ON memories (user_id, updated_at DESC, memory_id);
