//! Trackers: from a reading to a priority or a fault, through delays, reloads and missing answers.

use super::*;
use crate::director::effect::{ScriptRun, Watched};
use crate::director::event::ScriptOutcome;
use crate::director::snapshot::InstanceStatus;

impl Desk {
    /// The interfaces with these names are there, up or down.
    pub(super) fn see(&mut self, links: &[(&str, bool)]) -> Vec<Effect> {
        let link = |(number, (name, up)): (usize, &(&str, bool))| {
            let last = u8::try_from(number).unwrap() + 1;
            let address = IpAddr::V4(Ipv4Addr::new(10, u8::try_from(number).unwrap(), 0, 1));
            let addresses = vec![LinkAddress { address, prefix: 24, secondary: false }];
            let mac = Some([2, 0, 0, 0, 0, last]);
            let link =
                Link { index: 7 + number as u32, up: *up, loopback: false, mac, addresses, table: None };
            ((*name).to_owned(), link)
        };
        self.tell(Event::Links(Arc::new(links.iter().enumerate().map(link).collect())))
    }

    pub(super) fn status(&self, number: usize) -> InstanceStatus {
        self.director.snapshot(self.now).instances[number].clone()
    }

    pub(super) fn first_role(&self) -> String {
        self.status(0).role
    }

    fn first_priority(&self) -> u8 {
        self.status(0).effective_priority
    }

    fn file(&mut self, number: i64) -> Vec<Effect> {
        self.tell(Event::FileRead { file: "f".into(), number, problem: None })
    }

    fn count(&mut self, count: u32) -> Vec<Effect> {
        self.tell(Event::ProcessesCounted { process: "p".into(), count })
    }

    /// Answers a run.
    fn answer(&mut self, run: u64, success: bool) -> Vec<Effect> {
        let outcome =
            if success { ScriptOutcome::Success } else { ScriptOutcome::Failure("exit status 3".into()) };
        self.tell(Event::ScriptDone { script: "s".into(), run, outcome })
    }

    /// Lets time pass, and answers each run at once.
    fn answering(&mut self, time: Duration, success: bool) {
        let end = self.now + time;
        while let Some(at) = self.director.deadline().filter(|at| *at <= end) {
            self.now = at;
            self.director.handle_timeout(at);
            for run in runs(&self.drain()) {
                self.answer(run, success);
            }
        }
        self.now = end;
    }
}

fn runs(effects: &[Effect]) -> Vec<u64> {
    let number = |effect: &Effect| match effect {
        Effect::RunScript(ScriptRun { number, .. }) => Some(*number),
        _ => None,
    };
    effects.iter().filter_map(number).collect()
}

fn watched(effects: &[Effect]) -> Option<Arc<Watched>> {
    effects.iter().rev().find_map(|effect| match effect {
        Effect::Watch(level) => Some(level.clone()),
        _ => None,
    })
}

fn logged(effects: &[Effect]) -> Vec<String> {
    effects
        .iter()
        .filter_map(|e| if let Effect::Log(entry) = e { Some(entry.to_string()) } else { None })
        .collect()
}

const SECOND: Duration = Duration::from_secs(1);

fn script(more: &str) -> String {
    format!(
        "vrrp_script s {{\nscript /bin/check\ninterval 1\n{more}\n}}\n{}",
        instance(51, "track_script {\ns\n}")
    )
}

fn file(more: &str) -> String {
    format!("track_file f {{\nfile /run/f\n{more}\n}}\n{}", instance(51, "track_file {\nf\n}"))
}

fn process(more: &str) -> String {
    format!("vrrp_track_process p {{\nprocess sshd\n{more}\n}}\n{}", instance(51, "track_process {\np\n}"))
}

