//! The mail worker, and what it says of its work in the log.

use notify::{DeliveryReport, EmailSettings, Limits, NoticeReceiver};
use tokio::sync::{mpsc, watch};
use tracing::{error, info, warn};

/// Reports that may wait for the log.
const REPORTS: usize = 64;

/// Delivers notices until there is nobody left to send any, then what is left, within a bounded time.
pub(super) async fn work(notices: NoticeReceiver, settings: watch::Receiver<Option<EmailSettings>>) {
    let (reports, mut written) = mpsc::channel(REPORTS);
    let log = async {
        while let Some(report) = written.recv().await {
            write(&report);
        }
    };
    tokio::join!(notify::deliver(notices, settings, reports, Limits::default()), log);
}

fn write(report: &DeliveryReport) {
    match report {
        DeliveryReport::Sent { subject, refused } => {
            info!("mailed: {subject}");
            for (recipient, reply) in refused {
                error!("the mail server refused {recipient}: {reply}");
            }
        }
        DeliveryReport::Delayed { subject, reason, pause } => {
            warn!("not mailed yet, next try in {} s: {subject}: {reason}", pause.as_secs());
        }
        DeliveryReport::Lost { subject, reason } => error!("never mailed: {subject}: {reason}"),
    }
}
