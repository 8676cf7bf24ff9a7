//! Language models for Stepwright: the registry, the guard, and the keyless offline model.
