//! Virtual servers and their real servers as tables, with what the kernel has counted of them.

use ipvs_backend::{ConnectionCounts, Rates, ServerUsage, Traffic};

use super::super::page::{Page, Tone};
use super::{Detail, Look, Paint, duration, table};
use crate::director::snapshot::{ServerStatus, ServiceStatus};
use crate::director::target::plain;

/// Headings of numbers stand right, as the numbers do.
const STATE: [&str; 11] =
    ["  SERVER", "STATE", "FOR", "WEIGHT", "VIA", "ACTIVE", "INACT", "CONN/S", "  IN/S", " OUT/S", "WHY"];

const TRAFFIC: [&str; 14] = [
    "  SERVER",
    "ACTIVE",
    "INACT",
    "BOUND",
    "CONNS",
    "PKT-IN",
    "PKT-OUT",
    "   IN",
    "  OUT",
    "CONN/S",
    "PKT-IN/S",
    "PKT-OUT/S",
    " IN/S",
    "OUT/S",
];

/// One virtual server.
pub(super) fn show(out: &mut String, service: &ServiceStatus, detail: Detail, paint: &Paint) {
    let (words, said) = heading(service);
    let mut page = Page::new(paint.0);
    page.headed(&words, &said);
    out.push('\n');
    out.push_str(&page.finish());
    match detail {
        Detail::State => table(out, &STATE, service.servers.iter().map(state).collect(), paint),
        Detail::Traffic => {
            let of = |server: &ServerStatus| traffic_row(name(server), server.connections, server.traffic);
            let mut rows: Vec<_> = service.servers.iter().map(of).collect();
            if let (Some(sorry), Some(ServerUsage { connections, traffic })) =
                (&service.sorry_server, service.sorry_usage)
            {
                let name = format!("  {sorry} (sorry server)");
                rows.push(traffic_row(name, Some(connections), Some(traffic)));
            }
            rows.push(traffic_row("  all since it was added".to_owned(), all(service), service.traffic));
            // Who asks for numbers wants all of them.
            table(out, &TRAFFIC, rows, &Paint(Look { width: None, ..paint.0 }));
        }
    }
}

/// The connections of all its servers.
fn all(service: &ServiceStatus) -> Option<ConnectionCounts> {
    let sorry = service.sorry_usage.map(|usage| usage.connections);
    let known = service.servers.iter().filter_map(|server| server.connections).chain(sorry);
    known.reduce(|mut sum, more| {
        sum += more;
        sum
    })
}

/// What it is, and what there is to say of it as a whole.
fn heading(service: &ServiceStatus) -> (String, Vec<(Tone, String)>) {
    let mut said = Vec::new();
    if let Some(panic) = &service.panic {
        said.push((Tone::Bad, format!("PANIC: {panic}")));
    }
    match (service.quorum, &service.sorry_server) {
        (true, _) => {}
        (false, _) if service.backup_active => {
            said.push((Tone::Bad, "too few usable servers: backup servers stand in".to_owned()));
        }
        (false, Some(sorry)) => said.push((Tone::Bad, format!("no usable server: {sorry} stands in"))),
        (false, None) => said.push((Tone::Bad, "no usable server".to_owned())),
    }
    if let Some(vip) = service.vip_check.as_ref().filter(|vip| !vip.rests && vip.verdict == "down") {
        let last = vip.last.as_deref().unwrap_or_default();
        said.push((Tone::Bad, format!("its address does not answer this backup: {last}")));
    }
    let busy = |usage: &ServerUsage| usage.connections.active > 0 || usage.connections.inactive > 0;
    if let (Some(usage), Some(sorry)) = (service.sorry_usage.filter(busy), &service.sorry_server) {
        let ConnectionCounts { active, inactive, .. } = usage.connections;
        let words = format!("{active} active and {inactive} inactive connections of {}", plain(sorry));
        said.push((Tone::Plain, words));
    }
    (format!("virtual_server {} {}", service.service, service.scheduler), said)
}

fn name(server: &ServerStatus) -> String {
    format!("  {}{}", server.server, if server.backup { " (backup)" } else { "" })
}

