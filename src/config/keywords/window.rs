//! Keywords of `maintenance_window`. keepalived has none of them.

use super::Form::{Block, OneOf, Word, Words};
use super::Place::{self, Global, MaintenanceWindow, RealServer, VirtualServer};
use super::Status::Works;
use super::{DIRECTORD, Form, Keyword, key};
use crate::config::{WindowClock, WindowMode};

const INSIDE: &[Place] = &[MaintenanceWindow];
const TIME: Form = Word("a time of day, HH:MM");

const fn own(name: &'static str, places: &'static [Place], form: Form, about: &'static str) -> Keyword {
    key(name, places, form, Works, about).since(DIRECTORD)
}

#[rustfmt::skip]
pub(super) const TABLE: &[Keyword] = &[
    own("maintenance_window", &[Global, VirtualServer, RealServer], Block("", MaintenanceWindow), "A time that comes by the clock, in which servers get no new connections and nobody is told that they are down: in `global_defs` all of them, in a `virtual_server` all of its own. Several add up."),
    own("days", INSIDE, Words("DAY…: mon, tue, wed, thu, fri, sat, sun, or FIRST-LAST"), "The days on which it begins.").by_default("every day"),
    own("from", INSIDE, TIME, "When it begins."),
    own("to", INSIDE, TIME, "When it ends; on the next day if that is not after `from`."),
    own("timezone", INSIDE, OneOf(&WindowClock::NAMES), "Whether the times are those of this host's clock, or UTC.").by_default("local"),
    own("mode", INSIDE, OneOf(&WindowMode::NAMES), "Whether servers keep the connections that they have (weight 0), or leave the table.").by_default("drain"),
    own("reason", INSIDE, Word("a text"), "Why: shown wherever the window is.").by_default("none"),
];
