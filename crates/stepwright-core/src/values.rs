//! Values of the host program, which the steps and tools of a run share.

use std::any::{Any, TypeId, type_name};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Values of the host program, at most one of each type. Cheap to clone.
///
/// They are not recorded: a process that resumes a run brings its own.
///
/// ```
/// use stepwright_core::values::HostValues;
/// let mut values = HostValues::default();
/// values.set(7_u64);
/// values.set("seven");
/// assert_eq!((values.get::<u64>(), values.get::<u8>()), (Some(&7), None));
/// ```
#[derive(Clone, Default)]
pub struct HostValues(Option<Arc<BTreeMap<TypeId, HostValue>>>);

#[derive(Clone)]
struct HostValue {
    of: &'static str,
    value: Arc<dyn Any + Send + Sync>,
}

impl HostValues {
    /// Sets the value of type `T`. Replaces the one that is there.
    pub fn set<T: Send + Sync + 'static>(&mut self, value: T) {
        let value = HostValue { of: type_name::<T>(), value: Arc::new(value) };
        Arc::make_mut(self.0.get_or_insert_default()).insert(TypeId::of::<T>(), value);
    }

    /// Returns the value of type `T`, if there is one.
    pub fn get<T: 'static>(&self) -> Option<&T> {
        self.0.as_ref()?.get(&TypeId::of::<T>())?.value.downcast_ref()
    }

    /// Returns `true` if there is no value.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns `true` if there is a value of the type with this name.
    pub fn has(&self, of: &str) -> bool {
        self.0.iter().flat_map(|values| values.values()).any(|value| value.of == of)
    }

    /// Adds the values of `other` for types that have none here. Returns the names of the types for
    /// which both have a value, unless it is the same one.
    pub fn add_missing(&mut self, other: &Self) -> Vec<&'static str> {
        let Some(others) = &other.0 else { return Vec::new() };
        let Some(own) = &mut self.0 else {
            self.0 = Some(others.clone());
            return Vec::new();
        };
        let mut both = Vec::new();
        let own = Arc::make_mut(own);
        for (of, other) in &**others {
            match own.get(of) {
                Some(same) if Arc::ptr_eq(&same.value, &other.value) => {}
                Some(_) => both.push(other.of),
                None => {
                    own.insert(*of, other.clone());
                }
            }
        }
        both
    }
}

impl fmt::Debug for HostValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types = self.0.iter().flat_map(|values| values.values().map(|value| value.of));
        f.debug_set().entries(types).finish()
    }
}
