//! The files that a configuration was read from, and the one place that reads them.
//!
//! The parser itself touches no disk: it is handed the text of a file, and a function that finds included ones.
//! [`from_disk`] is that function for the daemon; tests pass one that knows a few texts by heart.

use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use vrrp::Secret;

use super::complaint::Code;
use super::origin::{OriginId, Origins};
use super::syntax::builtin::Surroundings;
use super::wildcard;

/// Larger files are refused: 64 MiB hold about two million lines.
const MAX_SIZE: u64 = 64 << 20;

/// A file that was read; a number in [`Sources`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileId(pub u32);

/// A stretch of text on one line. Ordered as the text is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// Line, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
    /// Length in characters.
    pub length: u32,
    /// How the text came to be used, if not where it is written.
    pub origin: OriginId,
}

impl Span {
    /// From its beginning to the end of another; if that is on another line, to its own end.
    pub(super) fn to(self, last: Self) -> Self {
        let end = last.column.saturating_add(last.length);
        let same_line = (self.file, self.line) == (last.file, last.line) && end > self.column;
        Self { length: if same_line { end - self.column } else { self.length }, ..self }
    }
}

/// The texts that were read, for showing the lines complained of.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
    /// The expansions, for telling where a complaint's text came from.
    pub(super) origins: Origins,
}

/// One file.
#[derive(Debug, Clone)]
struct SourceFile {
    name: String,
    text: Arc<str>,
    /// Where each line starts, in bytes; found out when the first line is asked for, which few files come to.
    starts: OnceLock<Vec<usize>>,
    included_at: Option<Span>,
}

/// What asking for a file gave: its name, and its text or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The file, as it is to be shown.
    pub path: PathBuf,
    /// Its text, or the refusal.
    pub text: Result<String, Refusal>,
}

/// Why a file was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The kind of complaint.
    pub code: Code,
    /// What was found and what to do.
    pub message: String,
}

impl Sources {
    /// Takes in one more file.
    pub fn add(&mut self, path: &Path, text: String, included_at: Option<Span>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        // The byte order mark that some editors leave is no part of the text.
        let text: Arc<str> = text.strip_prefix('\u{feff}').unwrap_or(&text).into();
        let starts = OnceLock::new();
        self.files.push(SourceFile { name: path.display().to_string(), text, starts, included_at });
        id
    }

    /// The name of a file; empty if there is no such file.
    pub fn name(&self, file: FileId) -> &str {
        self.file(file).map_or("", |file| &file.name)
    }

    /// The whole text of a file; empty if there is no such file.
    pub fn text(&self, file: FileId) -> Arc<str> {
        self.file(file).map_or_else(|| Arc::from(""), |file| Arc::clone(&file.text))
    }

    /// How many files were read.
    pub fn count(&self) -> usize {
        self.files.len()
    }

    /// A line of a file by its name, counted from 1, without its end; empty if there is no such line.
    pub fn line(&self, name: &str, line: u32) -> &str {
        self.named(name).and_then(|file| file.line(line)).unwrap_or("")
    }

    /// Where a file was included; `None` for the main file.
    pub fn included_at(&self, file: FileId) -> Option<Span> {
        self.file(file).and_then(|file| file.included_at)
    }

    fn file(&self, file: FileId) -> Option<&SourceFile> {
        self.files.get(usize::try_from(file.0).ok()?)
    }

    fn named(&self, name: &str) -> Option<&SourceFile> {
        self.files.iter().find(|file| file.name == name)
    }
}

impl SourceFile {
    fn line(&self, line: u32) -> Option<&str> {
        let line = usize::try_from(line.checked_sub(1)?).ok()?;
        let starts = self.starts.get_or_init(|| {
            std::iter::once(0).chain(self.text.match_indices('\n').map(|(at, _)| at + 1)).collect()
        });
        let start = *starts.get(line)?;
        let end = starts.get(line + 1).copied().unwrap_or(self.text.len());
        Some(self.text.get(start..end)?.trim_end_matches(['\n', '\r']))
    }
}

/// What this host answers to a configuration that asks.
#[derive(Debug, Clone)]
pub struct Host {
    config_id: String,
    seed: u64,
    directory: PathBuf,
}

impl Host {
    /// This host, with a config id of its own or the host's name up to its first dot.
    ///
    /// Random numbers are the same for as long as the process lives: reading an unchanged file again changes
    /// nothing.
    pub fn of(config_id: Option<&str>) -> Self {
        static SEED: OnceLock<u64> = OnceLock::new();
        let host_name = || {
            let name = nix::sys::utsname::uname().map(|name| name.nodename().to_owned()).unwrap_or_default();
            name.to_string_lossy().split('.').next().unwrap_or_default().to_owned()
        };
        Self {
            config_id: config_id.map_or_else(host_name, str::to_owned),
            // A hasher of the standard library begins with random keys.
            seed: *SEED.get_or_init(|| RandomState::new().build_hasher().finish()),
            directory: std::env::current_dir().unwrap_or_default(),
        }
    }

