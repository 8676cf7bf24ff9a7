//! What survives what, whatever the database.

/// What survives what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// What was recorded survives a power failure. Each transaction waits for the disk.
    #[default]
    Full,
    /// What was recorded survives the death of the process. A power failure may take the last
    /// moments, never the order: steps of these moments run again. For `Postgres` the same goes for
    /// a crash of the server.
    Normal,
}
