-- Checksums of rows: see `sums.rs`. `identity` has a random number, once for each file, which is in
-- every checksum: a row of another file fits nowhere here. `facts` is how many facts the run had when
-- its status was written last.
CREATE TABLE identity (id INTEGER NOT NULL) STRICT;
INSERT INTO identity VALUES (random());
ALTER TABLE runs ADD COLUMN facts INTEGER;
ALTER TABLE runs ADD COLUMN sum INTEGER;
ALTER TABLE runs ADD COLUMN status_sum INTEGER;
ALTER TABLE runs ADD COLUMN driver_sum INTEGER;
ALTER TABLE journal ADD COLUMN sum INTEGER;
ALTER TABLE sessions ADD COLUMN sum INTEGER;
ALTER TABLE inbox ADD COLUMN sum INTEGER;
ALTER TABLE inbox ADD COLUMN done_sum INTEGER;
ALTER TABLE plans ADD COLUMN sum INTEGER;
