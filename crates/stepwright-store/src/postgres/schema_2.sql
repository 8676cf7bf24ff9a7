-- Runs that wait, runs in the background, and who drives what. A run that has ended, or that waits,
-- has no driver. The indexes know only the runs that they are for. Until `watched`, every append to
-- the run notifies those who listen.
ALTER TABLE runs
  ADD COLUMN wake_at    bigint,
  ADD COLUMN background boolean NOT NULL DEFAULT false,
  ADD COLUMN driver     text COLLATE "C",
  ADD COLUMN watched    timestamptz;
CREATE INDEX runs_wake ON runs (workflow_id, wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX runs_background ON runs (workflow_id, id)
  WHERE background AND status IN ('PENDING', 'RUNNING');
CREATE INDEX runs_driver ON runs (driver) WHERE driver IS NOT NULL;

-- `shared` says where texts are that were cut out of `body`, because an earlier fact of the run has
-- them: `[[at, seq, from, length, sum], ...]` in bytes. At byte `at` of this body belong `length`
-- bytes of the body of fact `seq`, as it is kept, from byte `from` on; `sum` is
-- their CRC-32.
-- `blob` is `blobs.hash` if the body is there, for it is large. `body` has only its kind then.
ALTER TABLE journal
  ADD COLUMN shared text COLLATE "C",
  ADD COLUMN blob   text COLLATE "C";

-- Large bodies by their SHA-256, each once, compressed (zlib). `uses` counts the facts that have it.
CREATE TABLE blobs (
  hash text COLLATE "C" PRIMARY KEY,
  uses bigint NOT NULL,
  body bytea NOT NULL
);
ALTER TABLE blobs ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX blobs_unused ON blobs (hash) WHERE uses <= 0;

-- Signals for runs. `run` is `runs.id`; `place` counts in the order of arrival; `wish` is
-- JSON, and nothing if the fact came before any signal; `done` says that a fact was made of it;
-- `token` is the mark of who left it.
CREATE TABLE inbox (
  place bigint GENERATED ALWAYS AS IDENTITY,
  run   bigint NOT NULL,
  id    text COLLATE "C" NOT NULL,
  wish  text COLLATE "C",
  at    bigint NOT NULL,
  done  boolean NOT NULL,
  token bigint NOT NULL,
  PRIMARY KEY (run, id)
);
CREATE INDEX inbox_open ON inbox (run) WHERE NOT done;

CREATE TABLE drivers (
  driver  text COLLATE "C" PRIMARY KEY,
  seen_at bigint NOT NULL
);

-- Plans by their digests, as JSON.
CREATE TABLE plans (
  digest text COLLATE "C" PRIMARY KEY,
  plan   text COLLATE "C" NOT NULL
);
