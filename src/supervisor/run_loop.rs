//! The one loop: it hands facts and time to the brain and carries out what the brain wants.
//!
//! It lives on a thread of its own and waits in one place only, for the kernel to say that something happened.
//! In this order, each round:
//!
//! 0. whether the clock was set: adverts that are signed tell the time of day,
//! 1. adverts that arrived: whoever was held up must hear what was said meanwhile before it believes in a silence,
//! 2. deadlines that have come (an advert that is due, a master that fell silent),
//! 3. facts and questions from the workers, a bounded number, ending early when a deadline comes,
//! 4. a piece of what readers want to know,
//! 5. a rest of two milliseconds at most, where adverts come by the thousand each second.
//!
//! It is a plain `epoll` loop with a timerfd, not an asynchronous runtime: the runtime's timers round up to the next
//! millisecond, and between "the timer fired" and "the advert left" nothing should stand but this file.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::sync::oneshot;
use tracing::{debug, error, info, warn};

use super::clock::ClockWatch;
use super::crowd::Crowd;
use super::inbox::{Inbox, Input};
use super::keeper::Punctual;
use super::memory;
use super::neighbours::Neighbours;
use super::priority;
use super::recorder::Recorder;
use super::sockets::Sockets;
use super::stretch::Stretch;
use super::vigil::Vigil;
use super::workers::Workers;
use crate::director::effect::{Effect, Transmission};
use crate::director::event::Event;
use crate::director::journal::{Entry, Severity};
use crate::director::snapshot::Snapshot;
use crate::director::{Director, Survey};

/// Facts taken from the queue in one round.
const FACTS_PER_ROUND: usize = 256;

/// Deadlines met in one round: then it is time to hear again what arrived.
const DEADLINES_PER_ROUND: usize = 64;

/// After so long a round it is time for that as well.
const ROUND: Duration = Duration::from_micros(300);

/// So long before the next advert is due there is time to go through the memory.
const LEISURE: Duration = Duration::from_millis(8);

const TIMER: u64 = 0;
const INBOX: u64 = 1;
const CLOCK: u64 = 2;
const FIRST_SOCKET: u64 = 3;
/// Beyond all sockets for adverts, however often they are opened anew.
const FIRST_NEIGHBOUR_SOCKET: u64 = 1 << 48;

/// The loop and everything that it alone owns.
pub(super) struct RunLoop {
    director: Director,
    inbox: Inbox,
    workers: Workers,
    recorder: Option<Recorder>,
    sockets: Sockets,
    neighbours: Neighbours,
    timer: TimerFd,
    /// When the timer fires. `None`: it is off, or has fired and was not set again.
    armed: Option<Instant>,
    /// It has fired, and is readable until it is set again.
    fired: bool,
    /// The deadline that the others were woken for.
    roused: Option<Instant>,
    crowd: Crowd,
    stretch: Stretch,
    vigil: Vigil,
    punctual: Punctual,
    clock: ClockWatch,
    epoll: Epoll,
    stopped: bool,
    /// What readers asked for, and where it goes.
    surveys: VecDeque<(Box<Survey>, oneshot::Sender<Snapshot>)>,
    /// Refusals to send, told once until sending works again.
    silenced: BTreeMap<String, String>,
}

impl RunLoop {
    pub(super) fn new(
        director: Director,
        inbox: Inbox,
        workers: Workers,
        recorder: Option<Recorder>,
        punctual: Punctual,
    ) -> nix::Result<Self> {
        let timer =
            TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let clock = ClockWatch::new()?;
        let readable = |token| EpollEvent::new(EpollFlags::EPOLLIN, token);
        epoll.add(&timer, readable(TIMER))?;
        epoll.add(&inbox, readable(INBOX))?;
        epoll.add(&clock, readable(CLOCK))?;
        Ok(RunLoop {
            director,
            inbox,
            workers,
            recorder,
            sockets: Sockets::new(FIRST_SOCKET),
            neighbours: Neighbours::new(FIRST_NEIGHBOUR_SOCKET),
            timer,
            armed: None,
            fired: false,
            roused: None,
            crowd: Crowd::new(Instant::now()),
            stretch: Stretch::new(Instant::now()),
            vigil: Vigil::new(Instant::now()),
            punctual,
            clock,
            epoll,
            stopped: false,
            surveys: VecDeque::new(),
            silenced: BTreeMap::new(),
        })
    }

