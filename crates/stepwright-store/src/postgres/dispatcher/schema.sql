-- The queue of background runs, in the schema of the store. The triggers below write it in the
-- transaction of the append that makes a run ready, so that no crash loses the run.
--
-- A run has a row from its beginning until it ends, or waits for an answer alone. `run` is `runs.id`.
-- The run is to be driven at `due`; `ready` says that this moment has come, so that workers need not
-- pass by the runs that wait. `version` counts the reasons: a reason that comes while the run is
-- driven must not be forgotten when its driver leaves it. `worker` is the worker that has the run, and
-- `claim` counts the workers that had it, so that an earlier one changes nothing. `failures` counts
-- the attempts in succession that did not drive the run.
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
  failures    integer NOT NULL DEFAULT 0
);
CREATE INDEX queue_ready ON queue (priority DESC, due) WHERE ready AND worker IS NULL;
CREATE INDEX queue_due ON queue (due) WHERE NOT ready;
CREATE INDEX queue_worker ON queue (worker) WHERE worker IS NOT NULL;

-- A worker writes `seen_at` every second, by the clock of the server. `steady_since` is when the
-- present series of these began that has no gap. `digests` are the definitions that it drives.
CREATE TABLE workers (
  worker       text COLLATE "C" PRIMARY KEY,
  seen_at      timestamptz NOT NULL,
  steady_since timestamptz NOT NULL,
  digests      text[] COLLATE "C" NOT NULL
);

CREATE FUNCTION queue_run() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  moment timestamptz := clock_timestamp();
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
  INSERT INTO queue (run, workflow_id, digest, due, ready)
  VALUES (NEW.id, NEW.workflow_id, NEW.digest, moment, moment <= clock_timestamp())
  ON CONFLICT (run) DO UPDATE SET due = least(queue.due, excluded.due),
    ready = queue.ready OR excluded.ready, version = queue.version + 1
    WHERE queue.worker IS NULL;
  IF FOUND AND moment <= clock_timestamp() THEN
    PERFORM pg_notify('{channel}', '');
  END IF;
  RETURN NULL;
END
$$;

CREATE TRIGGER queue_run_begun AFTER INSERT ON runs
  FOR EACH ROW WHEN (NEW.background) EXECUTE FUNCTION queue_run();
-- Not for a driver that claims the run.
CREATE TRIGGER queue_run_changed AFTER UPDATE OF status, wake_at, driver ON runs
  FOR EACH ROW WHEN (NEW.background AND (NEW.driver IS NULL OR NEW.status <> OLD.status))
  EXECUTE FUNCTION queue_run();

CREATE FUNCTION queue_signal() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO queue (run, workflow_id, digest, due, ready)
  SELECT id, workflow_id, digest, clock_timestamp(), true FROM runs
  WHERE id = NEW.run AND background AND status NOT IN ('COMPLETED', 'CANCELLED', 'ERROR')
  ON CONFLICT (run) DO UPDATE SET due = excluded.due, ready = true, version = queue.version + 1;
  IF FOUND THEN
    PERFORM pg_notify('{channel}', '');
  END IF;
  RETURN NULL;
END
$$;

-- A message is for an agent at work, and no reason to drive a run that waits.
CREATE TRIGGER queue_signal AFTER INSERT ON inbox
  FOR EACH ROW WHEN (NOT NEW.done AND NEW.wish IS NOT NULL AND NEW.id NOT LIKE 'message:%')
  EXECUTE FUNCTION queue_signal();

-- The runs that are there already.
INSERT INTO queue (run, workflow_id, digest, due, ready)
SELECT id, workflow_id, digest,
  CASE WHEN status = 'PAUSED' AND NOT answered THEN to_timestamp(wake_at / 1000.0) ELSE now() END,
  status <> 'PAUSED' OR answered
FROM runs, LATERAL (
  SELECT EXISTS (SELECT FROM inbox WHERE inbox.run = runs.id AND NOT inbox.done
    AND inbox.wish IS NOT NULL AND inbox.id NOT LIKE 'message:%') AS answered
) AS told
WHERE background AND (status IN ('PENDING', 'RUNNING')
  OR status = 'PAUSED' AND (answered OR wake_at IS NOT NULL));

COMMENT ON TABLE queue IS '{mark}';
