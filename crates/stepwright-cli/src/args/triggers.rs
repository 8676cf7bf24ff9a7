//! The arguments about schedules, webhooks and deliveries.

use super::In;
use clap::{Args, Subcommand};

pub(super) const SCHEDULES: &str = "\
Examples:
  stepwright schedules list --db runs.db
  stepwright schedules pause digest.morning --db runs.db
  stepwright schedules resume digest.morning --db runs.db
  stepwright schedules run digest.morning --db runs.db";

#[derive(Debug, Subcommand)]
pub(crate) enum Schedules {
    /// List schedules: their next times and what happened last
    List(ScheduleList),
    /// Pause a schedule: its times pass, and runs that began go on
    Pause(OneSchedule),
    /// Resume a schedule; times that passed meanwhile are left out
    Resume(OneSchedule),
    /// Ask the server for a run now, and write the id that it will have to stdout
    Run(OneSchedule),
}

/// The arguments of `schedules list`.
#[derive(Debug, Args)]
pub(crate) struct ScheduleList {
    /// Write them as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) kept: In,
}

/// A schedule in a database.
#[derive(Debug, Args)]
pub(crate) struct OneSchedule {
    /// The id of the schedule, as `schedules list` shows it
    #[arg(value_name = "SCHEDULE_ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) kept: In,
}

pub(super) const WEBHOOKS: &str = "\
Examples:
  stepwright webhooks list --db runs.db
  stepwright webhooks renew review.opened --db runs.db";

#[derive(Debug, Subcommand)]
pub(crate) enum Webhooks {
    /// List webhooks: the times at which their tokens were made
    List(WebhookList),
    /// Make a new token, and write the path of its address to stdout; the one before is refused
    Renew(OneWebhook),
}

/// The arguments of `webhooks list`.
#[derive(Debug, Args)]
pub(crate) struct WebhookList {
    /// Write them as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) kept: In,
}

/// A webhook in a database.
#[derive(Debug, Args)]
pub(crate) struct OneWebhook {
    /// The id of the webhook, as `webhooks list` shows it
    #[arg(value_name = "WEBHOOK_ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) kept: In,
}

pub(super) const DELIVERIES: &str = "\
Examples:
  stepwright deliveries list --db runs.db
  stepwright deliveries list --pending --db runs.db
  stepwright deliveries redeliver msg_8e1a90d2f3b64c07a5d4e1f2b3c4d5e6 --db runs.db";

#[derive(Debug, Subcommand)]
pub(crate) enum Deliveries {
    /// List dead deliveries, which are not tried any more
    List(DeliveryList),
    /// Send a dead delivery again, with all its attempts
    Redeliver(Redelivered),
}

/// The arguments of `deliveries list`.
#[derive(Debug, Args)]
pub(crate) struct DeliveryList {
    /// List those that are to be sent, for the first time or again
    #[arg(long)]
    pub(crate) pending: bool,
    /// Write them as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) kept: In,
}

/// A delivery in a database.
#[derive(Debug, Args)]
pub(crate) struct Redelivered {
    /// The id of the delivery, as `deliveries list` shows it
    #[arg(value_name = "DELIVERY_ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) kept: In,
}