    /// Runs until the brain has let go of everything.
    pub(super) fn run(&mut self) -> nix::Result<()> {
        priority::prefer(priority::ADVERTS);
        // Room for every socket: after a stall no deadline is met before all of them were read.
        let mut ready = vec![EpollEvent::empty(); 1024];
        while !self.stopped {
            // What is due need not be waited for: a timer that fires at once takes longer than to look.
            let overdue = self.is_late(Instant::now());
            if !overdue {
                self.arm()?;
            }
            let idle = !overdue && self.inbox.is_empty() && self.surveys.is_empty();
            let wait = if idle { EpollTimeout::NONE } else { EpollTimeout::ZERO };
            let begun = Instant::now();
            let count = match self.epoll.wait(&mut ready, wait) {
                Ok(count) => count,
                Err(nix::errno::Errno::EINTR) => continue,
                Err(errno) => return Err(errno),
            };
            let tokens = || ready.iter().take(count).map(EpollEvent::data);
            let woken = Instant::now();
            self.stretch.waited(begun, woken);
            if tokens().any(|token| token == CLOCK) {
                let wall = self.clock.rearm()?;
                self.handle(Event::ClockSet { wall }, Instant::now());
            }
            let timer = tokens().any(|token| token == TIMER);
            let fired = timer || overdue;
            for token in tokens().filter(|token| *token >= FIRST_SOCKET) {
                self.read_socket(token, fired);
            }
            if timer {
                // Whoever was asleep when the timer was to fire had to be woken.
                if let Some(at) = self.armed.take().filter(|at| idle && begun < *at) {
                    self.vigil.woken(woken.saturating_duration_since(at));
                }
                self.fired = true;
            }
            if fired {
                self.meet_deadlines();
            }
            if tokens().any(|token| token == INBOX) {
                self.inbox.clear_wakeups();
            }
            self.read_inbox();
            self.go_on_with_survey();
            self.rest();
        }
        Ok(())
    }

    /// Lets adverts come together where there are very many, and others work where there is very much to do.
    fn rest(&mut self) {
        let now = Instant::now();
        if memory::is_untidy() && self.director.next_advert().is_none_or(|at| at >= now + LEISURE) {
            memory::tidy();
        }
        if let Some(rest) = self.stretch.rest(self.director.next_advert(), now) {
            std::thread::sleep(rest);
            self.stretch.waited(now, Instant::now());
        }
        if self.armed.is_none() || !self.inbox.is_empty() || !self.surveys.is_empty() {
            return;
        }
        let until = self.armed.into_iter().chain(self.director.deadline()).min();
        if let Some(rest) = self.crowd.rest(until, Instant::now()) {
            std::thread::sleep(rest);
        }
    }

    /// Lets the brain do what is due, and carries it out.
    fn meet_deadlines(&mut self) {
        let begun = Instant::now();
        for _ in 0..DEADLINES_PER_ROUND {
            let now = Instant::now();
            if now.saturating_duration_since(begun) > ROUND {
                break;
            }
            let Some(late) = self.director.deadline().and_then(|at| now.checked_duration_since(at)) else {
                break;
            };
            priority::was_late(late);
            if let Some(recorder) = &self.recorder {
                recorder.timeout(now);
            }
            self.director.handle_timeout(now);
            self.carry_out();
        }
    }

    fn is_late(&self, now: Instant) -> bool {
        self.director.deadline().is_some_and(|deadline| deadline <= now)
    }

    /// Sets the timer to the brain's next deadline, unless it fires before that anyway: each of ten thousand adverts
    /// moves a deadline further away, and a timer that now and then fires for nothing costs less than setting it as
    /// often.
    fn arm(&mut self) -> nix::Result<()> {
        let deadline = self.director.deadline();
        self.punctual.expect(deadline);
        match deadline {
            None if self.fired => self.timer.unset()?,
            None => return Ok(()),
            Some(at) if self.armed.is_some_and(|armed| armed <= at) => return Ok(()),
            Some(at) => {
                let silence = self.director.awaits_silence();
                let vigil = self.vigil.before(at, self.director.next_advert(), silence);
                let wake = at.checked_sub(vigil).unwrap_or(at);
                let left = wake.saturating_duration_since(Instant::now());
                if self.fired && left.is_zero() && !vigil.is_zero() {
                    // As long as the timer has fired, the loop does not sleep, and those who take over with it neither.
                    if silence && self.roused.replace(at) != Some(at) {
                        self.workers.rouse();
                    }
                    return Ok(());
                }
                // Zero would disarm the timer: a deadline that has passed fires after the shortest time there is.
                let left = left.max(Duration::from_nanos(1));
                self.timer.set(Expiration::OneShot(TimeSpec::from(left)), TimerSetTimeFlags::empty())?;
                self.armed = Some(wake);
            }
        }
        self.fired = false;
        Ok(())
    }

