//! Texts by chance: whatever a file says, reading it ends soon, without a panic, and gives a configuration or an error.
//!
//! Each text is made of the examples in `corpus/`, one for each feature of the language. Those that bring forth a set
//! of complaints never seen before are used again. It goes on for `FUZZ_SECONDS`, from the seed `FUZZ_SEED`; a text that
//! fails is made shorter and saved, and `FUZZ_INPUT=FILE cargo test --test fuzz` tries it again.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should fail here")]

mod mutate;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use directord::config::source::{Fetched, Refusal};
use directord::config::{
    Code, Colour, Manner, Purpose, Reading, Severity, Surroundings, format, read_fetched, write,
};
use mutate::{Chance, mutate};

/// How long to go on if nothing is said. In a build for tests this is some thousands of texts.
const SECONDS: u64 = 10;
/// One text may take this long, in a build for tests on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// All of the program may take this much memory, in bytes.
const MEMORY: u64 = 6 << 30;
/// Whether every part of a configuration can be written, so that reading it gives the same.
const WRITTEN_WHOLE: bool = true;
/// Texts that are kept for being used again.
const MOST_KEPT: usize = 2000;

type Corpus = BTreeMap<String, String>;

fn corpus() -> Corpus {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let read = |entry: fs::DirEntry| {
        let text = String::from_utf8(fs::read(entry.path()).unwrap()).unwrap();
        (entry.file_name().into_string().unwrap(), text)
    };
    fs::read_dir(folder).unwrap().map(|entry| read(entry.unwrap())).collect()
}

/// Reads a text as a file of that name; it may include the corpus.
fn read(name: &str, text: &str, corpus: &Corpus, compat: bool) -> Reading {
    let fetch = |path: &Path| {
        let missing = || Refusal { code: Code::FileMissing, message: "there is no such file".to_owned() };
        let text = corpus.get(path.to_string_lossy().as_ref()).cloned().ok_or_else(missing);
        vec![Fetched { path: path.to_owned(), text }]
    };
    let variable = &|name: &str| (name == "USER").then(|| "some body#".to_owned());
    let around = Surroundings { config_id: "low", seed: 1, variable, directory: Path::new("/etc/directord") };
    let main = Fetched { path: PathBuf::from(name), text: Ok(text.to_owned()) };
    read_fetched(main, &fetch, &around, Manner { purpose: Purpose::Check, compat })
}

/// Tries a text in every way; gives the kinds of complaints that it brings forth.
fn try_text(name: &str, text: &str, corpus: &Corpus) -> BTreeSet<(Severity, Code)> {
    let mut kinds = BTreeSet::new();
    for compat in [false, true] {
        let reading = read(name, text, corpus, compat);
        let errors = reading.complaints.iter().any(|found| found.severity == Severity::Error);
        assert_eq!(reading.config.is_none(), errors, "a configuration, or an error");
        for found in &reading.complaints {
            let inside =
                if found.file == name { Some(text) } else { corpus.get(&found.file).map(String::as_str) };
            let inside = inside.expect("the complaint is about a file that was read");
            assert!(is_inside(inside, found.line, found.column, found.length), "no such place: {found}");
            assert!(!found.message.is_empty());
        }
        assert!(reading.render(Colour::Always).is_empty() == reading.complaints.is_empty());
        if let Some(config) = &reading.config {
            let written = write::text(&write::lines(config));
            assert!(
                format::format(written.as_bytes()).is_ok(),
                "what is written can be formatted:\n{written}"
            );
            let again = read("again", &written, corpus, compat);
            if WRITTEN_WHOLE {
                let shown = again.render(Colour::Never);
                assert_eq!(
                    again.config.as_ref(),
                    Some(config),
                    "written and read again:\n{written}\n{shown}"
                );
            }
        }
        kinds.extend(reading.complaints.iter().map(|found| (found.severity, found.code)));
    }
    if let Ok(once) = format::format(text.as_bytes()) {
        assert_eq!(format::format(&once), Ok(once.clone()), "formatted twice");
    }
    kinds
}

/// Whether a text has that place. A complaint about its end, or about an empty line, is one character wide.
fn is_inside(text: &str, line: u32, column: u32, length: u32) -> bool {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let Some(line) = text.split('\n').nth(line as usize - 1) else { return false };
    let width = line.chars().count();
    column >= 1 && length >= 1 && (column + length) as usize <= width.max(1) + 2
}