#[test]
fn a_lost_interface_of_weight_0_is_a_fault_and_one_with_a_weight_lowers_the_priority() {
    let text = instance(51, "track_interface {\neth1\neth2 weight -30\n}");
    let mut desk = Desk::new(&text);
    desk.see(&[("eth0", true), ("eth1", true), ("eth2", true)]);
    desk.pass(4 * SECOND);
    assert_eq!((desk.first_role().as_str(), desk.first_priority()), ("MASTER", 100));
    let effects = desk.see(&[("eth0", true), ("eth1", true), ("eth2", false)]);
    assert_eq!((desk.first_role().as_str(), desk.first_priority()), ("MASTER", 70));
    assert!(sent(&effects).is_empty(), "the new priority goes with the next advert");
    assert_eq!(sent(&desk.pass(SECOND))[0].advert.priority, 70);
    let effects = desk.see(&[("eth0", true), ("eth1", false), ("eth2", true)]);
    assert_eq!(sent(&effects)[0].advert.priority, 0);
    assert_eq!(desk.first_role(), "FAULT");
    let status = desk.status(0);
    assert!(status.cause.contains("track_interface eth1: down"), "{}", status.cause);
    let eth1 = status.trackers.iter().find(|t| t.name == "eth1").unwrap();
    assert!(eth1.fault && eth1.adds == 0 && eth1.reading == "down" && eth1.reason == "down");
    // Gone under another name is gone.
    desk.see(&[("eth0", true), ("eth9", true), ("eth2", true)]);
    assert_eq!(desk.first_role(), "FAULT");
    assert!(desk.status(0).trackers[0].reason.contains("no such interface"));
    desk.see(&[("eth0", true), ("eth1", true), ("eth2", true)]);
    assert_eq!(desk.first_role(), "BACKUP", "never straight to MASTER");
}

#[test]
fn an_owner_is_never_weighted_and_yet_it_can_be_at_fault() {
    let lists = "state MASTER\npriority 255\ntrack_interface {\neth1 weight -30\neth2\n}";
    let mut desk = Desk::new(&instance(51, lists));
    desk.see(&[("eth0", true), ("eth2", true)]);
    desk.pass(4 * SECOND);
    assert_eq!((desk.first_role().as_str(), desk.first_priority()), ("MASTER", 255));
    desk.see(&[("eth0", true)]);
    assert_eq!(desk.first_role(), "FAULT");
}

#[test]
fn a_link_that_flaps_is_believed_in_after_its_delay() {
    let text = format!(
        "interface_up_down_delays {{\neth0 1 2\neth1 9\n}}\n{}",
        instance(51, "track_interface {\neth1\n}")
    );
    let mut desk = Desk::new(&text);
    let both = |first, second| [("eth0", first), ("eth1", second)];
    desk.see(&both(true, true));
    desk.pass(4 * SECOND);
    assert_eq!(desk.first_role(), "MASTER");
    desk.see(&both(false, true));
    desk.pass(Duration::from_millis(900));
    desk.see(&both(true, true));
    desk.pass(3 * SECOND);
    assert_eq!(desk.first_role(), "MASTER", "it was down for less than a second");
    desk.see(&both(false, true));
    desk.pass(Duration::from_millis(999));
    assert_eq!(desk.first_role(), "MASTER");
    desk.pass(Duration::from_millis(2));
    assert_eq!(desk.first_role(), "FAULT");
    desk.see(&both(true, true));
    desk.pass(Duration::from_millis(1_999));
    assert_eq!(desk.first_role(), "FAULT");
    desk.pass(Duration::from_millis(2));
    assert_eq!(desk.first_role(), "BACKUP");
    // No instance sends adverts through eth1: its delay is what the file says.
    desk.see(&both(true, false));
    desk.pass(8 * SECOND);
    assert_eq!(desk.first_role(), "MASTER");
    desk.pass(2 * SECOND);
    assert_eq!(desk.first_role(), "FAULT");
    // Up counts at once where nothing is said.
    desk.see(&both(true, true));
    assert_eq!(desk.first_role(), "BACKUP");
}

#[test]
fn a_delay_is_no_longer_than_the_patience_of_the_other_directors() {
    let text = format!("interface_up_down_delays {{\neth0 9\n}}\n{}", instance(51, ""));
    let mut desk = Desk::new(&text);
    desk.pass(4 * SECOND);
    desk.see(&[("eth0", false)]);
    desk.pass(Duration::from_millis(2_001));
    assert_eq!(desk.first_role(), "FAULT", "two adverts of the three were missed");
}

