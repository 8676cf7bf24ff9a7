//! The engine of Stepwright: from a definition over a plan to runs and their events.
