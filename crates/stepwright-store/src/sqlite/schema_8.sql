-- The bytes of media by their SHA-256, each once, in parts of the same size. `uses` counts the runs
-- whose facts refer to them; `media_uses.run` is `runs.id`, or `kept.id` of a deleted run.
CREATE TABLE media (
  hash TEXT NOT NULL PRIMARY KEY,
  size INTEGER NOT NULL,
  uses INTEGER NOT NULL
) STRICT;
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
