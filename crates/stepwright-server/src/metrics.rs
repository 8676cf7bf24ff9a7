//! The metrics of this server, as Prometheus reads them.

use http::{Method, StatusCode};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The upper ends of the classes of a duration, in seconds.
const CLASSES: [f64; 7] = [0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0];

/// The counters of requests and connections.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    requests: Mutex<Requests>,
    connections: AtomicUsize,
}

#[derive(Debug, Default)]
struct Requests {
    /// By method, route and status. Routes are those of the router, so that there are few.
    answered: BTreeMap<(&'static str, String, u16), u64>,
    classes: [u64; CLASSES.len()],
    count: u64,
    time: Duration,
}

/// A connection that is counted until it ends.
#[derive(Debug)]
pub(crate) struct Counted<'c>(&'c Counters);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Returns the method, if it is one that a route can have.
fn known(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| method.as_str() == *known).unwrap_or("other")
}

impl Counters {
    /// Counts an answer. `route` is `None` for a path without a route.
    pub(crate) fn answered(
        &self,
        method: &Method,
        route: Option<&str>,
        status: StatusCode,
        time: Duration,
    ) {
        let key = (known(method), route.unwrap_or("none").to_owned(), status.as_u16());
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.answered.entry(key).or_default() += 1;
        requests.count += 1;
        requests.time += time;
        for (class, end) in requests.classes.iter_mut().zip(CLASSES) {
            if time.as_secs_f64() <= end {
                *class += 1;
            }
        }
    }

    /// Counts a connection for as long as the value lives.
    pub(crate) fn connection(&self) -> Counted<'_> {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Counted(self)
    }

    /// Writes the counters.
    pub(crate) fn write(&self, text: &mut Text) {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        text.head("stepwright_http_requests_total", "counter", "Requests that were answered.");
        for ((method, route, status), count) in &requests.answered {
            let status = status.to_string();
            let labels = [("method", *method), ("route", route), ("status", &status)];
            text.value("stepwright_http_requests_total", &labels, *count);
        }
        let name = "stepwright_http_request_duration_seconds";
        text.head(name, "histogram", "The time to the head of an answer.");
        for (end, count) in CLASSES.iter().zip(requests.classes) {
            text.value(&format!("{name}_bucket"), &[("le", &end.to_string())], count);
        }
        text.value(&format!("{name}_bucket"), &[("le", "+Inf")], requests.count);
        text.value(&format!("{name}_sum"), &[], requests.time.as_secs_f64());
        text.value(&format!("{name}_count"), &[], requests.count);
        text.head("stepwright_http_connections", "gauge", "Open connections.");
        let open = self.connections.load(Ordering::Relaxed);
        text.value("stepwright_http_connections", &[], open);
    }
}

/// A text in the format of Prometheus.
#[derive(Debug, Default)]
pub(crate) struct Text(pub(crate) String);

impl Text {
    /// Begins a metric.
    pub(crate) fn head(&mut self, name: &str, kind: &str, about: &str) {
        let _ = writeln!(self.0, "# HELP {name} {about}\n# TYPE {name} {kind}");
    }

    /// Adds a value.
    pub(crate) fn value(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        value: impl std::fmt::Display,
    ) {
        let escaped =
            |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels =
            if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_classes_add_up() {
        let counters = Counters::default();
        let count = |route, millis| {
            let time = Duration::from_millis(millis);
            counters.answered(&Method::GET, Some(route), StatusCode::OK, time);
        };
        count("/a\"b", 1);
        count("/a\"b", 200);
        let mut text = Text::default();
        counters.write(&mut text);
        let has = |line: &str| text.0.lines().any(|one| one == line);
        let name = "stepwright_http_requests_total";
        assert!(
            has(&format!(r#"{name}{{method="GET",route="/a\"b",status="200"}} 2"#)),
            "{text:?}"
        );
        let name = "stepwright_http_request_duration_seconds";
        assert!(has(&format!(r#"{name}_bucket{{le="0.005"}} 1"#)), "{text:?}");
        assert!(has(&format!(r#"{name}_bucket{{le="0.5"}} 2"#)), "{text:?}");
        assert!(has(&format!("{name}_count 2")), "{text:?}");
    }
}
