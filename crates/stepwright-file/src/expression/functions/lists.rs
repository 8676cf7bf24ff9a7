//! Functions on lists.

use super::super::failure::{Evaluated, Failure, fails, type_word, unsupported};
use super::super::operators::{equal, order};
use super::super::value::{ELEMENT_BYTES, List, Val};
use super::{count, strings};
use crate::budget::Budget;
use std::cmp::Ordering;

/// The maximum number of elements of `lists.range`, as in CEL.
const RANGE_MAX: i64 = 1_000_000;

pub(super) fn call<'a>(
    name: &str,
    list: &List<'a>,
    args: &[Val<'a>],
    rest: &[Val<'a>],
    budget: &Budget<'_>,
) -> Evaluated<'a> {
    let wrong = || unsupported(name, &args.iter().collect::<Vec<_>>());
    match (name, rest) {
        ("join", []) => strings::join(list, "", budget),
        ("join", [Val::Text(between)]) => strings::join(list, between.as_str(), budget),
        ("reverse", []) => {
            budget.build(list.len() * ELEMENT_BYTES)?;
            let mut values: Vec<_> = list.iter().collect();
            values.reverse();
            Ok(Val::list(values))
        }
        ("distinct", []) => distinct(list, budget),
        ("flatten", []) => flatten(list, 1, budget),
        ("flatten", [depth]) => match count(depth).map(u64::try_from) {
            Some(Ok(depth)) => flatten(list, depth, budget),
            Some(Err(_)) => fails("`flatten`: the depth is at least 0"),
            None => wrong(),
        },
        ("slice", [start, end]) => match (count(start), count(end)) {
            (Some(start), Some(end)) => slice(list, start, end, budget),
            _ => wrong(),
        },
        ("sort", []) => {
            budget.build(list.len() * ELEMENT_BYTES)?;
            let mut values: Vec<_> = list.iter().collect();
            sort_by(&mut values, |value| value, "sort", budget)?;
            Ok(Val::list(values))
        }
        ("@sortByAssociatedKeys", [Val::List(keys)]) if keys.len() == list.len() => {
            budget.build(list.len() * ELEMENT_BYTES * 3)?;
            let mut keyed: Vec<_> = keys.iter().zip(list.iter()).collect();
            sort_by(&mut keyed, |(key, _)| key, "sortBy", budget)?;
            Ok(Val::list(keyed.into_iter().map(|(_, value)| value).collect()))
        }
        _ => wrong(),
    }
}

pub(super) fn range<'a>(length: &Val<'a>, budget: &Budget<'_>) -> Evaluated<'a> {
    let Some(length) = count(length) else { return unsupported("lists.range", &[length]) };
    let elements = match usize::try_from(length) {
        Ok(elements) if length <= RANGE_MAX => elements,
        _ => {
            return fails(format_args!(
                "`lists.range` gives 0 to {RANGE_MAX} elements, and {length} are asked for"
            ));
        }
    };
    budget.steps(elements)?;
    budget.build(elements * ELEMENT_BYTES)?;
    Ok(Val::list((0..length).map(Val::Int).collect()))
}

fn distinct<'a>(list: &List<'a>, budget: &Budget<'_>) -> Evaluated<'a> {
    let mut values: Vec<Val<'a>> = Vec::new();
    'elements: for element in list.iter() {
        for seen in &values {
            if equal(&element, seen, budget)? {
                continue 'elements;
            }
        }
        budget.build(ELEMENT_BYTES)?;
        values.push(element);
    }
    Ok(Val::list(values))
}

fn flatten<'a>(list: &List<'a>, depth: u64, budget: &Budget<'_>) -> Evaluated<'a> {
    fn into<'a>(
        list: &List<'a>,
        depth: u64,
        flat: &mut Vec<Val<'a>>,
        budget: &Budget<'_>,
    ) -> Result<(), Failure> {
        for element in list.iter() {
            budget.steps(1)?;
            match element {
                Val::List(inner) if depth > 0 => into(&inner, depth - 1, flat, budget)?,
                other => {
                    budget.build(ELEMENT_BYTES)?;
                    flat.push(other);
                }
            }
        }
        Ok(())
    }
    let mut flat = Vec::new();
    into(list, depth, &mut flat, budget)?;
    Ok(Val::list(flat))
}

fn slice<'a>(list: &List<'a>, start: i64, end: i64, budget: &Budget<'_>) -> Evaluated<'a> {
    let places = (usize::try_from(start), usize::try_from(end));
    let (Ok(from), Ok(to)) = places else {
        return fails(format_args!("`slice`: {start} to {end} is before the beginning"));
    };
    if from > to || to > list.len() {
        let length = list.len();
        return fails(format_args!("`slice`: {start} to {end} of a list of {length} elements"));
    }
    budget.build((to - from) * ELEMENT_BYTES)?;
    Ok(Val::list((from..to).filter_map(|at| list.get(at)).collect()))
}

/// Sorts by keys, which must have the same type and an order.
fn sort_by<'a, T>(
    items: &mut [T],
    key: impl Fn(&T) -> &Val<'a>,
    function: &str,
    budget: &Budget<'_>,
) -> Result<(), Failure> {
    let Some(first) = items.first().map(&key).cloned() else { return Ok(()) };
    for item in items.iter() {
        // After this check, all keys have an order.
        let other = key(item);
        let alike =
            first.type_name() == other.type_name() || first.is_number() && other.is_number();
        if !alike || order(&first, other, budget)?.is_none() {
            let types = [type_word(first.type_name()), type_word(other.type_name())];
            return fails(format_args!(
                "`{function}`: {} and {} have no order",
                types[0], types[1]
            ));
        }
    }
    // Each comparison takes from the budget, because the keys may be long.
    let mut failed = None;
    items.sort_by(|a, b| {
        if failed.is_some() {
            return Ordering::Equal;
        }
        let compared = budget.steps(1).map_err(Failure::from);
        match compared.and_then(|()| order(key(a), key(b), budget)) {
            Ok(order) => order.unwrap_or(Ordering::Equal),
            Err(failure) => {
                failed = Some(failure);
                Ordering::Equal
            }
        }
    });
    failed.map_or(Ok(()), Err)
}
