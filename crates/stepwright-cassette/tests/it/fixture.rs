//! The committed fixture.
