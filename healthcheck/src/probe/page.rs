//! What is said of an answer, whatever version of HTTP it came in: its status, and where more is said of it, its body.
//!
//! The body is read only where it matters. A digest is summed up while it comes; what is searched, or read as JSON, is
//! kept until it is complete.

use md5::{Digest as _, Md5};

use super::failure;
use crate::json;
use crate::outcome::{Failure, FailureKind};
use crate::search::Search;
use crate::spec::{Assertion, Expect, Pattern, Url};

/// The longest body read for a digest, in bytes.
const LONGEST_BODY: u64 = 16 * 1024 * 1024;
/// The longest body that is kept, in bytes.
const LONGEST_KEPT: u64 = 4 * 1024 * 1024;
/// Reading JSON up to this length takes no longer than handing it to another thread.
const SHORT: usize = 32 * 1024;

/// Whether a status passes.
pub(super) fn judge_status(url: &Url, status: u16) -> Result<(), Failure> {
    if url.status.contains(status) {
        return Ok(());
    }
    let reason = format!("HTTP status {status}, expected {}", url.status);
    Err(failure(FailureKind::BadStatus, reason))
}

/// A body that is being read.
pub(super) struct Page<'a> {
    url: &'a Url,
    md5: Option<Md5>,
    /// What is kept of it; `None` if nothing need be.
    kept: Option<Vec<u8>>,
    length: u64,
}

impl<'a> Page<'a> {
    pub(super) fn new(url: &'a Url) -> Page<'a> {
        let keep = url.pattern.is_some() || !url.json.is_empty();
        Page { url, md5: url.digest.map(|_| Md5::new()), kept: keep.then(Vec::new), length: 0 }
    }

    /// Takes in the next part, unless that makes it too long.
    pub(super) fn take(&mut self, data: &[u8]) -> Result<(), Failure> {
        let longest = if self.kept.is_some() { LONGEST_KEPT } else { LONGEST_BODY };
        self.length += data.len() as u64;
        if self.length > longest {
            let reason = format!("body longer than {} MiB", longest / 1024 / 1024);
            return Err(failure(FailureKind::TooLong, reason));
        }
        if let Some(md5) = &mut self.md5 {
            md5.update(data);
        }
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(data);
        }
        Ok(())
    }

    /// Judges it, now that it is complete. What may take a while is done apart from the attempts that wait for their
    /// servers.
    pub(super) async fn judge(self) -> Result<(), Failure> {
        if let (Some(expected), Some(md5)) = (self.url.digest, self.md5) {
            let found: [u8; 16] = md5.finalize().into();
            if found != expected {
                let reason = format!("body has MD5 sum {}, expected {}", hex(found), hex(expected));
                return Err(failure(FailureKind::BadDigest, reason));
            }
        }
        let Some(page) = self.kept else { return Ok(()) };
        let searches = |assertion: &Assertion| matches!(&assertion.expect, Expect::Is(relation, _) if relation.searches());
        let (json, pattern) = (&self.url.json, &self.url.pattern);
        if pattern.is_none() && page.len() <= SHORT && !json.iter().any(searches) {
            return judge_json(json, &page);
        }
        let (json, pattern) = (json.clone(), pattern.clone());
        let judged = tokio::task::spawn_blocking(move || {
            judge_json(&json, &page)?;
            pattern.map_or(Ok(()), |pattern| search(&pattern, &page))
        });
        judged.await.unwrap_or_else(|panic| {
            Err(failure(FailureKind::Local, format!("could not search the page: {panic}")))
        })
    }
}

fn judge_json(assertions: &[Assertion], page: &[u8]) -> Result<(), Failure> {
    json::judge(assertions, page).map_err(|reason| failure(FailureKind::BadAnswer, reason))
}

fn search(pattern: &Pattern, page: &[u8]) -> Result<(), Failure> {
    let searched =
        Search::new(pattern).map_err(|error| error.to_string()).and_then(|search| search.passes(page));
    let reason = match searched {
        Ok(true) => return Ok(()),
        Ok(false) if pattern.absent => {
            format!("the page has something in it that matches '{}'", pattern.text)
        }
        Ok(false) => format!("the page has nothing in it that matches '{}'", pattern.text),
        Err(error) => format!("the search for '{}' was given up: {error}", pattern.text),
    };
    Err(failure(FailureKind::BadAnswer, reason))
}

fn hex(digest: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(digest))
}
