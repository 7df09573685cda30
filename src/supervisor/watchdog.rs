//! The service manager's watchdog: that the daemon works is told in the name of the thread that decides, and of no other.
//!
//! A daemon whose other threads go on while that one does not is worse than one that has ended: no advert leaves, the peer
//! takes over, and the addresses are on two machines. Whoever is not heard of any more, systemd ends and starts again, and
//! the next process goes on with everything (see [`super::keeper`]).

use std::time::Duration;

use super::inbox::Sender;

/// How often within its time the watchdog hears of us: one telling may be late.
const TELLINGS: u32 = 3;

/// Tells again and again that the brain answers, for as long as it does. Without a `limit` nobody watches.
pub(super) async fn tell(inbox: Sender, limit: Option<Duration>, alive: impl Fn()) {
    let Some(limit) = limit.filter(|limit| !limit.is_zero()) else { return };
    let mut rounds = tokio::time::interval(limit / TELLINGS);
    while inbox.ask(|_, _| ()).await.is_some() {
        alive();
        rounds.tick().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Instant;

    use super::super::host::birth;
    use super::super::inbox::{Input, inbox};
    use super::*;
    use crate::director::Director;

    const MOMENT: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn a_brain_that_does_not_answer_is_not_spoken_for() {
        let (sender, mut questions) = inbox().unwrap();
        let told = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&told);
        let limit = MOMENT * 30;
        let telling = tokio::spawn(tell(sender, Some(limit), move || {
            count.fetch_add(1, Ordering::SeqCst);
        }));
        let brain = Director::new(birth(Some(1)));
        for answered in 1..=3 {
            let question = loop {
                match questions.next() {
                    Some(Input::Question(question)) => break question,
                    Some(other) => panic!("the watchdog wants nothing but an answer: {other:?}"),
                    None => tokio::time::sleep(MOMENT).await,
                }
            };
            question.0(&brain, Instant::now());
            while told.load(Ordering::SeqCst) < answered {
                tokio::time::sleep(MOMENT).await;
            }
        }
        tokio::time::sleep(limit * 3).await;
        assert_eq!(told.load(Ordering::SeqCst), 3);
        assert!(!questions.is_empty(), "nobody was asked");
        // Whoever has ended is asked no more.
        drop(questions);
        telling.await.unwrap();
        assert_eq!(told.load(Ordering::SeqCst), 3);
    }
}
