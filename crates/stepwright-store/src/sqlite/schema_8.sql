-- Values that processes share beside the runs, such as the state of a schedule. `version` is the mark
-- of the last change: a change names the one that it has seen.
CREATE TABLE shared_values (
  kind    TEXT NOT NULL,
  key     TEXT NOT NULL,
  value   TEXT NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
