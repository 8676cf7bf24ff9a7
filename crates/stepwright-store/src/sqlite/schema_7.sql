-- Requests to models whose limits hold for all processes, in the order of `place`. `state`: 0 waits,
-- 1 is under way, 2 was sent, and 3 says that no request is sent before `at`.
CREATE TABLE requests (
  place  INTEGER PRIMARY KEY AUTOINCREMENT,
  scope  TEXT NOT NULL,
  holder TEXT NOT NULL,
  driver TEXT NOT NULL,
  state  INTEGER NOT NULL,
  at     INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  UNIQUE (scope, holder)
) STRICT;
CREATE INDEX requests_sent ON requests (scope, at) WHERE state = 2;