    /// Reads what arrived on a socket: all of it before a silence is believed in.
    fn read_socket(&mut self, token: u64, all: bool) {
        let heard = match token {
            FIRST_NEIGHBOUR_SOCKET.. => self.neighbours.read(token),
            _ => self.sockets.read(token, all),
        };
        self.crowd.heard(heard.len(), Instant::now());
        for (event, arrived) in heard {
            self.handle(event, arrived);
        }
    }

    fn read_inbox(&mut self) {
        for _ in 0..FACTS_PER_ROUND {
            match self.inbox.next() {
                None => break,
                Some(Input::Event(event)) => self.handle(event, Instant::now()),
                Some(Input::Snapshot(reply)) => {
                    self.surveys.push_back((self.director.survey(Instant::now()), reply));
                }
                Some(Input::Question(question)) => question.0(&self.director, Instant::now()),
            }
            if self.is_late(Instant::now()) {
                break;
            }
        }
    }

    /// Goes on with what the first reader in the queue asked for.
    fn go_on_with_survey(&mut self) {
        let Some((survey, reply)) = self.surveys.pop_front() else { return };
        match self.director.survey_on(survey, Instant::now()) {
            Ok(snapshot) => drop(reply.send(snapshot)),
            // A reader that has gone away needs no answer.
            Err(_) if reply.is_closed() => {}
            Err(rest) => self.surveys.push_front((rest, reply)),
        }
    }

    fn handle(&mut self, event: Event, now: Instant) {
        if let Some(recorder) = &self.recorder {
            recorder.event(now, &event);
        }
        self.director.handle_event(event, now);
        self.carry_out();
    }

    fn carry_out(&mut self) {
        while let Some(effect) = self.director.poll_effect() {
            if let Some(recorder) = &self.recorder {
                recorder.effect(&effect);
            }
            match effect {
                Effect::Send(transmission) => self.send(&transmission),
                Effect::Sockets(level) => self.sockets.converge(&level, &self.epoll),
                Effect::SendToNeighbour(packet) => {
                    self.neighbours.send(&packet);
                    self.vigil.sent(Instant::now());
                }
                Effect::NeighbourSockets(level) => self.neighbours.converge(&level, &self.epoll),
                Effect::Addresses(level) => self.workers.addresses(level),
                Effect::Host(level) => self.workers.host(level),
                Effect::Announce(announcement) => self.workers.announce(announcement),
                Effect::Table(level) => self.workers.table(level),
                Effect::IpvsSettings(level) => self.workers.ipvs_settings(level),
                Effect::Judged => self.workers.judged(),
                Effect::SyncDaemons(level) => self.workers.sync(level),
                Effect::Count(level) => self.workers.count(level),
                Effect::KeepOverrides(all) => self.workers.keep_overrides(all),
                Effect::Probe(attempt) => self.workers.probe(attempt),
                Effect::Watch(level) => self.workers.watch(level),
                Effect::RunScript(run) => self.workers.run_script(run),
                Effect::Tell(telling) => self.workers.tell(telling),
                Effect::Keep(keepsake) => self.workers.keep(keepsake),
                Effect::Notify(notice) => self.workers.notify(notice),
                Effect::Log(entry) => log(&entry),
                Effect::Settled(settlement) => self.workers.settled(settlement),
                Effect::Stopped => self.stopped = true,
            }
        }
    }

    fn send(&mut self, transmission: &Transmission) {
        let place = &transmission.socket.interface;
        let sent = self.sockets.send(transmission);
        self.vigil.sent(Instant::now());
        match sent {
            Ok(()) => {
                if self.silenced.remove(place).is_some() {
                    info!("adverts leave by {place} again");
                }
            }
            Err(error) => {
                let text = error.to_string();
                if self.silenced.get(place) != Some(&text) {
                    error!("an advert could not leave by {place}: {text}");
                    self.silenced.insert(place.clone(), text);
                }
            }
        }
    }
}

/// Writes a line to the log's own queue; the log never makes the loop wait.
fn log(entry: &Entry) {
    match entry.severity() {
        Severity::Error => error!("{entry}"),
        Severity::Warning => warn!("{entry}"),
        Severity::Info => info!("{entry}"),
        Severity::Debug => debug!("{entry}"),
    }
}
