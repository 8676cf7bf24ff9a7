-- The functions that write the queue. They replace those of earlier versions.

-- Returns the turn of a run in its pool: behind the other runs of its user, and beside the run that
-- is taken next. Volatile, so that each row of a statement sees the turns of the rows before it. Each
-- look reads one entry of an index: without the settings, a plan from when the table was empty would
-- read and sort the whole table.
CREATE OR REPLACE FUNCTION queue_turn(of_user text, of_pool text, of_priority smallint)
RETURNS bigint LANGUAGE plpgsql VOLATILE SET search_path FROM CURRENT
SET enable_seqscan TO off SET enable_bitmapscan TO off SET enable_sort TO off AS $$
BEGIN
  RETURN greatest(0,
    (SELECT turn + 1 FROM queue WHERE ready AND user_id = of_user AND pool = of_pool
      AND priority = of_priority ORDER BY turn DESC LIMIT 1),
    (SELECT turn FROM queue WHERE worker IS NOT NULL AND pool = of_pool
      AND priority = of_priority ORDER BY turn DESC LIMIT 1),
    (SELECT turn FROM queue WHERE ready AND worker IS NULL AND pool = of_pool
      AND priority = of_priority ORDER BY turn LIMIT 1));
END
$$;

CREATE OR REPLACE FUNCTION queue_run() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  moment timestamptz := clock_timestamp();
  is_due boolean;
  owner text := coalesce(NEW.user_id, '');
BEGIN
  IF NEW.status IN ('COMPLETED', 'CANCELLED', 'ERROR') THEN
    DELETE FROM queue WHERE run = NEW.id AND worker IS NULL;
    RETURN NULL;
  END IF;
  IF NEW.status = 'PAUSED' THEN
    IF NEW.wake_at IS NULL THEN
      RETURN NULL;
    END IF;
    moment := to_timestamp(NEW.wake_at / 1000.0);
  END IF;
  is_due := moment <= clock_timestamp();
  INSERT INTO queue (run, workflow_id, digest, due, ready, takers, user_id, turn)
  VALUES (NEW.id, NEW.workflow_id, NEW.digest, moment, is_due,
    CASE NEW.status WHEN 'PAUSED' THEN 'any' ELSE 'begin' END, owner,
    CASE WHEN is_due THEN queue_turn(owner, 'default', 0::smallint) ELSE 0 END)
  ON CONFLICT (run) DO UPDATE SET due = least(queue.due, excluded.due),
    ready = queue.ready OR excluded.ready, version = queue.version + 1,
    turn = CASE WHEN queue.ready THEN queue.turn ELSE excluded.turn END
    WHERE queue.worker IS NULL;
  IF FOUND AND is_due THEN
    PERFORM pg_notify('{channel}', '');
  END IF;
  RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION queue_signal() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  -- Any worker may record an answer or end a run that is cancelled, also one that does not serve
  -- the queue that the run waits for.
  INSERT INTO queue (run, workflow_id, digest, due, ready, takers, user_id, turn)
  SELECT id, workflow_id, digest, clock_timestamp(), true, 'any', owner,
    queue_turn(owner, 'default', 0::smallint)
  FROM runs, LATERAL (SELECT coalesce(runs.user_id, '') AS owner) AS owned
  WHERE id = NEW.run AND background AND status NOT IN ('COMPLETED', 'CANCELLED', 'ERROR')
  ON CONFLICT (run) DO UPDATE SET due = excluded.due, ready = true, version = queue.version + 1,
    takers = 'any', pool = 'default', turn = excluded.turn, until = NULL;
  IF FOUND THEN
    PERFORM pg_notify('{channel}', '');
  END IF;
  RETURN NULL;
END
$$;
