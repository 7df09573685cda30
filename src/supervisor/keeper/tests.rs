use std::sync::mpsc;
use std::time::SystemTime;

use super::*;
use crate::director::legacy::Role;

fn directory(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("directord-keeper-{name}-{}", std::process::id()));
    fs::create_dir_all(&path).unwrap();
    path
}

fn master() -> Job {
    let role = Role {
        vrid: 51,
        state: State::Master,
        priority: 200,
        interval: Duration::from_millis(100),
        since: SystemTime::UNIX_EPOCH,
        overridden: None,
    };
    Job::Keep(Keepsake::Role("VI_1".into(), Some(role)))
}

/// A life in which an instance is master, and its end.
fn live(path: &Path, end: Option<Job>) {
    let (jobs, queue) = mpsc::channel();
    let punctual = Punctual::new();
    punctual.expect(None);
    let keeper = Keeper::new(path, Found::load(path), punctual);
    let thread = std::thread::spawn(move || keeper.work(&queue));
    jobs.send(master()).unwrap();
    // A life that is cut off has at least got as far as this.
    while !(path.join(STATE).exists() && path.join(ALIVE).exists()) && end.is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    if let Some(end) = end {
        jobs.send(end).unwrap();
    }
    drop(jobs);
    thread.join().unwrap();
}

#[test]
fn the_next_life_finds_what_was_left_and_how_long_ago() {
    let path = directory("left");
    let at = since_boot();
    live(&path, Some(Job::Left(at)));
    let found = Found::load(&path);
    assert!(found.is_planned());
    let inheritance = found.inheritance();
    assert_eq!(inheritance.legacy.roles["VI_1"].priority, 200);
    assert!(inheritance.age <= since_boot().saturating_sub(at) && inheritance.planned);
    fs::remove_dir_all(path).unwrap();
}

#[test]
fn a_life_that_was_cut_off_leaves_the_time_when_it_was_in_time() {
    let path = directory("cut");
    live(&path, None);
    let found = Found::load(&path);
    assert!(!found.is_planned());
    let age = found.inheritance().age;
    assert!(age > Duration::ZERO && age < Duration::from_secs(60), "{age:?}");
    fs::remove_dir_all(path).unwrap();
}

#[test]
fn an_orderly_end_leaves_nothing() {
    let path = directory("over");
    live(&path, None);
    live(&path, Some(Job::Over));
    assert!(!is_there(&path));
    assert!(Found::load(&path).inheritance().legacy.roles.is_empty());
    fs::remove_dir_all(path).unwrap();
}

#[test]
fn a_brain_that_is_late_is_not_called_alive() {
    let path = directory("late");
    let punctual = Punctual::new();
    let mut keeper = Keeper::new(&path, Found::default(), punctual.clone());
    punctual.expect(Some(Instant::now()));
    keeper.tell_alive(Instant::now() + Duration::from_millis(1));
    assert!(!path.join(ALIVE).exists());
    punctual.expect(Some(Instant::now() + Duration::from_secs(60)));
    keeper.tell_alive(Instant::now());
    assert!(path.join(ALIVE).exists());
    fs::remove_dir_all(path).unwrap();
}

#[test]
fn what_cannot_be_believed_is_ignored_with_a_reason() {
    let path = directory("bad");
    live(&path, Some(Job::Left(since_boot())));
    let good = fs::read_to_string(path.join(STATE)).unwrap();
    let place = Place::here();
    let cases = [
        (good[..good.len() / 2].to_owned(), "it is damaged"),
        (String::new(), "it is damaged"),
        ("\0\0\0".to_owned(), "it is damaged"),
        (good.replace("\"format\":1", "\"format\":2"), "in another form than this version reads"),
        (good.replace("\"roles\":{", "\"roles\":{\"VI_2\":7,"), "in another form than this version reads"),
        (
            good.replace(&format!("\"host\":\"{}\"", place.host), "\"host\":\"elsewhere\""),
            "of the host elsewhere",
        ),
        (good.replace(&place.boot, "another"), "before the last boot"),
        (
            good.replace(&format!("\"namespace\":{}", place.namespace), "\"namespace\":1"),
            "another network namespace",
        ),
    ];
    for (text, words) in cases {
        assert_ne!(text, good, "{words}: nothing was changed");
        fs::write(path.join(STATE), &text).unwrap();
        let error = read(&path).map(|_| ()).unwrap_err();
        assert!(error.contains(words), "{error}");
        assert!(Found::load(&path).inheritance().legacy.roles.is_empty());
    }
    fs::write(path.join(STATE), [0xff, 0xfe, 0x00]).unwrap();
    assert!(read(&path).is_err());
    fs::remove_dir_all(path).unwrap();
}
