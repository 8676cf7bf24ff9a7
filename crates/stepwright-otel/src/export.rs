//! Spans in the form of the OpenTelemetry library.

use crate::span::{Moment, Span, SpanKind, SpanStatus};
use opentelemetry::trace::{
    Event, Link, SpanContext, SpanId, SpanKind as Kind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Array, InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use std::time::{Duration, SystemTime};
use stepwright_core::Timestamp;
use stepwright_core::trace::{SpanId as OwnSpanId, TraceId as OwnTraceId};

/// The largest text of an attribute, in bytes. Longer ones are cut.
pub(crate) const ATTRIBUTE_BYTES_MAX: usize = 64 * 1024;

pub(crate) fn exported(span: Span, scope: &InstrumentationScope) -> SpanData {
    let mut events = SpanEvents::default();
    events.events = span.moments.into_iter().map(event).collect();
    let mut links = SpanLinks::default();
    let linked = |(trace, span)| Link::new(context(trace, span, true, false), Vec::new(), 0);
    links.links = span.links.into_iter().map(linked).collect();
    SpanData {
        span_context: context(span.trace, span.id, span.is_sampled, false),
        parent_span_id: span.parent.map_or(SpanId::INVALID, id),
        parent_span_is_remote: span.parent_is_remote,
        span_kind: match span.kind {
            SpanKind::Internal => Kind::Internal,
            SpanKind::Client => Kind::Client,
        },
        name: span.name.into(),
        start_time: time(span.start),
        end_time: time(span.end),
        attributes: attributes(span.attributes),
        dropped_attributes_count: 0,
        events,
        links,
        status: match span.status {
            SpanStatus::Unset => Status::Unset,
            SpanStatus::Error(why) => Status::error(cut(why)),
        },
        instrumentation_scope: scope.clone(),
    }
}

fn context(trace: OwnTraceId, span: OwnSpanId, sampled: bool, remote: bool) -> SpanContext {
    let flags = if sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
    let trace = TraceId::from_bytes(trace.0.to_be_bytes());
    SpanContext::new(trace, id(span), flags, remote, TraceState::default())
}

fn id(span: OwnSpanId) -> SpanId {
    SpanId::from_bytes(span.0.to_be_bytes())
}

fn time(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(at.0)
}

fn event(moment: Moment) -> Event {
    Event::new(moment.name, time(moment.time), attributes(moment.attributes), 0)
}

fn attributes(all: Vec<(&'static str, serde_json::Value)>) -> Vec<KeyValue> {
    all.into_iter().filter_map(|(name, value)| Some(KeyValue::new(name, shown(value)?))).collect()
}

fn shown(value: serde_json::Value) -> Option<Value> {
    Some(match value {
        serde_json::Value::Null => return None,
        serde_json::Value::Bool(flag) => Value::Bool(flag),
        serde_json::Value::String(text) => Value::String(cut(text).into()),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::I64(whole),
            (None, Some(fraction)) => Value::F64(fraction),
            (None, None) => Value::String(number.to_string().into()),
        },
        serde_json::Value::Array(items) if items.iter().all(serde_json::Value::is_string) => {
            let texts = items.into_iter().filter_map(|item| match item {
                serde_json::Value::String(text) => Some(cut(text).into()),
                _ => None,
            });
            Value::Array(Array::String(texts.collect()))
        }
        other => Value::String(cut(other.to_string()).into()),
    })
}

fn cut(mut text: String) -> String {
    if text.len() > ATTRIBUTE_BYTES_MAX {
        text.truncate(text.floor_char_boundary(ATTRIBUTE_BYTES_MAX));
        text.push('…');
    }
    text
}
