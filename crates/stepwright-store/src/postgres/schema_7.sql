-- Requests to models whose limits hold for all processes, in the order of `place`. `state`: 0 waits,
-- 1 is under way, 2 was sent, and 3 says that no request is sent before `at`.
CREATE TABLE requests (
  place  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  scope  text COLLATE "C" NOT NULL,
  holder text COLLATE "C" NOT NULL,
  driver text COLLATE "C" NOT NULL,
  state  bigint NOT NULL,
  at     bigint NOT NULL,
  tokens bigint NOT NULL,
  UNIQUE (scope, holder)
);
CREATE INDEX requests_sent ON requests (scope, at) WHERE state = 2;
