-- Names are compared byte by byte (COLLATE "C"), whatever language the database speaks.

-- A fold of the journal. `id` counts the runs: the newest has the greatest.
-- `updated_at` is of the fact that last changed `status`. While a run is under way the last fact of
-- its journal tells better, so that a fact in the middle of a run writes to one table only.
CREATE TABLE runs (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run_id      text COLLATE "C" NOT NULL UNIQUE,
  session_id  text COLLATE "C" NOT NULL,
  user_id     text COLLATE "C",
  workflow_id text COLLATE "C" NOT NULL,
  digest      text COLLATE "C" NOT NULL,
  status      text COLLATE "C" NOT NULL,
  created_at  bigint NOT NULL,
  updated_at  bigint NOT NULL
);
CREATE INDEX runs_session ON runs (session_id);
CREATE INDEX runs_user ON runs (user_id);
CREATE INDEX runs_workflow ON runs (workflow_id);
CREATE INDEX runs_status ON runs (status);

-- `run` is `runs.id`. `body` is the kind of the event as JSON; the rest of it is in the columns. It
-- is text, and not jsonb: that has no NUL, and forgets the order of keys and the last digits of
-- numbers. `token` is the mark of the append, by which it is recognised after a connection was lost.
CREATE TABLE journal (
  run   bigint NOT NULL,
  seq   bigint NOT NULL,
  at    bigint NOT NULL,
  token bigint NOT NULL,
  path  text COLLATE "C" NOT NULL,
  body  text COLLATE "C" NOT NULL,
  PRIMARY KEY (run, seq)
);

-- `name`, `state` and `metrics` are JSON; a name is a JSON string, because people may put anything
-- into one. `token` is the mark of the last change of state or metrics.
CREATE TABLE sessions (
  session_id  text COLLATE "C" NOT NULL PRIMARY KEY,
  user_id     text COLLATE "C",
  workflow_id text COLLATE "C" NOT NULL,
  name        text COLLATE "C",
  state       text COLLATE "C" NOT NULL,
  version     bigint NOT NULL,
  metrics     text COLLATE "C" NOT NULL,
  created_at  bigint NOT NULL,
  updated_at  bigint NOT NULL,
  token       bigint NOT NULL
);
CREATE INDEX sessions_used ON sessions (updated_at DESC, session_id);
CREATE INDEX sessions_user ON sessions (user_id, updated_at DESC, session_id);
