-- The metrics of a run that has ended, as JSON, so that a list of runs reads no journal.
-- `metrics_facts` is the number of facts that they count. It differs from `facts` if a program
-- that does not know these columns has retried the run since: then the journal has the metrics.
ALTER TABLE runs ADD COLUMN metrics text COLLATE "C";
ALTER TABLE runs ADD COLUMN metrics_facts bigint;
ALTER TABLE runs ADD COLUMN metrics_sum bigint;
