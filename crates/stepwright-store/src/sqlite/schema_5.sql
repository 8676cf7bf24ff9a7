-- A fork shares the first facts of its origin: those of `runs.id` = `origin` with numbers below
-- `origin_until`. `origin_run` is the name of the origin, also when it is deleted.
ALTER TABLE runs ADD COLUMN origin INTEGER;
ALTER TABLE runs ADD COLUMN origin_run TEXT;
ALTER TABLE runs ADD COLUMN origin_until INTEGER;
CREATE INDEX runs_origin ON runs (origin) WHERE origin IS NOT NULL;

-- Runs that were deleted while forks share their facts. `id` is what `runs.id` was. The facts go with
-- the last of the forks.
CREATE TABLE kept (
  id           INTEGER PRIMARY KEY,
  run_id       TEXT NOT NULL,
  origin       INTEGER,
  origin_until INTEGER
) STRICT;
