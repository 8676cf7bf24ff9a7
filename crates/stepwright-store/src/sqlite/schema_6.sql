-- Holders of limited keys, in the order of `place`: runs under way and runs that wait, or requests.
-- `held` says that it has a slot. A row with `until` is the first of its scope up to that moment.
CREATE TABLE slots (
  place  INTEGER PRIMARY KEY AUTOINCREMENT,
  scope  TEXT NOT NULL,
  holder TEXT NOT NULL,
  driver TEXT NOT NULL,
  held   INTEGER NOT NULL,
  at     INTEGER NOT NULL,
  until  INTEGER,
  UNIQUE (scope, holder)
) STRICT;
CREATE INDEX slots_holder ON slots (holder);
CREATE INDEX slots_until ON slots (until) WHERE until IS NOT NULL;
