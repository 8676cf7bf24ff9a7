-- The triggers that write the queue, and the runs that are there before it is created.

CREATE TRIGGER queue_run_begun AFTER INSERT ON runs
  FOR EACH ROW WHEN (NEW.background) EXECUTE FUNCTION queue_run();
-- Not for a driver that claims the run.
CREATE TRIGGER queue_run_changed AFTER UPDATE OF status, wake_at, driver ON runs
  FOR EACH ROW WHEN (NEW.background AND (NEW.driver IS NULL OR NEW.status <> OLD.status))
  EXECUTE FUNCTION queue_run();

-- A message is for an agent at work, and no reason to drive a run that waits.
CREATE TRIGGER queue_signal AFTER INSERT ON inbox
  FOR EACH ROW WHEN (NOT NEW.done AND NEW.wish IS NOT NULL AND NEW.id NOT LIKE 'message:%')
  EXECUTE FUNCTION queue_signal();

-- The runs that are there already.
INSERT INTO queue (run, workflow_id, digest, due, ready, takers, user_id, turn)
SELECT id, workflow_id, digest,
  CASE WHEN status = 'PAUSED' AND NOT answered THEN to_timestamp(wake_at / 1000.0) ELSE now() END,
  status <> 'PAUSED' OR answered,
  CASE WHEN status = 'PAUSED' THEN 'any' ELSE 'begin' END,
  coalesce(user_id, ''),
  row_number() OVER (PARTITION BY user_id ORDER BY id)
FROM runs, LATERAL (
  SELECT EXISTS (SELECT FROM inbox WHERE inbox.run = runs.id AND NOT inbox.done
    AND inbox.wish IS NOT NULL AND inbox.id NOT LIKE 'message:%') AS answered
) AS told
WHERE background AND (status IN ('PENDING', 'RUNNING')
  OR status = 'PAUSED' AND (answered OR wake_at IS NOT NULL));

COMMENT ON TABLE queue IS '{mark}';
