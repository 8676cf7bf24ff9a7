-- Checksums of rows: see `sums.rs`. Rows from before have none. `facts` is how many facts the run had
-- when its status was written last.
ALTER TABLE runs
  ADD COLUMN facts      bigint,
  ADD COLUMN sum        bigint,
  ADD COLUMN status_sum bigint,
  ADD COLUMN driver_sum bigint;
ALTER TABLE journal ADD COLUMN sum bigint;
ALTER TABLE sessions ADD COLUMN sum bigint;
ALTER TABLE inbox
  ADD COLUMN sum      bigint,
  ADD COLUMN done_sum bigint;
ALTER TABLE plans ADD COLUMN sum bigint;
