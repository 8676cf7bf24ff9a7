-- Brings a queue of the first version to the present one. Its workers may go on beside it.
ALTER TABLE queue
  ADD COLUMN user_id text COLLATE "C" NOT NULL DEFAULT '',
  ADD COLUMN turn    bigint NOT NULL DEFAULT 0,
  ADD COLUMN takers  text COLLATE "C" NOT NULL DEFAULT 'begin',
  ADD COLUMN pool    text COLLATE "C" NOT NULL DEFAULT 'default',
  ADD COLUMN until   timestamptz;
UPDATE queue SET user_id = runs.user_id FROM runs
  WHERE runs.id = queue.run AND runs.user_id IS NOT NULL;
CREATE INDEX queue_next ON queue (pool, priority DESC, turn, due) WHERE ready AND worker IS NULL;
CREATE INDEX queue_turns ON queue (user_id, pool, priority, turn) WHERE ready;
CREATE INDEX queue_driven ON queue (pool, priority, turn) WHERE worker IS NOT NULL;
CREATE INDEX queue_until ON queue (until) WHERE until IS NOT NULL;
ALTER TABLE workers
  ADD COLUMN workflows text[] COLLATE "C" NOT NULL DEFAULT '{}',
  ADD COLUMN queues    text[] COLLATE "C",
  ADD COLUMN begins    text[] COLLATE "C";
