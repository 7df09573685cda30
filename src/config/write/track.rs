//! The lists of trackers of an instance or a group, and weights, as statements.

use std::collections::BTreeMap;

use super::Lines;
use crate::config::{Config, Tracks, Weight};

/// What an instance or a group tracks. A weight is not said where it is that of the definition.
pub(super) fn write(tracks: &Tracks, config: &Config, out: &mut Lines) {
    list(out, "track_interface", &tracks.interfaces, |_| Some(Weight::default()));
    list(out, "track_script", &tracks.scripts, |name| config.scripts.get(name).map(|script| script.weight));
    list(out, "track_file", &tracks.files, |name| config.files.get(name).map(|file| file.weight));
    let process = |name: &str| config.processes.get(name).map(|process| process.weight);
    list(out, "track_process", &tracks.processes, process);
    let neighbour = |name: &str| config.neighbours.get(name).map(|neighbour| neighbour.weight);
    list(out, "track_bfd", &tracks.neighbours, neighbour);
}

fn list(
    out: &mut Lines,
    keyword: &str,
    list: &BTreeMap<String, Weight>,
    own: impl Fn(&str) -> Option<Weight>,
) {
    out.list(
        keyword,
        list.iter().map(|(name, weight)| {
            let mut words = vec![name.clone()];
            let own = own(name).unwrap_or_default();
            if *weight != own {
                words.extend(["weight".to_owned(), weight.points.to_string()]);
                words.extend(direction(*weight, own));
            }
            words
        }),
    );
}

/// Without a word the direction is that of the definition.
fn direction(weight: Weight, own: Weight) -> Option<String> {
    match (weight.reverse, own.reverse) {
        (true, _) => Some("reverse".to_owned()),
        (false, true) => Some("noreverse".to_owned()),
        (false, false) => None,
    }
}

