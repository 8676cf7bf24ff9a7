//! The source of keys and addresses: the environment, or the variables of a test.

use std::fmt;
use std::sync::Arc;

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

/// The variables of the environment.
#[derive(Clone)]
pub(crate) struct Environment(Arc<Lookup>);

impl Environment {
    /// The one of this process, asked each time.
    pub(crate) fn process() -> Self {
        Self(Arc::new(|name| std::env::var(name).ok()))
    }

    /// One that has these variables and no others.
    #[cfg(all(test, feature = "providers"))]
    pub(crate) fn of<const N: usize>(variables: [(&'static str, &str); N]) -> Self {
        let variables = variables.map(|(name, value)| (name, value.to_owned()));
        let variables = std::collections::BTreeMap::from(variables);
        Self(Arc::new(move |name| variables.get(name).cloned()))
    }

    /// The value of a variable. One that is set to nothing is not set.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let value = (self.0)(name)?.trim().to_owned();
        (!value.is_empty()).then_some(value)
    }

    /// The value of the first of these that is set.
    #[cfg(feature = "providers")]
    pub(crate) fn first(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.get(name))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}
