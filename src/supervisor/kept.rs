//! Operators' overrides in the runtime directory: they outlive the daemon.
//!
//! The file is written whole or not at all, by a thread of its own. What is torn, of another version or of another host
//! is put aside with a notice and ignored: the daemon starts as the file of its configuration says.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use serde::{Deserialize, Serialize};
use tracing::{error, warn};

use crate::director::overrides::{Act, Override};

/// The form of the file.
const VERSION: u32 = 1;

/// What the file says.
#[derive(Debug, Serialize, Deserialize)]
struct Content {
    version: u32,
    host: String,
    overrides: Vec<Override>,
}

/// What is read before anything else is believed.
#[derive(Debug, Deserialize)]
struct Origin {
    version: u32,
    host: String,
}

/// The file.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    host: String,
}

impl File {
    pub(super) fn at(path: PathBuf, host: String) -> Self {
        File { path, host }
    }

    /// What the last run left; nothing, with a notice, if that cannot be used.
    pub(super) fn load(&self) -> Vec<Override> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                warn!("overrides of the last run are lost: cannot read {}: {error}", self.path.display());
                return Vec::new();
            }
        };
        self.understand(&text).unwrap_or_else(|why| {
            let aside = self.path.with_extension("ignored");
            let _ = fs::rename(&self.path, &aside);
            warn!("overrides of the last run are ignored: {why}; the file is now {}", aside.display());
            Vec::new()
        })
    }

    fn understand(&self, text: &[u8]) -> Result<Vec<Override>, String> {
        let origin: Origin =
            serde_json::from_slice(text).map_err(|error| format!("the file is damaged: {error}"))?;
        if origin.version != VERSION {
            return Err(format!("the file is of version {}, expected {VERSION}", origin.version));
        }
        if origin.host != self.host {
            return Err(format!("the file is of the host {}, this is {}", origin.host, self.host));
        }
        let content: Content =
            serde_json::from_slice(text).map_err(|error| format!("the file is damaged: {error}"))?;
        let weights = content.overrides.iter().filter_map(|one| match one.act {
            Act::Weight(weight) => Some(weight),
            _ => None,
        });
        match weights.max().filter(|most| *most > i32::MAX.unsigned_abs()) {
            Some(most) => {
                Err(format!("the file is damaged: a weight is {most}, at most {} is allowed", i32::MAX))
            }
            None => Ok(content.overrides),
        }
    }

    /// Writes down each state that comes, the newest only, until the brain has ended.
    pub(super) fn work(&self, states: &Receiver<Arc<Vec<Override>>>) {
        let mut failed = false;
        while let Ok(first) = states.recv() {
            let newest = states.try_iter().last().unwrap_or(first);
            match self.write(&newest) {
                Ok(()) => failed = false,
                Err(error) if !failed => {
                    failed = true;
                    error!(
                        "overrides would not outlive the daemon: cannot write {}: {error}",
                        self.path.display()
                    );
                }
                Err(_) => {}
            }
        }
    }

    fn write(&self, overrides: &[Override]) -> io::Result<()> {
        if overrides.is_empty() {
            return match fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        let (version, host) = (VERSION, self.host.clone());
        let content = Content { version, host, overrides: overrides.to_vec() };
        let new = self.path.with_extension("new");
        let mut file = fs::File::create(&new)?;
        file.write_all(&serde_json::to_vec_pretty(&content)?)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::director::target::Target;

    fn one() -> Override {
        Override {
            target: Target::Director,
            act: Act::Drain { removal: None },
            owner: "alice".to_owned(),
            reason: Some("new kernel".to_owned()),
            set: Duration::from_secs(7),
            expires: Some(Duration::from_secs(9)),
            dormant: None,
        }
    }

    fn file(name: &str) -> File {
        let directory = std::env::temp_dir().join(format!("directord-kept-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        File::at(directory.join("overrides.json"), "lvs1".to_owned())
    }

    #[test]
    fn overrides_outlive_the_process() {
        let file = file("outlive");
        assert!(file.load().is_empty());
        file.write(&[one()]).unwrap();
        assert_eq!(file.load(), [one()]);
        file.write(&[]).unwrap();
        assert!(file.load().is_empty() && !file.path.exists());
        fs::remove_dir_all(file.path.parent().unwrap()).unwrap();
    }

    #[test]
    fn what_cannot_be_used_is_put_aside() {
        let file = file("aside");
        file.write(&[one()]).unwrap();
        let whole = fs::read_to_string(&file.path).unwrap();
        file.write(&[Override { act: Act::Weight(2_147_483_647), ..one() }]).unwrap();
        assert_eq!(file.load().len(), 1);
        let heavy = fs::read_to_string(&file.path).unwrap().replace("2147483647", "2147483648");
        let spoilt = [
            whole[..whole.len() / 2].to_owned(),
            whole.replace("\"version\": 1", "\"version\": 2"),
            whole.replace("lvs1", "lvs2"),
            whole.replace("drain", "brain"),
            heavy.clone(),
            "[]".to_owned(),
            String::new(),
        ];
        for text in spoilt {
            fs::write(&file.path, &text).unwrap();
            assert!(file.load().is_empty(), "{text}");
            assert!(!file.path.exists(), "{text}");
            assert_eq!(fs::read_to_string(file.path.with_extension("ignored")).unwrap(), text);
        }
        fs::remove_dir_all(file.path.parent().unwrap()).unwrap();
    }
}