impl Lines {
    /// `weight` of a definition.
    pub(super) fn weight(&mut self, weight: Weight, default: Weight) {
        let words = [Some(weight.points.to_string()), direction(weight, Weight::default())];
        self.push("weight", words.into_iter().flatten().collect(), weight == default, None, None);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use proptest::prelude::*;

    use crate::config::{
        Bfd, Command, Config, InitFile, Parameters, Script, TrackFile, TrackProcess, Tracks, Weight,
        read_text, write,
    };

    const INSTANCE: &str = "interface eth0\nvirtual_router_id 1\nvirtual_ipaddress {\n10.0.0.9\n}\n";

    #[track_caller]
    fn config(text: &str) -> Config {
        let reading = read_text("a.conf", text);
        let shown = reading.render(crate::config::Colour::Never);
        reading.config.unwrap_or_else(|| panic!("{shown}\n{text}"))
    }

    /// The trackers alone, as text.
    fn written(config: &Config) -> String {
        let own = ["vrrp_script", "track_file", "vrrp_track_process", "bfd_instance"];
        let lists = ["track_interface", "track_script", "track_file", "track_process", "track_bfd"];
        let mut lines = write::lines(config);
        lines.retain(|line| own.contains(&line.keyword.as_str()) || line.keyword == "vrrp_instance");
        for line in lines.iter_mut().filter(|line| line.keyword == "vrrp_instance") {
            line.block.iter_mut().for_each(|block| {
                block.retain(|line| lists.contains(&line.keyword.as_str()));
            });
        }
        write::text(&lines)
    }

    /// Reading what was written gives the same, though nothing else of the instance is looked at.
    #[track_caller]
    fn survives(text: &str) {
        let before = config(text);
        let written = written(&before);
        let again = written.replacen("vrrp_instance A {\n", &format!("vrrp_instance A {{\n{INSTANCE}"), 1);
        let after = config(&again);
        assert_eq!(before.scripts, after.scripts, "{again}");
        assert_eq!(before.files, after.files, "{again}");
        assert_eq!(before.processes, after.processes, "{again}");
        assert_eq!(before.neighbours, after.neighbours, "{again}");
        assert_eq!(before.instances["A"].tracks, after.instances["A"].tracks, "{again}");
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let definitions = "vrrp_script s {\nscript \"/bin/x 'a b' \\\"c\\\"\"\nweight 7 reverse\n}\n\
             vrrp_script full {\nscript pidof\nuser nobody nogroup\ninterval 1.5\ntimeout 2\nrise 3\nfall 4\ninit_fail\n\
             weight -20\n}\nvrrp_script old {\nscript </run/x\ntimeout 0.5\n}\n\
             track_file f {\nfile /run/f\nweight 2 reverse\ninit_file 5 overwrite\n}\n\
             track_file g {\nfile \"/run/a b\"\ninit_file\n}\ntrack_file h {\nfile /run/h\nweight 0\n}\n\
             vrrp_track_process p {\nprocess nginx -g 'a b'\nparam_match initial\nquorum 2\nquorum_max 3\ndelay 0.25\n}\n\
             vrrp_track_process q {\nprocess rogue\nquorum_max 0\nfork_delay 1\nweight 254\nfull_command\n}\n\
             bfd_instance b {\nneighbor_ip 192.0.2.1\nsource_ip 192.0.2.2\nmin_rx 20.5\nmin_tx 30\nidle_tx 1200\n\
             multiplier 3\npassive\nttl 5\nmax_hops -1\nmultihop\nweight -9\nvrrp\n}\n\
             bfd_instance c {\nneighbor_ip 2001:db8::1\nhoplimit 9\nmax_hops 4\nweight 0 reverse\n}\n\
             bfd_instance d {\nneighbor_ip 2001:db8::2\nchecker\n}\n\
             bfd_instance e {\nneighbor_ip none\nttl 9\n}\n";
        let lists = "track_interface {\neth1\neth2 weight -5 reverse\neth3 weight 9\n}\n\
             track_script {\ns weight 7 noreverse\nfull weight -20\nold weight 0 reverse\n}\n\
             track_file {\nf\ng weight 3\nh weight 254 reverse\n}\ntrack_process {\np\nq weight -254\n}\n\
             track_bfd {\nb weight 9\nc weight 1 noreverse\n}\n";
        survives(&format!("{definitions}vrrp_instance A {{\n{INSTANCE}{lists}}}\n"));
        // Use before definition.
        survives(&format!("vrrp_instance A {{\n{INSTANCE}{lists}}}\n{definitions}"));
    }

    #[test]
    fn a_weight_is_said_where_it_is_not_that_of_the_definition() {
        let text = format!(
            "vrrp_script s {{\nscript /bin/x\nweight 7 reverse\n}}\nvrrp_script t {{\nscript /bin/x\n}}\n\
             vrrp_instance A {{\n{INSTANCE}track_script {{\ns weight 7\nt weight 5 reverse\n}}\n}}\n\
             vrrp_instance B {{\n{}track_script {{\ns weight 7 noreverse\nt weight 0\n}}\n}}\n",
            INSTANCE.replace("id 1", "id 2")
        );
        let written = written(&config(&text));
        let lists: Vec<&str> = written.lines().filter(|line| line.starts_with("        ")).collect();
        let expected =
            ["        s", "        t weight 5 reverse", "        s weight 7 noreverse", "        t"];
        assert_eq!(lists, expected, "{written}");
    }

    fn weight(limit: i16) -> impl Strategy<Value = Weight> {
        (-limit..=limit, any::<bool>()).prop_map(|(points, reverse)| Weight { points, reverse })
    }

    /// Words with everything in them that may need quotes.
    fn words() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec("[a-z '\"\\\\#!${}~@äé;<>]{0,8}", 0..3)
    }

