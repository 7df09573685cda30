//! The time that an attempt may take.

use std::future::Future;
use std::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::timeout;

/// What the runtime's clock is late by on an average: it counts whole milliseconds, rounds the end of a pause up to the next
/// of them, and then sleeps for whole milliseconds from somewhere between two.
const LATE: Duration = Duration::from_millis(1);

/// Waits for what is to come, for so long at most: to about a millisecond, and as often sooner as later, so that servers
/// which do not answer leave the table when they should, and not a little after.
pub(super) async fn within<F: Future>(limit: Duration, awaited: F) -> Result<F::Output, Elapsed> {
    timeout(asked_for(limit), awaited).await
}

/// What the runtime's clock is asked for; a short time loses a tenth at most.
fn asked_for(limit: Duration) -> Duration {
    limit - LATE.min(limit / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_asked_for_as_much_less_as_it_is_late() {
        for (limit, asked) in [(5_000_000, 4_999_000), (10_000, 9_000), (2_000, 1_800), (1, 1), (0, 0)] {
            let (limit, asked) = (Duration::from_micros(limit), Duration::from_micros(asked));
            let close = asked_for(limit).abs_diff(asked);
            assert!(close < Duration::from_micros(1), "{limit:?}: {:?}", asked_for(limit));
        }
    }
}
