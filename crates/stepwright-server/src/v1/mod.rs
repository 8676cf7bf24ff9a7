//! Our own API, at `/v1`.

mod definitions;
mod deliveries;
mod drive;
mod emit;
mod events;
mod hooks;
mod keys;
mod links;
mod list;
mod media;
mod metrics;
mod runs;
mod schedules;
mod sessions;
mod triggers;
mod views;

pub(crate) use views::RequestView;

use crate::state::App;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Returns the routes, with the part of the document that describes them.
pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(definitions::list_workflows))
        .routes(routes!(definitions::get_workflow))
        .routes(routes!(drive::start_run))
        .routes(routes!(runs::list_runs))
        .routes(routes!(runs::get_run))
        .routes(routes!(events::list_events))
        .routes(routes!(media::get_media))
        .routes(routes!(drive::answer_run))
        .routes(routes!(drive::cancel_run))
        .routes(routes!(drive::resume_run))
        .routes(routes!(drive::retry_run))
        .routes(routes!(drive::rerun_run))
        .routes(routes!(drive::fork_run))
        .routes(routes!(drive::send_message))
        .routes(routes!(emit::emit_event))
        .routes(routes!(runs::list_inbox))
        .routes(routes!(links::make_link))
        .routes(routes!(links::show_link, links::use_link))
        .routes(routes!(sessions::list_sessions))
        .routes(routes!(sessions::get_session))
        .routes(routes!(metrics::get_metrics))
        .routes(routes!(schedules::list_schedules))
        .routes(routes!(schedules::pause_schedule))
        .routes(routes!(schedules::resume_schedule))
        .routes(routes!(schedules::run_schedule))
        .routes(routes!(deliveries::list_deliveries))
        .routes(routes!(deliveries::redeliver))
        .routes(routes!(hooks::list_webhooks))
        .routes(routes!(hooks::renew_token))
        .routes(routes!(hooks::receive_hook))
        .routes(routes!(keys::list_keys, keys::create_key))
        .routes(routes!(keys::revoke_key))
}
