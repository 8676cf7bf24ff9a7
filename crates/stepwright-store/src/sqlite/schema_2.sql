-- Runs that wait, runs in the background, and who drives what. A run that has ended, or that waits,
-- has no driver. The indexes know only the runs that they are for.
ALTER TABLE runs ADD COLUMN wake_at INTEGER;
ALTER TABLE runs ADD COLUMN background INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN driver TEXT;
CREATE INDEX runs_wake ON runs (workflow_id, wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX runs_background ON runs (workflow_id)
  WHERE background AND status IN ('PENDING', 'RUNNING');
CREATE INDEX runs_driver ON runs (driver) WHERE driver IS NOT NULL;

-- `shared` says where texts are that were cut out of `body`, because an earlier fact of the run has
-- them: `[[at, seq, from, length, sum], ...]` in bytes. At byte `at` of this body belong `length`
-- bytes of the body of fact `seq`, as it is kept, from byte `from` on; `sum` is
-- their CRC-32.
-- `blob` is `blobs.hash` if the body is there, for it is large. `body` has only its kind then.
ALTER TABLE journal ADD COLUMN shared TEXT;
ALTER TABLE journal ADD COLUMN blob TEXT;

-- Large bodies by their SHA-256, each once, compressed (zlib). `uses` counts the facts that have it.
CREATE TABLE blobs (
  hash TEXT NOT NULL PRIMARY KEY,
  uses INTEGER NOT NULL,
  body BLOB NOT NULL
) STRICT;
CREATE INDEX blobs_unused ON blobs (hash) WHERE uses <= 0;

-- Signals for runs. `run` is `runs.id`; `place` counts in the order of arrival; `wish` is
-- JSON, and nothing if the fact came before any signal; `done` says that a fact was made of it.
CREATE TABLE inbox (
  place INTEGER PRIMARY KEY,
  run   INTEGER NOT NULL,
  id    TEXT NOT NULL,
  wish  TEXT,
  at    INTEGER NOT NULL,
  done  INTEGER NOT NULL,
  UNIQUE (run, id)
) STRICT;
CREATE INDEX inbox_open ON inbox (run) WHERE NOT done;

CREATE TABLE drivers (
  driver  TEXT NOT NULL PRIMARY KEY,
  seen_at INTEGER NOT NULL
) STRICT;

-- Plans by their digests, as JSON.
CREATE TABLE plans (
  digest TEXT NOT NULL PRIMARY KEY,
  plan   TEXT NOT NULL
) STRICT;