    /// In the form that reading takes.
    pub fn surroundings(&self) -> Surroundings<'_> {
        let variable = &|name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        Surroundings { config_id: &self.config_id, seed: self.seed, variable, directory: &self.directory }
    }
}

/// Reads the file of exactly that name.
pub fn file(path: &Path) -> Fetched {
    fetch(path.to_owned())
}

/// Reads the file of that name, or the files that a pattern with wildcards matches, in alphabetical order.
pub fn from_disk(pattern: &Path) -> Vec<Fetched> {
    if !wildcard::is_pattern(&pattern.to_string_lossy()) {
        return vec![fetch(pattern.to_owned())];
    }
    wildcard::matches(pattern, &list).into_iter().map(fetch).collect()
}

fn list(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn fetch(path: PathBuf) -> Fetched {
    let text = read(&path);
    Fetched { path, text }
}

fn read(path: &Path) -> Result<String, Refusal> {
    let metadata = fs::metadata(path).map_err(|error| refusal_of(&error))?;
    if metadata.is_dir() {
        return refuse(Code::NotAFile, "this is a directory; name the configuration file in it");
    }
    if !metadata.is_file() {
        return refuse(
            Code::NotAFile,
            "this is a device, pipe or socket; a configuration is an ordinary file",
        );
    }
    if metadata.permissions().mode() & 0o111 != 0 {
        let message = "the file may be executed, and keepalived skips such a file; take that right away \
                       with `chmod a-x`";
        return refuse(Code::FileExecutable, message);
    }
    // Enough at once: a buffer that grows is copied again and again.
    let expected = usize::try_from(metadata.len().min(MAX_SIZE)).unwrap_or(0);
    let mut bytes = Vec::with_capacity(expected + 1);
    let file = File::open(path).map_err(|error| refusal_of(&error))?;
    // One byte more than allowed tells a file that grew since it was looked at.
    file.take(MAX_SIZE + 1).read_to_end(&mut bytes).map_err(|error| refusal_of(&error))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_SIZE) {
        let message = format!("the file is larger than {} MiB; is this a configuration?", MAX_SIZE >> 20);
        return refuse(Code::FileTooLarge, message);
    }
    Ok(decode(bytes))
}

/// What a file with a secret holds, up to one byte more than `longest`, and whether others than its owner may read it.
pub(super) fn secret(path: &Path, longest: u64) -> Result<(Secret, bool), String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is no regular file".to_owned());
    }
    // Enough at once: a buffer that grows leaves copies of the secret behind.
    let mut bytes = Vec::with_capacity(usize::try_from(longest).unwrap_or(0) + 64);
    file.take(longest + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok((Secret::new(bytes), metadata.permissions().mode() & 0o077 != 0))
}

/// Bytes that are not UTF-8 become U+FFFD: harmless in comments, complained of elsewhere.
fn decode(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn refusal_of(error: &io::Error) -> Refusal {
    let (code, message) = match error.kind() {
        io::ErrorKind::NotFound => (Code::FileMissing, "there is no such file; check the name".to_owned()),
        io::ErrorKind::PermissionDenied => {
            let message = "permission denied; make the file readable for the user that the daemon runs as";
            (Code::FileUnreadable, message.to_owned())
        }
        _ => (Code::FileUnreadable, format!("the file cannot be read: {error}")),
    };
    Refusal { code, message }
}

fn refuse<T>(code: Code, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { code, message: message.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_without_their_ends() {
        let mut sources = Sources::default();
        let id = sources.add(Path::new("a.conf"), "one\r\ntwo\n\nlast".to_owned(), None);
        assert_eq!(sources.name(id), "a.conf");
        let lines: Vec<_> = (0..=5).map(|line| sources.line("a.conf", line)).collect();
        assert_eq!(lines, ["", "one", "two", "", "last", ""]);
    }

    #[test]
    fn each_unusable_file_has_its_own_refusal() {
        let directory = std::env::temp_dir().join(format!("directord-source-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let executable = directory.join("executable.conf");
        fs::write(&executable, "x").unwrap();
        fs::set_permissions(&executable, fs::Permissions::from_mode(0o755)).unwrap();
        let large = directory.join("large.conf");
        File::create(&large).unwrap().set_len(MAX_SIZE + 1).unwrap();
        let latin = directory.join("latin.conf");
        fs::write(&latin, b"# caf\xe9\n").unwrap();

        let code = |path: &Path| read(path).map_err(|refusal| refusal.code);
        assert_eq!(code(&directory.join("none.conf")), Err(Code::FileMissing));
        assert_eq!(code(&directory), Err(Code::NotAFile));
        assert_eq!(code(Path::new("/dev/null")), Err(Code::NotAFile));
        assert_eq!(code(&executable), Err(Code::FileExecutable));
        assert_eq!(code(&large), Err(Code::FileTooLarge));
        assert_eq!(code(&latin), Ok("# caf\u{fffd}\n".to_owned()));

        let names: Vec<_> = from_disk(&directory.join("la*.conf"))
            .into_iter()
            .map(|fetched| fetched.path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["large.conf", "latin.conf"]);
        fs::remove_dir_all(&directory).unwrap();
    }
}
