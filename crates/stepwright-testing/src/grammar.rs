//! The grammar that every stream of events follows.
