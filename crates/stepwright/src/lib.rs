//! Runs workflows of agents, teams and functions.