fn state(server: &ServerStatus) -> Vec<String> {
    let weight = match server.effective_weight {
        Some(weight) if weight == server.weight => weight.to_string(),
        Some(weight) => format!("{weight} of {}", server.weight),
        None => format!("- of {}", server.weight),
    };
    let rates = server.traffic.and_then(|traffic| traffic.rates);
    let rate = |number: fn(Rates) -> u64| cell(rates.map(number), 6);
    let why = [
        server.overridden.clone(),
        Some(server.reason.clone()),
        server.weight_reason.as_ref().map(|why| format!("weight: {why}")),
    ];
    let warnings = server.checks.iter().flat_map(|check| &check.warnings);
    let warnings = warnings.map(|words| format!("warning: {words}"));
    vec![
        name(server),
        server.verdict.clone(),
        duration(server.for_seconds),
        weight,
        server.forwarding.clone(),
        cell(server.connections.map(|counts| counts.active.into()), 6),
        cell(server.connections.map(|counts| counts.inactive.into()), 5),
        rate(|rates| rates.connections),
        rate(|rates| rates.bytes_in),
        rate(|rates| rates.bytes_out),
        why.into_iter().flatten().chain(warnings).collect::<Vec<_>>().join("; "),
    ]
}

fn traffic_row(name: String, counts: Option<ConnectionCounts>, traffic: Option<Traffic>) -> Vec<String> {
    let rates = traffic.and_then(|traffic| traffic.rates);
    let count = |number: fn(ConnectionCounts) -> u32| counts.map(number).map(u64::from);
    let sum = |number: fn(Traffic) -> u64| traffic.map(number);
    let rate = |number: fn(Rates) -> u64| rates.map(number);
    let numbers = [
        count(|counts| counts.active),
        count(|counts| counts.inactive),
        count(|counts| counts.persistent),
        sum(|traffic| traffic.connections),
        sum(|traffic| traffic.packets_in),
        sum(|traffic| traffic.packets_out),
        sum(|traffic| traffic.bytes_in),
        sum(|traffic| traffic.bytes_out),
        rate(|rates| rates.connections),
        rate(|rates| rates.packets_in),
        rate(|rates| rates.packets_out),
        rate(|rates| rates.bytes_in),
        rate(|rates| rates.bytes_out),
    ];
    let widths = TRAFFIC.iter().skip(1).map(|head| head.len());
    let cells = numbers.into_iter().zip(widths).map(|(number, width)| cell(number, width));
    std::iter::once(name).chain(cells).collect()
}

/// A number that stands right in its column.
fn cell(number: Option<u64>, width: usize) -> String {
    format!("{:>width$}", number.map_or_else(|| "-".to_owned(), short))
}

/// A number in five letters at most: `999`, `1.23k`, `45.6M`, `789G`. Digits that are left out are cut off, not rounded.
fn short(number: u64) -> String {
    const UNITS: [char; 6] = ['k', 'M', 'G', 'T', 'P', 'E'];
    if number < 1000 {
        return number.to_string();
    }
    let (mut unit, mut scale) = (0, 1000);
    while number / scale >= 1000 && unit + 1 < UNITS.len() {
        unit += 1;
        scale *= 1000;
    }
    let letter = UNITS.get(unit).copied().unwrap_or('E');
    let (whole, rest) = (number / scale, number % scale);
    match whole {
        0..10 => format!("{whole}.{:02}{letter}", rest / (scale / 100)),
        10..100 => format!("{whole}.{}{letter}", rest / (scale / 10)),
        _ => format!("{whole}{letter}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let long = [0, 999, 1000, 1999, 12_345, 999_999, 1_000_000, 45_678_901, 789_000_000_000, u64::MAX];
        let words = ["0", "999", "1.00k", "1.99k", "12.3k", "999k", "1.00M", "45.6M", "789G", "18.4E"];
        assert_eq!(long.map(short), words);
    }

    #[test]
    fn each_row_has_a_cell_for_each_column() {
        assert_eq!(traffic_row(String::new(), None, None).len(), TRAFFIC.len());
        let one = traffic_row(String::new(), Some(ConnectionCounts::default()), Some(Traffic::default()));
        assert_eq!((one[1].trim(), one[4].trim(), one[9].trim()), ("0", "0", "-"));
    }
}
