-- Values that processes share beside the runs, such as the state of a schedule. `version` is the mark
-- of the last change: a change names the one that it has seen.
CREATE TABLE shared_values (
  kind    text COLLATE "C" NOT NULL,
  key     text COLLATE "C" NOT NULL,
  value   text NOT NULL,
  version bigint NOT NULL,
  PRIMARY KEY (kind, key)
);
