-- The queue of background runs, in the schema of the store. Triggers write it in the transaction of
-- the append that makes a run ready, so that no crash loses the run.
--
-- A run has a row from its beginning until it ends, or waits for an answer alone. `run` is `runs.id`.
-- The run is to be driven at `due`; `ready` says that this moment has come, so that workers need not
-- pass by the runs that wait. `version` counts the reasons: a reason that comes while the run is
-- driven must not be forgotten when its driver leaves it. `worker` is the worker that has the run, and
-- `claim` counts the workers that had it, so that an earlier one changes nothing. `failures` counts
-- the attempts in succession that did not drive the run.
--
-- `takers` says which workers may take the run: those in whose queues runs of its definition begin
-- (`begin`), those that serve the queue `pool` (`queue`), or all that have its workflow (`any`). In the
-- first and the last case `pool` is `default`. At `until`, a run that waits for a queue goes to any
-- worker, because a deadline passes.
--
-- Runs of a higher priority are taken first; among those of a pool, the lowest `turn`. Runs of a user
-- have different turns, so that users take turns (`queue_turn`). `user_id` is empty for none.
CREATE TABLE queue (
  run         bigint PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
  workflow_id text COLLATE "C" NOT NULL,
  digest      text COLLATE "C" NOT NULL,
  due         timestamptz NOT NULL,
  ready       boolean NOT NULL,
  priority    smallint NOT NULL DEFAULT 0,
  version     bigint NOT NULL DEFAULT 0,
  worker      text COLLATE "C",
  claim       bigint NOT NULL DEFAULT 0,
  failures    integer NOT NULL DEFAULT 0,
  user_id     text COLLATE "C" NOT NULL DEFAULT '',
  turn        bigint NOT NULL DEFAULT 0,
  takers      text COLLATE "C" NOT NULL DEFAULT 'begin',
  pool        text COLLATE "C" NOT NULL DEFAULT 'default',
  until       timestamptz
);
CREATE INDEX queue_next ON queue (pool, priority DESC, turn, due) WHERE ready AND worker IS NULL;
CREATE INDEX queue_turns ON queue (user_id, pool, priority, turn) WHERE ready;
CREATE INDEX queue_driven ON queue (pool, priority, turn) WHERE worker IS NOT NULL;
CREATE INDEX queue_until ON queue (until) WHERE until IS NOT NULL;
CREATE INDEX queue_due ON queue (due) WHERE NOT ready;
CREATE INDEX queue_worker ON queue (worker) WHERE worker IS NOT NULL;

-- A worker writes `seen_at` every second, by the clock of the server. `steady_since` is when the
-- present series of these began that has no gap. `digests` are the definitions that it drives,
-- `begins` those whose runs begin in its `queues`. A worker of an earlier version says nothing about
-- these two, and takes every run.
CREATE TABLE workers (
  worker       text COLLATE "C" PRIMARY KEY,
  seen_at      timestamptz NOT NULL,
  steady_since timestamptz NOT NULL,
  digests      text[] COLLATE "C" NOT NULL,
  workflows    text[] COLLATE "C" NOT NULL DEFAULT '{}',
  queues       text[] COLLATE "C",
  begins       text[] COLLATE "C"
);
