-- Holders of limited keys, in the order of `place`: runs under way and runs that wait, or requests.
-- `held` says that it has a slot. A row with `until` is the first of its scope up to that moment.
CREATE TABLE slots (
  place  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  scope  text COLLATE "C" NOT NULL,
  holder text COLLATE "C" NOT NULL,
  driver text COLLATE "C" NOT NULL,
  held   bigint NOT NULL,
  at     bigint NOT NULL,
  until  bigint,
  UNIQUE (scope, holder)
);
CREATE INDEX slots_holder ON slots (holder);
CREATE INDEX slots_until ON slots (until) WHERE until IS NOT NULL;
