-- A fork shares the first facts of its origin: those of `runs.id` = `origin` with numbers below
-- `origin_until`. `origin_run` is the name of the origin, also when it is deleted.
ALTER TABLE runs
  ADD COLUMN origin       bigint,
  ADD COLUMN origin_run   text COLLATE "C",
  ADD COLUMN origin_until bigint;
CREATE INDEX runs_origin ON runs (origin) WHERE origin IS NOT NULL;

-- Runs that were deleted while forks share their facts. `id` is what `runs.id` was. The facts go with
-- the last of the forks.
CREATE TABLE kept (
  id           bigint PRIMARY KEY,
  run_id       text COLLATE "C" NOT NULL,
  origin       bigint,
  origin_until bigint
);
