//! ldirectord.cf → our language.
//!
//! Four steps, each in a file: `parse` tells directives and sections apart, `read` types them, `service`, `server`
//! and `mail` write statements that mean the same, and `traps` names what ldirectord did that hardly anybody wanted.
//! Everything written is written out: where the defaults of the two programs differ, the file says ldirectord's.

mod check;
mod dialogue;
mod handshake;
mod mail;
mod model;
mod parse;
mod read;
mod real;
mod rest;
mod server;
mod service;
mod traps;
mod value;

use super::statement::Statements;
use super::{Desk, Imported, Resolve};
use model::{At, File, Virtual};
use value::Reader;

/// Imports a text that stands in a file of that name.
pub fn import(name: &str, text: &str, resolve: Resolve<'_>) -> Imported {
    let mut desk = Desk::new(name, text);
    let text = desk.sources.text(desk.file);
    let document = parse::parse(&text, &mut desk);
    let file = read::read(&document, &mut Reader { desk: &mut desk, resolve });
    let mut out = Statements::default();
    if !desk.complaints.has_errors() {
        let report = &mut desk.report;
        let mail = mail::write(&file, service::globals(&file), &mut out, report);
        service::common(&file, report);
        for virtual_server in &file.virtuals {
            service::write(&file, virtual_server, &mail, &mut out, &mut desk);
        }
        traps::find(&file, &mut desk.report);
    }
    desk.finish(out.0)
}

/// A value of the section, else the one for all.
fn either<'a, T>(own: Option<&'a At<T>>, all: Option<&'a At<T>>) -> Option<&'a T> {
    own.or(all).map(|said| &said.value)
}

/// Times and counts of a section, as ldirectord works them out.
struct Patience {
    /// Of the check, in seconds.
    timeout: u32,
    /// From one check to the next, in seconds.
    interval: u32,
    /// Checks that fail before a server is taken out.
    failures: u32,
    /// Echo requests in one check by ping.
    echoes: u32,
}

/// ldirectord's defaults.
const CHECK_TIMEOUT: u32 = 5;
const NEGOTIATE_TIMEOUT: u32 = 30;
const INTERVAL: u32 = 10;

impl Patience {
    fn of(file: &File, service: &Virtual) -> Self {
        let (all, own) = (&file.common, &service.common);
        let negotiates = service.check() == model::CheckType::Negotiate
            || matches!(service.check(), model::CheckType::Combined(_));
        // Each of the two is the other's default, within the section before the other level is asked.
        let timeout = if negotiates {
            let order = [&own.negotiatetimeout, &own.checktimeout, &all.negotiatetimeout, &all.checktimeout];
            order.into_iter().flatten().next().map_or(NEGOTIATE_TIMEOUT, |said| said.value)
        } else {
            let order = [&own.checktimeout, &own.negotiatetimeout, &all.checktimeout, &all.negotiatetimeout];
            order.into_iter().flatten().next().map_or(CHECK_TIMEOUT, |said| said.value)
        };
        let own_interval = own.checkinterval.as_ref().filter(|_| file.forks());
        Self {
            timeout,
            interval: *either(own_interval, all.checkinterval.as_ref()).unwrap_or(&INTERVAL),
            failures: *either(own.failurecount.as_ref(), all.failurecount.as_ref()).unwrap_or(&1),
            echoes: *either(own.checkcount.as_ref(), all.checkcount.as_ref()).unwrap_or(&1),
        }
    }
}
