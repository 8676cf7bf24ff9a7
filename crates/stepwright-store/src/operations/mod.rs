//! The operations of a store, in the SQL that the databases share.

pub(crate) mod deleting;
pub(crate) mod journal;
pub(crate) mod lineage;
pub(crate) mod media;
pub(crate) mod memories;
pub(crate) mod opening;
pub(crate) mod requests;
pub(crate) mod runs;
pub(crate) mod sessions;
pub(crate) mod signals;
pub(crate) mod slots;
pub(crate) mod values;
pub(crate) mod verify;
