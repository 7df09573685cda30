//! The file `alive`: the last moment at which no advert was late.
//!
//! It is written up to fifty times a second as long as there is a master, so it stays open and is written over in
//! place. It is one number of fixed length, which one call of the kernel writes: who is killed leaves the old one or the
//! new.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::nanos;

/// The file, open once it was written.
#[derive(Debug)]
pub(super) struct Pulse {
    path: PathBuf,
    file: Option<File>,
}

impl Pulse {
    pub(super) fn new(path: PathBuf) -> Self {
        Pulse { path, file: None }
    }

    /// Writes down a moment, by [`since_boot`](super::since_boot).
    pub(super) fn beat(&mut self, at: Duration) -> io::Result<()> {
        // Somebody may have removed the file: what is then written nobody finds.
        let file = match self.file.take().filter(|file| file.metadata().is_ok_and(|it| it.nlink() > 0)) {
            Some(file) => file,
            None => open(&self.path)?,
        };
        file.write_all_at(text(at).as_bytes(), 0)?;
        self.file = Some(file);
        Ok(())
    }
}

/// What the last life wrote.
pub(super) fn read(path: &Path) -> Option<Duration> {
    let text = fs::read_to_string(path).ok()?;
    text.trim().parse().ok().map(Duration::from_nanos)
}

/// Nanoseconds, always as many digits.
fn text(at: Duration) -> String {
    format!("{:020}\n", nanos(at))
}

/// The file with a whole number in it: what an earlier version left may be longer.
fn open(path: &Path) -> io::Result<File> {
    super::replace(path, text(Duration::ZERO).as_bytes())?;
    OpenOptions::new().write(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_beat_is_found_also_where_somebody_removed_the_file() {
        let path = std::env::temp_dir().join(format!("directord-pulse-{}", std::process::id()));
        fs::write(&path, "7 and a tail that is longer than a number\n").unwrap();
        let mut pulse = Pulse::new(path.clone());
        for seconds in [1, 100, 3] {
            pulse.beat(Duration::from_secs(seconds)).unwrap();
            assert_eq!(read(&path), Some(Duration::from_secs(seconds)));
        }
        fs::remove_file(&path).unwrap();
        pulse.beat(Duration::from_secs(9)).unwrap();
        assert_eq!(read(&path), Some(Duration::from_secs(9)));
        assert_eq!(fs::metadata(&path).unwrap().len(), 21);
        fs::remove_file(path).unwrap();
    }
}
