//! `directord check`: reads configurations and says what is wrong with them.

use std::path::Path;
use std::process::ExitCode;

use super::report::{self, Format};
use super::say;
use crate::config::source::FileId;
use crate::config::{self, Colour, Complaint, Manner, Reading, Severity};

/// `EX_NOINPUT` of sysexits.h: a file that was named cannot be read.
const UNREADABLE: u8 = 66;

/// Every complaint of every file, in one of the forms.
pub(super) fn check(
    files: &[impl AsRef<Path>],
    peer: Option<&Path>,
    host: bool,
    config_id: Option<&str>,
    manner: Manner,
    format: Format,
) -> ExitCode {
    let mut readings = read_all(files, peer, config_id, manner);
    if host && let Err(error) = look_at_host(readings.iter_mut().take(files.len())) {
        eprintln!("directord: the interfaces of this host cannot be read: {error}");
        return 2.into();
    }
    let printed = match format {
        Format::Text => text(&readings),
        _ => say(&report::report(&all(&readings), format)),
    };
    if printed == ExitCode::SUCCESS { verdict(&readings) } else { printed }
}

fn read_all(
    files: &[impl AsRef<Path>],
    peer: Option<&Path>,
    config_id: Option<&str>,
    manner: Manner,
) -> Vec<Reading> {
    let read = |file: &Path| config::read(file, config_id, manner);
    let mut readings: Vec<Reading> = files.iter().map(|file| read(file.as_ref())).collect();
    if let Some(mut peer) = peer.map(read) {
        let answered = |complaint: &Complaint| !config::hints::ANSWERED.contains(&complaint.code);
        peer.complaints.retain(answered);
        for reading in &mut readings {
            let [here, there] = config::hints::compare(reading, &peer);
            reading.complaints.retain(answered);
            reading.complaints.extend(here);
            peer.complaints.extend(there);
        }
        readings.push(peer);
    }
    readings
}

/// The files are for this host; that of the peer is not.
fn look_at_host<'a>(readings: impl Iterator<Item = &'a mut Reading>) -> std::io::Result<()> {
    let facts = super::host::facts()?;
    for reading in readings {
        let found = config::hints::on_host(reading, &facts);
        reading.complaints.extend(found);
    }
    Ok(())
}

fn all(readings: &[Reading]) -> Vec<&Complaint> {
    readings.iter().flat_map(|reading| &reading.complaints).collect()
}

/// Complaints to the standard error output, what is good to the standard output.
fn text(readings: &[Reading]) -> ExitCode {
    let colour = Colour::for_terminal(&std::io::stderr());
    let mut good = String::new();
    for reading in readings {
        eprint!("{}", reading.render(colour));
        if let Some(config) = &reading.config {
            good.push_str(&format!(
                "{}: good: {} vrrp_instances, {} virtual_servers\n",
                reading.sources.name(FileId(0)),
                config.instances.len(),
                config.virtual_servers().count()
            ));
        }
    }
    say(&good)
}

fn verdict(readings: &[Reading]) -> ExitCode {
    let worst = all(readings).iter().map(|complaint| complaint.severity).min();
    match worst {
        _ if readings.iter().any(|reading| reading.unreadable) => UNREADABLE.into(),
        Some(Severity::Error) => 2.into(),
        Some(Severity::Warning) => 1.into(),
        Some(Severity::Hint) | None => ExitCode::SUCCESS,
    }
}
