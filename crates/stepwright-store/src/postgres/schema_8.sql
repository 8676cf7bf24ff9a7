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
