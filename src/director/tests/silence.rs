//! When the loop is to stay awake because a master may have gone.

use healthcheck::Outcome;
use vrrp::State;

use super::*;

#[test]
fn only_the_end_of_a_silence_is_waited_for_awake_and_no_check_before_it() {
    let backup = instance(51, "priority 100\n");
    let servers = "virtual_server 10.0.0.100 80 {\ndelay_loop 1\nlvs_sched rr\nlvs_method NAT\nprotocol TCP\n\
                   real_server 10.0.1.1 80 {\nTCP_CHECK {\nretry 0\n}\n}\n}\n";
    let mut desk = Desk::new(&backup);
    let mut effects = desk.configure(&(backup + servers));
    let mut checks = 0;
    while desk.director.states().all(|(_, state)| state == State::Backup) {
        for effect in effects {
            if let Effect::Probe(attempt) = effect {
                checks += 1;
                let (check, attempt) = (attempt.check, attempt.number);
                desk.tell(Event::ProbeDone { check, attempt, outcome: Outcome::passed(Duration::ZERO) });
            }
        }
        let awake = desk.director.awaits_silence();
        effects = desk.turn();
        let took_over = effects.iter().any(|effect| matches!(effect, Effect::Send(_)));
        assert_eq!(awake, took_over, "{effects:?}");
    }
    assert!(checks >= 3, "{checks} checks within the silence");
}
