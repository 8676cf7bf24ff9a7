//! The limits of a server.

use std::time::Duration;

/// The bytes of the body of a request.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The bytes of the body of a request of a webhook.
pub const HOOK_BODY_BYTES_MAX: usize = 1024 * 1024;

/// The bytes of the form of a link.
pub const LINK_BODY_BYTES_MAX: usize = 64 * 1024;

/// The bytes of the name of the person that a link is for.
pub const LINK_NAME_BYTES_MAX: usize = 128;

/// The time for which a link works.
pub const LINK_LIFE_MAX: Duration = Duration::from_hours(31 * 24);

/// The connections at once. A further one is closed at once.
pub const CONNECTIONS_MAX: usize = 20_000;

/// The streams of events at once. A further one is refused with 429.
pub const STREAMS_MAX: usize = 16_000;

/// The runs or sessions on a page of a list.
pub const LIST_PAGE_MAX: usize = 200;

/// The runs or sessions that one search reads.
pub const SEARCH_ROWS_MAX: usize = 10_000;

/// The events in one answer that is no stream.
pub const EVENTS_PAGE_MAX: usize = 1_000;

/// The runs with pending requests that the inbox shows.
pub const INBOX_RUNS_MAX: usize = 500;

/// The runs that one WebSocket follows at once. A further one is refused.
pub const SOCKET_RUNS_MAX: usize = 32;

/// The time for which a link works, if its maker does not say.
pub(crate) const LINK_LIFE: Duration = Duration::from_hours(24);

/// The time for which a link in a notification works.
pub(crate) const NOTIFIED_LINK_LIFE: Duration = Duration::from_hours(7 * 24);

/// The bytes of a body that is read before a request is decided on.
pub(crate) const SMALL_BODY_BYTES_MAX: usize = 64 * 1024;

/// The bytes of a request id that a client chooses.
pub(crate) const REQUEST_ID_BYTES_MAX: usize = 64;

/// The number of runs or sessions on a page, if the client does not say.
pub(crate) const PAGE: usize = 50;

/// The time in which a client must send the headers of a request.
pub(crate) const HEADERS_TIMEOUT: Duration = Duration::from_secs(30);

/// The time in which a client must send the body of a request.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_mins(1);

/// The time in which a WebSocket must show a key, if the server needs one.
pub(crate) const AUTH_TIMEOUT: Duration = Duration::from_secs(30);

/// The delay after a connection that could not be accepted, as when there are too many files.
pub(crate) const ACCEPT_DELAY: Duration = Duration::from_millis(100);

/// The time between comments on a silent stream.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The time that requests under way have to end when the server stops.
pub(crate) const GRACE: Duration = Duration::from_secs(5);
