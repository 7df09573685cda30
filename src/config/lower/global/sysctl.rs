//! `lvs_sysctl`: switches of the kernel's IPVS, each in a line of its own.

use std::collections::BTreeMap;

use crate::config::complaint::Code;
use crate::config::keywords;
use crate::config::lower::context::{Context, Entry, short};

/// What a value looks like.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A whole number between these.
    Number(i64, i64),
    /// Two of them.
    Two,
    /// A word.
    Word,
}

const ON: Kind = Kind::Number(0, 1);
const ANY: Kind = Kind::Number(0, i32::MAX as i64);
const DEFENCE: Kind = Kind::Number(0, 3);

/// Those of Linux 6.1 and 6.12 (`Documentation/networking/ipvs-sysctl.rst`, `vs_vars` in `ip_vs_ctl.c`).
const SWITCHES: [(&str, Kind); 30] = [
    ("am_droprate", ANY),
    ("amemthresh", ANY),
    ("backup_only", ON),
    ("cache_bypass", ON),
    ("conn_reuse_mode", Kind::Number(0, 2)),
    ("conntrack", ON),
    ("debug_level", ANY),
    ("drop_entry", DEFENCE),
    ("drop_packet", DEFENCE),
    ("est_cpulist", Kind::Word),
    ("est_nice", Kind::Number(-20, 19)),
    ("expire_nodest_conn", ON),
    ("expire_quiescent_template", ON),
    ("ignore_tunneled", ON),
    ("nat_icmp_send", ON),
    ("pmtu_disc", ON),
    ("run_estimation", ON),
    ("schedule_icmp", ON),
    ("secure_tcp", DEFENCE),
    ("sloppy_sctp", ON),
    ("sloppy_tcp", ON),
    ("snat_reroute", ON),
    ("sync_persist_mode", ON),
    ("sync_ports", Kind::Number(1, 64)),
    ("sync_qlen_max", ANY),
    ("sync_refresh_period", ANY),
    ("sync_retries", DEFENCE),
    ("sync_sock_size", ANY),
    ("sync_threshold", Kind::Two),
    ("sync_version", ON),
];

pub(super) fn lower(context: &mut Context<'_>, entry: &Entry<'_>, out: &mut BTreeMap<String, String>) {
    for line in entry.statements() {
        let name = &line.keyword;
        let known = SWITCHES.iter().find(|(known, _)| *known == name.text);
        let Some((known, kind)) = known else {
            let nearest = keywords::closest(&name.text, SWITCHES.iter().map(|(name, _)| *name));
            let suggestion = nearest
                .map_or("see `sysctl net.ipv4.vs`".to_owned(), |name| format!("did you mean `{name}`?"));
            let message = format!("there is no switch `net.ipv4.vs.{}`", short(&name.text));
            context.error_with(Code::InvalidChoice, name.span, message, suggestion.as_str());
            continue;
        };
        let wanted = if matches!(kind, Kind::Two) { 2 } else { 1 };
        if line.words.len() != wanted {
            let what = if wanted == 2 { "two whole numbers" } else { "one value" };
            let message = format!("`{known}` takes {what}, and {} stand there", line.words.len());
            context.error(Code::MissingValue, name.span, message);
            continue;
        }
        let words = line.words.iter().filter_map(|word| match kind {
            Kind::Word => Some(word.text.clone()),
            Kind::Number(min, max) => {
                context.number(known, word, *min, *max).map(|number| number.to_string())
            }
            Kind::Two => context.number(known, word, 0, i64::from(i32::MAX)).map(|number| number.to_string()),
        });
        let words: Vec<String> = words.collect();
        if words.len() == wanted {
            out.insert((*known).to_owned(), words.join(" "));
        }
    }
}