    fn script() -> impl Strategy<Value = Script> {
        let who = prop::option::of("[a-z]{1,8}");
        let times = (1_000..4_294_000_000_u64, 1_000..4_294_000_000_u64);
        (words(), who, times, weight(253), 1..=2_147_483_647_u32, any::<bool>()).prop_map(
            |(arguments, user, (interval, timeout), weight, rise, init_fail)| {
                let words = std::iter::once("/bin/x".to_owned()).chain(arguments).collect();
                let (interval, timeout) = (Duration::from_micros(interval), Duration::from_micros(timeout));
                let command = Command { words, user, group: None };
                Script { command, interval, timeout, weight, rise, fall: 1, init_fail }
            },
        )
    }

    fn file() -> impl Strategy<Value = TrackFile> {
        let init = (any::<i32>(), any::<bool>()).prop_map(|(value, overwrite)| InitFile { value, overwrite });
        let path = "/[a-z '\"\\\\#!${}~@äé]{0,8}";
        (path, weight(254), prop::option::of(init)).prop_map(|(path, weight, init)| TrackFile {
            path,
            weight,
            init,
        })
    }

    fn process() -> impl Strategy<Value = TrackProcess> {
        let parameters =
            prop_oneof![Just(Parameters::Exact), Just(Parameters::Initial), Just(Parameters::Partial)];
        let max = prop::option::of(0..=u16::MAX);
        let delay = 1..=3_600_000_000_u64;
        (words(), any::<bool>(), parameters, weight(254), 1..=u16::MAX, max, delay).prop_map(
            |(arguments, full, parameters, weight, quorum, quorum_max, delay)| TrackProcess {
                full_command: full || !arguments.is_empty() || parameters != Parameters::Exact,
                process: std::iter::once("x".to_owned()).chain(arguments).collect(),
                parameters,
                weight,
                quorum: quorum.min(quorum_max.unwrap_or(u16::MAX)),
                quorum_max,
                fork_delay: Duration::from_micros(delay),
                terminate_delay: Duration::ZERO,
            },
        )
    }

    fn neighbour() -> impl Strategy<Value = Bfd> {
        let address = prop::option::of(any::<std::net::IpAddr>());
        let tx = 1_000..=4_294_967_000_u64;
        (address, any::<bool>(), tx, 1..=255_u8, weight(253), prop::option::of(any::<u8>()), 0..3_u8)
            .prop_map(|(neighbor, on, tx, number, weight, hops, who)| Bfd {
                neighbor,
                source: neighbor.filter(|_| on),
                min_rx: Duration::from_micros(tx),
                min_tx: Duration::from_millis(10),
                idle_tx: Duration::from_micros(tx.max(1_000_000)),
                multiplier: number,
                passive: on,
                ttl: number,
                max_hops: hops.map(|hops| hops.min(number)),
                multihop: on,
                weight,
                vrrp: who != 0,
                checker: who != 1,
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

        #[test]
        fn any_trackers_read_the_same_as_written(
            script in script(), file in file(), process in process(), neighbour in neighbour(),
            small in weight(253), large in weight(254),
        ) {
            let mut all = config(&format!("vrrp_instance A {{\n{INSTANCE}}}\n"));
            let mut tracks = Tracks::default();
            tracks.interfaces.insert("eth1".to_owned(), small);
            tracks.scripts.insert("s".to_owned(), small);
            tracks.files.insert("f".to_owned(), large);
            tracks.processes.insert("p".to_owned(), large);
            if neighbour.vrrp {
                tracks.neighbours.insert("b".to_owned(), small);
            }
            all.instances.values_mut().for_each(|instance| Arc::make_mut(instance).tracks = tracks.clone());
            all.scripts.insert("s".to_owned(), Arc::new(script));
            all.files.insert("f".to_owned(), Arc::new(file));
            all.processes.insert("p".to_owned(), Arc::new(process));
            all.neighbours.insert("b".to_owned(), Arc::new(neighbour));
            let text = write::text(&write::lines(&all));
            prop_assert_eq!(config(&text), all, "{}", text);
        }
    }
}
