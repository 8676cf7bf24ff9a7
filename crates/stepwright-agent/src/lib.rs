//! Agents for Stepwright: the turn between a model and its tools.
