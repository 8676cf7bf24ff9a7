//! Values that each process has for itself, also after a `fork`.

use std::sync::OnceLock;

/// A value for each process. A child that was forked gets a new one. The parent's value refers to
/// the parent's threads and tasks, and a lock in it may be held by a thread that does not exist in
/// the child.
#[derive(Debug)]
pub(crate) struct PerProcess<T>(OnceLock<Box<Node<T>>>);

/// The value of one process, and of the child that was forked from it.
#[derive(Debug)]
struct Node<T> {
    process: u32,
    value: T,
    child: OnceLock<Box<Self>>,
}

impl<T> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }
}

impl<T: Default> PerProcess<T> {
    /// Returns the value of this process.
    pub(crate) fn here(&self) -> &T {
        let process = std::process::id();
        let make = || Box::new(Node { process, value: T::default(), child: OnceLock::new() });
        let mut node = self.0.get_or_init(make);
        while node.process != process {
            node = node.child.get_or_init(make);
        }
        &node.value
    }
}

impl<T> Default for PerProcess<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for PerProcess<T> {
    /// Drops the value of this process, and forgets those of other processes, which still use
    /// theirs.
    fn drop(&mut self) {
        let process = std::process::id();
        let mut next = self.0.take();
        while let Some(node) = next {
            let Node { process: of, value, mut child } = *node;
            if of != process {
                std::mem::forget(value);
            }
            next = child.take();
        }
    }
}
