//! Workflow files of Stepwright: YAML or JSON, parsed, checked and built.
