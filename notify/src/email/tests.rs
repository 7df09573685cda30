use std::future::Future;

use tokio::net::TcpListener;

use super::*;
use crate::mail_server::MailServer;
use crate::notice::About;

fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(Duration::from_secs(20), future).await.expect("it ends by itself") })
}

fn notice() -> Notice {
    Notice {
        subject: "[lvs-1] VRRP Instance VI_1 - Entering MASTER state".into(),
        body: "VRRP instance VI_1 is master now.\n.\nReason: größer.\n".into(),
        about: About::Instance { name: "VI_1".into() },
    }
}

/// The dialogue's end is known to the client a little before the server has written it down.
async fn ended(server: &MailServer) -> crate::mail_server::Dialogue {
    loop {
        if let Some(dialogue) = server.dialogues().pop() {
            return dialogue;
        }
        tokio::task::yield_now().await;
    }
}

#[test]
fn one_message_goes_to_all_recipients() {
    run(async {
        let server = MailServer::start(|_| None).await;
        let accepted = server.settings().send(&notice()).await.unwrap();
        assert_eq!(accepted, Accepted { refused: vec![] });
        let dialogue = ended(&server).await;
        assert_eq!(
            dialogue.commands,
            [
                "EHLO director.example",
                "MAIL FROM:<lvs@director.example>",
                "RCPT TO:<admin@example.org>",
                "RCPT TO:<night@example.org>",
                "DATA",
                "QUIT"
            ]
        );
        let (head, body) = dialogue.message.split_once("\r\n\r\n").unwrap();
        for line in [
            "Subject: [lvs-1] VRRP Instance VI_1 - Entering MASTER state",
            "From: lvs@director.example",
            "To: admin@example.org, Second Line <night@example.org>",
            "X-Mailer: directord",
            "Auto-Submitted: auto-generated",
            "Content-Type: text/plain; charset=utf-8",
        ] {
            assert!(
                head.lines().any(|found| found.replace('"', "") == line),
                "{line} is missing from {head}"
            );
        }
        assert!(head.contains("\r\nDate: ") || head.starts_with("Date: "));
        assert!(head.contains("\r\nMessage-ID: <"));
        assert!(body.starts_with("VRRP instance VI_1 is master now.\r\n"), "{body}");
        assert!(dialogue.message.is_ascii());
    });
}

#[test]
fn a_refused_recipient_does_not_keep_the_others_from_being_told() {
    run(async {
        let server = MailServer::start(|line| line.contains("admin@").then_some("550 no such user")).await;
        let accepted = server.settings().send(&notice()).await.unwrap();
        let [(address, reply)] = &accepted.refused[..] else { panic!("{accepted:?}") };
        assert_eq!(address, "admin@example.org");
        assert!(reply.contains("550") && reply.contains("no such user"), "{reply}");
        assert!(!ended(&server).await.message.is_empty());
    });
}

#[test]
fn all_recipients_refused_is_an_error_that_names_them() {
    run(async {
        let server = MailServer::start(|line| line.starts_with("RCPT").then_some("550 no such user")).await;
        let error = server.settings().send(&notice()).await.unwrap_err();
        assert!(error.is_permanent());
        let text = error.to_string();
        for part in ["admin@example.org, night@example.org", "550", "no such user"] {
            assert!(text.contains(part), "{text}");
        }
    });
}

#[test]
fn a_try_again_later_is_not_permanent() {
    run(async {
        for manner in [
            (|line| line.starts_with("RCPT").then_some("450 greylisted")) as fn(&str) -> _,
            |line| line.starts_with("DATA").then_some("451 disk full"),
            |line| (line == "CONNECT").then_some("421 too busy"),
            |line| (line == ".").then_some("452 disk full"),
        ] {
            let server = MailServer::start(manner).await;
            let error = server.settings().send(&notice()).await.unwrap_err();
            assert!(!error.is_permanent(), "{error}");
            assert!(matches!(error, DeliveryError::Refused { .. }), "{error}");
        }
    });
}

#[test]
fn a_refused_message_is_permanent() {
    run(async {
        let server = MailServer::start(|line| (line == ".").then_some("554 spam")).await;
        let error = server.settings().send(&notice()).await.unwrap_err();
        assert!(error.is_permanent());
        assert!(error.to_string().contains("refused the message"), "{error}");
    });
}

#[test]
fn a_message_taken_before_a_silent_farewell_is_delivered() {
    run(async {
        let server = MailServer::start(|line| (line == "QUIT").then_some("")).await;
        let patient = EmailSettings { connect_timeout: Duration::from_secs(10), ..server.settings() };
        assert_eq!(patient.send(&notice()).await, Ok(Accepted { refused: vec![] }));
    });
}

#[test]
fn no_server_a_silent_one_and_a_stranger_are_told_apart() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let free = listener.local_addr().unwrap().port();
        drop(listener);
        let settings = MailServer::start(|_| None).await.settings();
        let nobody = EmailSettings { port: free, ..settings.clone() };
        let error = nobody.send(&notice()).await.unwrap_err();
        assert!(matches!(error, DeliveryError::Server { .. }) && !error.is_permanent(), "{error}");
        assert!(error.to_string().contains(&format!("127.0.0.1:{free}")), "{error}");

        let silent = MailServer::start(|_| Some("")).await.settings();
        let silent = EmailSettings { connect_timeout: Duration::from_millis(50), ..silent };
        let error = silent.send(&notice()).await.unwrap_err();
        assert!(matches!(error, DeliveryError::Timeout { .. }) && !error.is_permanent(), "{error}");

        let stranger = MailServer::start(|_| Some("SSH-2.0-OpenSSH_9.2")).await.settings();
        let error = stranger.send(&notice()).await.unwrap_err();
        assert!(matches!(error, DeliveryError::Server { .. }), "{error}");
    });
}

#[test]
fn unusable_settings_are_refused_before_anything_is_opened() {
    run(async {
        let good = MailServer::start(|_| None).await.settings();
        let to = |address: &str| EmailSettings { to: vec![address.into()], ..good.clone() };
        let error = to("nobody").send(&notice()).await.unwrap_err();
        assert!(error.to_string().contains("'nobody'") && error.is_permanent(), "{error}");
        let error = EmailSettings { to: vec![], ..good.clone() }.send(&notice()).await.unwrap_err();
        assert_eq!(error, DeliveryError::NoRecipient);
        let error = EmailSettings { helo: Some("a\r\nb".into()), ..good }.send(&notice()).await.unwrap_err();
        assert_eq!(error, DeliveryError::Helo("a\r\nb".into()));
    });
}

#[test]
fn what_the_configuration_may_hold_can_be_sent_to() {
    for address in [
        "admin@example.org",
        "root@localhost",
        "first.last+lvs@mail.example-site.org",
        "Failover Team <admin@example.org>",
        "O'Brien Jr <admin@example.org>",
        "<admin@example.org>",
        "a!#$%&'*+-/=?^_`{|}~b@example.org",
        "admin@[192.0.2.1]",
        "admin@[IPv6:2001:db8::1]",
        " admin@example.org ",
        "Größe <admin@example.org>",
    ] {
        assert_eq!(crate::check_address(address), Ok(()), "{address}");
        assert!(mailbox(address).is_ok(), "{address}");
    }
}
