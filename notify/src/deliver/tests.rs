use std::future::Future;

use super::*;
use crate::mail_server::MailServer;
use crate::notice::About;

fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(Duration::from_secs(20), future).await.expect("it ends by itself") })
}

fn notice(what: &str) -> Notice {
    Notice { subject: what.into(), body: format!("{what}.\n"), about: About::Instance { name: what.into() } }
}

fn limits() -> Limits {
    Limits { first_pause: Duration::from_millis(10), flush: Duration::from_millis(100), ..Limits::default() }
}

/// Everything a worker needs, and its reports.
struct Desk {
    notices: Option<Notices>,
    settings: watch::Sender<Option<EmailSettings>>,
    reports: mpsc::Receiver<DeliveryReport>,
    worker: tokio::task::JoinHandle<()>,
}

impl Desk {
    fn start(settings: Option<EmailSettings>, limits: Limits) -> Desk {
        let (notices, receiver) = channel(64);
        let (settings, settings_receiver) = watch::channel(settings);
        let (report_sender, reports) = mpsc::channel(64);
        let worker = tokio::spawn(deliver(receiver, settings_receiver, report_sender, limits));
        Desk { notices: Some(notices), settings, reports, worker }
    }

    fn say(&self, what: &str) {
        assert!(self.notices.as_ref().unwrap().send(notice(what)));
    }

    /// Ends the producers, and returns the reports that were left.
    async fn stop(mut self) -> Vec<DeliveryReport> {
        self.notices = None;
        self.worker.await.unwrap();
        let mut left = Vec::new();
        while let Some(report) = self.reports.recv().await {
            left.push(report);
        }
        left
    }
}

fn sent(what: &str) -> DeliveryReport {
    DeliveryReport::Sent { subject: what.into(), refused: vec![] }
}

#[test]
fn notices_arrive_in_order_and_are_flushed_at_the_end() {
    run(async {
        let server = MailServer::start(|_| None).await;
        let long = Limits { flush: Duration::from_secs(10), ..limits() };
        let desk = Desk::start(Some(server.settings()), long);
        for what in ["one", "two", "three"] {
            desk.say(what);
        }
        assert_eq!(desk.stop().await, [sent("one"), sent("two"), sent("three")]);
        assert_eq!(server.subjects(), ["one", "two", "three"]);
    });
}

#[test]
fn a_notice_is_tried_again_with_the_new_settings() {
    run(async {
        let busy = MailServer::start(|line| (line == "CONNECT").then_some("421 busy")).await;
        let slow = Limits { first_pause: Duration::from_secs(3600), ..limits() };
        let mut desk = Desk::start(Some(busy.settings()), slow);
        desk.say("one");
        assert!(matches!(desk.reports.recv().await, Some(DeliveryReport::Delayed { .. })));
        let server = MailServer::start(|_| None).await;
        desk.settings.send(Some(server.settings())).unwrap();
        assert_eq!(desk.reports.recv().await, Some(sent("one")));
    });
}

#[test]
fn a_notice_is_tried_again_after_a_pause_and_then_lost() {
    run(async {
        let busy = MailServer::start(|line| (line == "CONNECT").then_some("421 busy")).await;
        let mut desk = Desk::start(Some(busy.settings()), Limits { tries: 2, ..limits() });
        desk.say("one");
        assert!(matches!(desk.reports.recv().await, Some(DeliveryReport::Delayed { .. })));
        match desk.reports.recv().await {
            Some(DeliveryReport::Lost { subject, reason }) => {
                assert_eq!(subject, "one");
                assert!(reason.contains("421"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
        while busy.dialogues().len() < 2 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn without_settings_notices_are_forgotten() {
    run(async {
        let desk = Desk::start(None, limits());
        desk.say("one");
        desk.say("two");
        assert_eq!(desk.stop().await, []);
    });
}

#[test]
fn a_silent_server_does_not_hold_up_the_end() {
    run(async {
        let silent = MailServer::start(|_| Some("")).await;
        let desk = Desk::start(Some(silent.settings()), limits());
        desk.say("one");
        desk.say("two");
        let begun = Instant::now();
        let reports = desk.stop().await;
        assert!(begun.elapsed() < Duration::from_secs(5));
        let reason = "the daemon stopped before it could be delivered";
        let lost = |what: &str| DeliveryReport::Lost { subject: what.into(), reason: reason.into() };
        assert_eq!(reports, [lost("one"), lost("two")]);
    });
}

#[test]
fn the_producer_never_waits_and_what_was_dropped_is_told() {
    run(async {
        let (notices, receiver) = channel(1);
        assert!(notices.send(notice("one")));
        assert!(!notices.send(notice("two")), "nobody takes them yet");
        assert!(!notices.send(notice("three")));
        let server = MailServer::start(|_| None).await;
        let (_settings, settings) = watch::channel(Some(server.settings()));
        let (reports, _ignored) = mpsc::channel(1);
        drop(notices);
        deliver(receiver, settings, reports, Limits { flush: Duration::from_secs(10), ..limits() }).await;
        assert_eq!(server.subjects(), ["one"]);
        assert!(server.dialogues()[0].message.contains("Not delivered before this: 2 earlier notices."));
    });
}