#[test]
fn an_interface_that_vanishes_counts_at_once_whatever_its_delay() {
    let text = format!("interface_up_down_delays {{\neth0 1 5\n}}\n{}", instance(51, ""));
    let mut desk = Desk::new(&text);
    desk.pass(4 * SECOND);
    desk.see(&[]);
    assert_eq!(desk.first_role(), "FAULT");
    desk.see(&[("eth0", true)]);
    assert_eq!(desk.first_role(), "BACKUP", "a new interface is believed in at once");
}

#[test]
fn an_instance_waits_for_the_first_result_of_a_script_that_could_be_a_fault() {
    let mut desk = Desk::new(&script("rise 3\nfall 3"));
    let effects = desk.pass(Duration::ZERO);
    let run = runs(&effects);
    assert_eq!(run.len(), 1);
    desk.pass(Duration::from_millis(900));
    assert_eq!(desk.first_role(), "INIT");
    assert!(desk.status(0).cause.contains("waits for the first result of track_script s"));
    desk.answer(run[0], true);
    assert_eq!(desk.first_role(), "BACKUP", "the first result decides");
    let mut desk = Desk::new(&script("rise 3\nfall 3"));
    let run = runs(&desk.pass(Duration::ZERO));
    desk.answer(run[0], false);
    assert_eq!(desk.first_role(), "FAULT");
    assert!(desk.status(0).cause.contains("exit status 3"));
}

#[test]
fn a_script_needs_as_many_results_in_a_row_as_the_file_says() {
    let mut desk = Desk::new(&script("rise 3\nfall 2"));
    desk.answering(Duration::ZERO, true);
    let mut next = |success| {
        desk.answering(SECOND, success);
        desk.first_role()
    };
    assert_eq!(next(false), "BACKUP");
    assert_eq!(next(true), "BACKUP");
    assert_eq!(next(false), "BACKUP");
    assert_eq!(next(false), "FAULT");
    assert_eq!(next(true), "FAULT");
    assert_eq!(next(true), "FAULT");
    assert_eq!(next(true), "BACKUP");
}

#[test]
fn init_fail_begins_at_fault_and_needs_the_whole_row() {
    let mut desk = Desk::new(&script("rise 2\ninit_fail"));
    assert_eq!(desk.first_role(), "FAULT", "nothing is waited for");
    desk.answering(Duration::ZERO, true);
    assert_eq!(desk.first_role(), "FAULT");
    desk.answering(SECOND, true);
    assert_eq!(desk.first_role(), "BACKUP");
}

#[test]
fn no_second_run_begins_while_one_is_under_way_and_late_answers_count_for_nothing() {
    let mut desk = Desk::new(&script("weight -20\ntimeout 2"));
    let first = runs(&desk.pass(Duration::ZERO));
    assert_eq!(first.len(), 1);
    assert!(runs(&desk.pass(5 * SECOND)).is_empty());
    desk.answer(first[0], false);
    assert_eq!(desk.first_priority(), 80);
    let second = runs(&desk.pass(SECOND));
    assert_eq!(second.len(), 1);
    assert!(second[0] > first[0]);
    desk.answer(first[0], true);
    assert_eq!(desk.first_priority(), 80, "an answer of the first run, again");
    desk.answer(second[0], true);
    assert_eq!(desk.first_priority(), 100);
}

#[test]
fn a_run_that_is_never_heard_of_again_is_a_failure() {
    let mut desk = Desk::new(&script("weight -20"));
    desk.answering(Duration::ZERO, true);
    assert_eq!(runs(&desk.pass(SECOND)).len(), 1);
    assert!(runs(&desk.pass(30 * SECOND)).is_empty());
    assert_eq!(runs(&desk.pass(2 * SECOND)).len(), 1, "and then it is run again");
    assert_eq!(desk.first_priority(), 80);
}