/// What a text brings forth, or how it fails.
fn outcome(name: &str, text: &str, corpus: &Corpus) -> Result<BTreeSet<(Severity, Code)>, String> {
    catch_unwind(AssertUnwindSafe(|| try_text(name, text, corpus))).map_err(|_| PANIC.lock().unwrap().clone())
}

/// The last panic, with its place.
static PANIC: Mutex<String> = Mutex::new(String::new());

/// Leaves out lines for as long as it still fails.
fn shortened(name: &str, text: &str, corpus: &Corpus) -> String {
    let mut text = text.to_owned();
    let end = Instant::now() + Duration::from_secs(10);
    let mut size = text.lines().count();
    while size > 0 && Instant::now() < end {
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let shorter = (0..lines.len()).step_by(size).map(|at| {
            let rest = lines.get(at + size..).unwrap_or_default();
            lines[..at].concat() + &rest.concat()
        });
        match shorter
            .filter(|shorter| shorter.len() < text.len())
            .find(|shorter| outcome(name, shorter, corpus).is_err())
        {
            Some(shorter) => text = shorter,
            None => size /= 2,
        }
    }
    text
}

/// Where a text is saved that fails.
fn saved(name: &str, text: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("failed-{name}"));
    fs::write(&path, text).unwrap();
    path
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number of seconds, or a seed"))
}

/// Ends everything if one text takes too long; each text is announced before it is tried.
fn watched(announced: &Receiver<(String, String)>) {
    let mut current: Option<(String, String)> = None;
    loop {
        match announced.recv_timeout(PATIENCE) {
            Ok(next) => current = Some(next),
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                let (name, text) = current.take().unwrap_or_default();
                eprintln!("a text takes longer than {PATIENCE:?}: {}", saved(&name, &text).display());
                std::process::exit(1);
            }
        }
    }
}

#[test]
fn any_text_is_read_soon_and_without_a_panic() {
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_AS, MEMORY, MEMORY).unwrap();
    let corpus = corpus();
    if let Ok(path) = std::env::var("FUZZ_INPUT") {
        let name = Path::new(&path).file_name().unwrap().to_str().unwrap();
        let kinds = try_text(name, &fs::read_to_string(&path).unwrap(), &corpus);
        println!("it does not fail; it brings forth {kinds:?}");
        return;
    }
    // Panics are kept for the one that is told in the end.
    std::panic::set_hook(Box::new(|panic| *PANIC.lock().unwrap() = panic.to_string()));
    let seed = number("FUZZ_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let (announce, announced) = channel();
    let watch = std::thread::spawn(move || watched(&announced));
    let end = Instant::now() + Duration::from_secs(number("FUZZ_SECONDS").unwrap_or(SECONDS));
    let mut chance = Chance::new(seed);
    let words = mutate::words();
    let mut texts: Vec<(String, String)> = corpus.clone().into_iter().collect();
    let mut seen = BTreeSet::new();
    let mut count = 0;
    while Instant::now() < end || count < texts.len() {
        // First the examples as they are.
        let (name, text) = match texts.get(count).filter(|_| count < corpus.len()) {
            Some(example) => example.clone(),
            None => {
                let (name, text) = &texts[chance.below(texts.len())];
                let other = &texts[chance.below(texts.len())].1;
                (name.clone(), mutate(text, other, &words, &mut chance))
            }
        };
        count += 1;
        announce.send((name.clone(), text.clone())).unwrap();
        match outcome(&name, &text, &corpus) {
            Ok(kinds) => {
                if seen.insert(kinds) && count > corpus.len() && texts.len() < MOST_KEPT {
                    texts.push((name, text));
                }
            }
            Err(_) => {
                let short = shortened(&name, &text, &corpus);
                let message = outcome(&name, &short, &corpus).err().unwrap_or_default();
                let path = saved(&name, &short);
                drop(std::panic::take_hook());
                panic!(
                    "text {count} of seed {seed} fails: {message}\n{short}\nAgain: FUZZ_INPUT={} cargo test --test fuzz",
                    path.display()
                );
            }
        }
    }
    drop(announce);
    watch.join().unwrap();
    println!("{count} texts from seed {seed}; {} kinds of outcome", seen.len());
}
