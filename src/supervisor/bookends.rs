//! `startup_script` and `shutdown_script`: what is run before everything else, and after it.

use std::time::Duration;

use tracing::{info, warn};

use super::command::{Executor, Order};
use crate::config::Command;

/// Runs the script of the start, and waits for it within its time.
pub(super) async fn startup(executor: &Executor) {
    let rules = executor.rules();
    run("startup_script", rules.startup.as_ref(), rules.startup_timeout, executor).await;
}

/// Runs the script of the end, and waits for it within its time.
pub(super) async fn shutdown(executor: &Executor) {
    let rules = executor.rules();
    run("shutdown_script", rules.shutdown.as_ref(), rules.shutdown_timeout, executor).await;
}

async fn run(keyword: &str, command: Option<&Command>, limit: Duration, executor: &Executor) {
    let Some(command) = command else { return };
    let order = Order { command, arguments: &[], environment: &[] };
    match executor.run(order, limit).await {
        ending if ending.is_success() => info!("{keyword} has run"),
        ending => warn!("{keyword}: {}: {ending}", command.words.first().map_or("", String::as_str)),
    }
}
