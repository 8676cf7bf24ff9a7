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
-- Values that processes share beside the runs, such as the state of a schedule. `version` is the mark
-- of the last change: a change names the one that it has seen.
CREATE TABLE shared_values (
  kind    text COLLATE "C" NOT NULL,
  key     text COLLATE "C" NOT NULL,
  value   text COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  PRIMARY KEY (kind, key)
);
-- The bytes of media by their SHA-256, each once, in parts of the same size. `uses` counts the runs
-- whose facts refer to them; `media_uses.run` is `runs.id`, or `kept.id` of a deleted run.
CREATE TABLE media (
  hash text COLLATE "C" PRIMARY KEY,
  size bigint NOT NULL,
  uses bigint NOT NULL
);
CREATE INDEX media_unused ON media (hash) WHERE uses <= 0;
CREATE TABLE media_parts (
  hash text COLLATE "C" NOT NULL,
  nth  bigint NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (hash, nth)
);
ALTER TABLE media_parts ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE TABLE media_uses (
  run  bigint NOT NULL,
  hash text COLLATE "C" NOT NULL,
  PRIMARY KEY (run, hash)
);