#[test]
fn a_reload_keeps_the_history_of_the_same_command_and_no_other() {
    let mut desk = Desk::new(&script("weight -20"));
    desk.answering(Duration::ZERO, false);
    assert_eq!(desk.first_priority(), 80);
    desk.configure(&script("weight -30\ninterval 2"));
    assert_eq!(desk.first_priority(), 70, "the same command: still down, with the new weight");
    let run = runs(&desk.pass(SECOND));
    assert_eq!(run.len(), 1);
    let effects = desk.configure(&script("weight -30").replace("/bin/check", "/bin/other"));
    assert_eq!(desk.first_priority(), 100, "another command has said nothing yet");
    desk.answer(run[0], false);
    assert_eq!(desk.first_priority(), 100, "what the old one says counts for nothing");
    let run = [runs(&effects), runs(&desk.pass(Duration::ZERO))].concat();
    desk.answer(run[0], false);
    assert_eq!(desk.first_priority(), 70);
    // The definition and its use are removed: its weight goes, and it is not run again.
    desk.configure(&instance(51, ""));
    assert_eq!(desk.first_priority(), 100);
    assert!(runs(&desk.pass(9 * SECOND)).is_empty());
    assert!(desk.status(0).trackers.is_empty());
}

#[test]
fn a_new_tracker_does_not_stop_a_running_instance_before_it_has_said_anything() {
    let mut desk = Desk::new(&instance(51, ""));
    desk.pass(4 * SECOND);
    desk.configure(&script(""));
    assert_eq!(desk.first_role(), "MASTER");
    desk.answering(Duration::ZERO, false);
    assert_eq!(desk.first_role(), "FAULT");
}

#[test]
fn the_number_in_a_file_is_multiplied_and_far_below_it_is_a_fault() {
    let mut desk = Desk::new(&file("weight -2"));
    assert_eq!(desk.first_role(), "INIT");
    desk.file(0);
    assert_eq!(desk.first_role(), "BACKUP");
    let log = logged(&desk.file(10));
    assert_eq!(desk.first_priority(), 80);
    assert!(log.iter().any(|line| line.contains("track_file f: /run/f says 10")), "{log:?}");
    assert!(log.iter().any(|line| line.contains("priority 100 -> 80")), "{log:?}");
    desk.file(127);
    assert_eq!(desk.first_role(), "FAULT");
    desk.file(-1);
    assert_eq!((desk.first_role().as_str(), desk.first_priority()), ("BACKUP", 102));
    assert_eq!(desk.status(0).trackers[0].adds, 2);
}

#[test]
fn a_file_of_weight_0_is_a_switch_for_maintenance() {
    let mut desk = Desk::new(&file("weight 0"));
    desk.file(0);
    desk.pass(4 * SECOND);
    assert_eq!(desk.first_role(), "MASTER");
    desk.file(1);
    assert_eq!(desk.first_role(), "FAULT");
    desk.file(0);
    assert_eq!(desk.first_role(), "BACKUP");
}

#[test]
fn a_file_that_is_never_read_holds_a_start_up_for_seconds_only() {
    let mut desk = Desk::new(&file("weight 0"));
    desk.pass(Duration::from_millis(2_900));
    assert_eq!(desk.first_role(), "INIT");
    desk.pass(Duration::from_millis(200));
    assert_eq!(desk.first_role(), "BACKUP");
}

#[test]
fn rubbish_in_a_file_is_told_once() {
    let mut desk = Desk::new(&file(""));
    let rubbish = || Event::FileRead { file: "f".into(), number: 0, problem: Some("it says `on`".into()) };
    let told =
        |effects: Vec<Effect>| logged(&effects).iter().filter(|line| line.contains("it says `on`")).count();
    assert!(told(desk.tell(rubbish())) > 0);
    assert_eq!(told(desk.tell(rubbish())), 0);
    desk.file(0);
    assert!(told(desk.tell(rubbish())) > 0);
}

