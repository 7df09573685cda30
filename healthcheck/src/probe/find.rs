//! Looking for an expression in what a server delivered, apart from the attempts that wait for their servers.

use super::failure;
use crate::outcome::{Failure, FailureKind};
use crate::search::Search;
use crate::spec::Pattern;

/// Whether there is in it what should be, or is not what should not; the failure is that this cannot be found out.
pub(super) async fn passes(pattern: &Pattern, text: Vec<u8>) -> Result<bool, Failure> {
    let owned = pattern.clone();
    let searched = tokio::task::spawn_blocking(move || {
        let search = Search::new(&owned).map_err(|error| error.to_string())?;
        search.passes(&text)
    });
    match searched.await {
        Ok(Ok(passes)) => Ok(passes),
        Ok(Err(error)) => {
            let reason = format!("the search for '{}' was given up: {error}", pattern.text);
            Err(failure(FailureKind::BadAnswer, reason))
        }
        Err(panic) => Err(failure(FailureKind::Local, format!("could not search the answer: {panic}"))),
    }
}

/// There is not what should be, or is what should not; `what` names the text.
pub(super) fn missed(pattern: &Pattern, what: &str) -> Failure {
    let found = if pattern.absent { "something" } else { "nothing" };
    failure(FailureKind::BadAnswer, format!("{what} has {found} in it that matches '{}'", pattern.text))
}
