-- A fold of the journal. `id` counts the runs: the newest has the greatest.
-- `updated_at` is of the fact that last changed `status`. While a run is under way the last fact of
-- its journal tells better, so that a fact in the middle of a run writes to one table only.
CREATE TABLE runs (
  id          INTEGER PRIMARY KEY,
  run_id      TEXT NOT NULL UNIQUE,
  session_id  TEXT NOT NULL,
  user_id     TEXT,
  workflow_id TEXT NOT NULL,
  digest      TEXT NOT NULL,
  status      TEXT NOT NULL,
  created_at  INTEGER NOT NULL,
  updated_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX runs_session ON runs (session_id);
CREATE INDEX runs_user ON runs (user_id);
CREATE INDEX runs_workflow ON runs (workflow_id);
CREATE INDEX runs_status ON runs (status);

-- `run` is `runs.id`. `body` is the kind of the event as JSON; the rest of it is in the columns.
-- An ordinary table with an index, and not one ordered by its key: bodies have kilobytes, and many
-- runs append at once.
CREATE TABLE journal (
  run  INTEGER NOT NULL,
  seq  INTEGER NOT NULL,
  path TEXT NOT NULL,
  at   INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (run, seq)
) STRICT;

CREATE TABLE sessions (
  session_id  TEXT NOT NULL PRIMARY KEY,
  user_id     TEXT,
  workflow_id TEXT NOT NULL,
  name        TEXT,
  state       TEXT NOT NULL,
  version     INTEGER NOT NULL,
  metrics     TEXT NOT NULL,
  created_at  INTEGER NOT NULL,
  updated_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_used ON sessions (updated_at DESC, session_id);
CREATE INDEX sessions_user ON sessions (user_id, updated_at DESC, session_id);