#[test]
fn what_is_watched_outside_follows_what_is_tracked() {
    let mut desk = Desk::new("");
    let level = watched(&desk.configure(&file(""))).expect("a level");
    assert_eq!(level.files["f"].path, "/run/f");
    assert!(watched(&desk.configure(&file("weight 3"))).is_some());
    assert!(watched(&desk.configure(&file("weight 3"))).is_none(), "nothing changed");
    let effects = desk.configure(&process(""));
    let level = watched(&effects).expect("a level");
    assert!(level.files.is_empty() && level.processes.len() == 1);
    // Nobody tracks it: nobody watches it.
    let level = watched(&desk.configure("track_file f {\nfile /run/f\n}\n")).expect("a level");
    assert_eq!(*level, Watched::default());
}

#[test]
fn processes_count_once_they_have_been_there_or_gone_for_long_enough() {
    let mut desk = Desk::new(&process("quorum 2\nfork_delay 1\nterminate_delay 2"));
    assert_eq!(desk.first_role(), "INIT");
    desk.count(2);
    assert_eq!(desk.first_role(), "BACKUP", "the first count decides at once");
    desk.count(1);
    desk.pass(Duration::from_millis(1_500));
    desk.count(2);
    desk.pass(3 * SECOND);
    assert_ne!(desk.first_role(), "FAULT", "it was restarted in time");
    desk.count(1);
    desk.count(0);
    desk.pass(Duration::from_millis(1_999));
    assert_ne!(desk.first_role(), "FAULT");
    desk.pass(Duration::from_millis(2));
    assert_eq!(desk.first_role(), "FAULT");
    assert!(desk.status(0).cause.contains("0 processes, at least 2 wanted"), "{}", desk.status(0).cause);
    desk.count(3);
    desk.pass(Duration::from_millis(999));
    assert_eq!(desk.first_role(), "FAULT");
    desk.pass(Duration::from_millis(2));
    assert_eq!(desk.first_role(), "BACKUP");
    // Other limits are about the same processes.
    desk.configure(&process("quorum 4"));
    assert_eq!(desk.first_role(), "FAULT");
}

#[test]
fn there_may_be_too_many_processes() {
    let mut desk = Desk::new(&process("quorum_max 0\nweight -10"));
    desk.count(0);
    assert_eq!(desk.first_priority(), 100);
    desk.count(1);
    assert_eq!(desk.first_priority(), 90);
    desk.configure(&process("quorum_max 1\nweight -10"));
    assert_eq!(desk.first_priority(), 100);
}

#[test]
fn a_weight_moves_the_timer_of_a_backup() {
    let mut desk = Desk::new(&file("weight 1"));
    desk.file(0);
    desk.pass(Duration::from_millis(3_500));
    assert_eq!(desk.first_role(), "BACKUP");
    desk.file(100);
    desk.pass(Duration::ZERO);
    assert_eq!(desk.first_role(), "MASTER", "with priority 200 it would have taken over by now");
}

#[test]
fn an_operators_priority_lasts_through_a_reload_until_it_is_taken_back() {
    let mut desk = Desk::new(&file("weight -1"));
    desk.file(10);
    desk.pass(4 * SECOND);
    let set = |priority| Event::SetPriority { instance: "VI_1".into(), priority };
    desk.tell(set(Some(50)));
    assert_eq!(desk.first_priority(), 40);
    desk.configure(&file("weight -2"));
    let status = desk.status(0);
    assert_eq!((status.effective_priority, status.priority, status.overridden_priority), (30, 50, Some(50)));
    assert_eq!(status.role, "MASTER");
    assert_eq!(sent(&desk.pass(SECOND))[0].advert.priority, 30);
    desk.tell(set(None));
    let status = desk.status(0);
    assert_eq!((status.effective_priority, status.priority, status.overridden_priority), (80, 100, None));
    desk.tell(Event::SetPriority { instance: "nobody".into(), priority: Some(3) });
}

#[test]
fn a_stop_stops_the_scripts() {
    let mut desk = Desk::new(&script("weight -20"));
    desk.answering(2 * SECOND, true);
    desk.tell(Event::Stop);
    assert!(runs(&desk.pass(4 * SECOND)).is_empty());
}
