//! What a script says: read to the end so that it never waits for us, and forgotten but for its last words.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Bytes that are kept.
const KEPT: usize = 400;

/// How long after the end of a script its output is waited for. Children that it left behind may keep the pipe open.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// Pipes that outlived their script and are still read, so that what holds them does not meet a closed one. Beyond
/// that number they are closed.
const MOST_LINGERING: usize = 256;

static LINGERING: AtomicUsize = AtomicUsize::new(0);

/// The output of one script.
#[derive(Debug)]
pub(super) struct Said {
    end: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Said {
    /// A pipe, and its end for the script.
    pub(super) fn pipe() -> io::Result<(Said, OwnedFd)> {
        let (ours, theirs) = io::pipe()?;
        let mut ours = pipe::Receiver::from_owned_fd(ours.into())?;
        let end = Arc::new(Mutex::new(Vec::new()));
        let kept = end.clone();
        let reader = tokio::spawn(async move {
            let mut piece = vec![0; 16_384];
            while let Ok(count @ 1..) = ours.read(&mut piece).await {
                if let Ok(mut kept) = kept.lock() {
                    kept.extend_from_slice(&piece[..count]);
                    let excess = kept.len().saturating_sub(KEPT);
                    kept.drain(..excess);
                }
            }
        });
        Ok((Said { end, reader: Some(reader) }, theirs.into()))
    }

    /// The last words of a script that has ended, in one line.
    pub(super) async fn last_words(&mut self) -> String {
        if let Some(mut reader) = self.reader.take()
            && timeout(LAST_WORDS, &mut reader).await.is_err()
        {
            linger(reader);
        }
        let bytes = self.end.lock().map(|kept| kept.clone()).unwrap_or_default();
        one_line(&bytes)
    }
}

impl Drop for Said {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            linger(reader);
        }
    }
}

/// Reads on for whoever still holds the pipe.
fn linger(reader: JoinHandle<()>) {
    if LINGERING.fetch_add(1, Ordering::Relaxed) >= MOST_LINGERING
        || tokio::runtime::Handle::try_current().is_err()
    {
        LINGERING.fetch_sub(1, Ordering::Relaxed);
        return reader.abort();
    }
    tokio::spawn(async move {
        let _ = reader.await;
        LINGERING.fetch_sub(1, Ordering::Relaxed);
    });
}

fn one_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let words = text.split(|c: char| c.is_whitespace() || c.is_control() || c == '\u{fffd}');
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_one_line_without_anything_that_a_terminal_obeys() {
        assert_eq!(one_line(b" a\n\tb \x1b[31mred\0\n"), "a b [31mred");
        assert_eq!(one_line(b"\xff\xfe"), "");
    }
}
