//! Jobs: a model of its own. The lock and the register are taken as given, as their own models show them: one valid holder at a
//! time, who sees what earlier holders wrote. A write of a holder may be confirmed, or stay unknown and arrive until the next
//! holder reads.
//!
//! The schedule fires at each tick. Replicas crash, lose the lock, and have clocks that differ by the skew.

use stateright::{Model, Property};

use crate::run::Checked;

pub(crate) const ONCE: &str = "under skip no firing begins twice";
pub(crate) const ALONE: &str = "no two bodies run at once";
pub(crate) const REPEATED: &str = "no completed firing begins again";
pub(crate) const NOTHING_OLD: &str = "a first deployment runs nothing that was due before it";

const REPLICAS: usize = 2;
/// The replica whose clock is ahead.
const AHEAD: usize = 1;
/// Time begins here, so that there are earlier firings.
const BEGIN: u8 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The design.
    Whole,
    /// A body begins before its start is confirmed.
    BeginsUnconfirmed,
    /// A body runs on when the lock is lost.
    RunsOn,
    /// A job without a record runs what is due.
    EmptyRunsDue,
    /// A job without a record runs what is due from now on, whatever the clocks are.
    EmptyWithoutSkew,
    /// A firing that was started is due again, also under skip.
    StartedIsDue,
    /// A replica decides by what it read before it had the lock.
    OldRecord,
    /// The next body begins before the earlier one is dropped.
    CancelsLate,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Jobs {
    pub(crate) name: &'static str,
    /// The last moment.
    pub(crate) until: u8,
    pub(crate) catch_up: u8,
    pub(crate) skew: u8,
    /// Whether a crashed firing is run again.
    pub(crate) reruns: bool,
    /// Whether each missed firing is run.
    pub(crate) all: bool,
    /// Whether the next firing cancels the one that runs.
    pub(crate) cancels: bool,
    /// How often the nodes forget the record.
    pub(crate) forgets: u8,
    /// How often a replica crashes or loses the lock.
    pub(crate) losses: u8,
    pub(crate) rule: Rule,
}

/// What is on record. Without a `begun`, nothing is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Record {
    begun: bool,
    spent: u8,
    /// The firing that was started and has no end; 0 if there is none.
    open: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Phase {
    #[default]
    Idle,
    /// It has the lock and has read.
    Reading,
    /// It has written that a firing was started.
    Starting(u8),
    Running(u8),
    /// It has written that a firing has ended.
    Ending(u8),
    /// It has written something else.
    Recording,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Replica {
    phase: Phase,
    /// What it read.
    read: Record,
    /// A body that runs without the lock.
    runs_on: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct State {
    now: u8,
    record: Record,
    /// A write that has not arrived, and of which firing it records the end.
    pending: Option<(Record, u8)>,
    replicas: [Replica; REPLICAS],
    /// The replica that has the lock, from 1.
    holder: u8,
    /// As bits: the firings that began, those that began twice, those whose completion is on record.
    begun: u16,
    twice: u16,
    completed: u16,
    /// Up to when firings were due when the record was begun.
    deployed: u8,
    forgets: u8,
    losses: u8,
    together: bool,
    repeated: bool,
    old: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Lock {
        replica: usize,
    },
    Decide,
    Arrive,
    Confirm,
    End,
    /// The holder crashes or loses the lock. Its last write may arrive, or not.
    Lose,
    Forget,
    Tick,
}

impl Jobs {
    fn is(&self, rule: Rule) -> bool {
        self.rule == rule
    }

    fn clock(&self, state: &State, replica: usize) -> u8 {
        state.now + if replica == AHEAD { self.skew } else { 0 }
    }

    fn due(&self, spent: u8, clock: u8) -> Option<u8> {
        let first = (spent + 1).max(clock.saturating_sub(self.catch_up)).max(1);
        let firing = if self.all { first } else { clock };
        (first <= clock).then_some(firing)
    }

    fn decide(&self, state: &mut State, replica: usize) {
        let clock = self.clock(state, replica);
        let read = state.replicas[replica].read;
        if !read.begun && !self.is(Rule::EmptyRunsDue) {
            let skew = if self.is(Rule::EmptyWithoutSkew) {
                0
            } else {
                self.skew
            };
            let begin = Record {
                begun: true,
                spent: clock + skew,
                open: 0,
            };
            state.deployed = state.deployed.max(state.now);
            return self.write(state, replica, begin, Phase::Recording, 0);
        }
        let due = self.due(read.spent, clock);
        let may_run_again = self.reruns || self.is(Rule::StartedIsDue);
        let is_old = read.open < clock.saturating_sub(self.catch_up);
        let again = read.open > 0 && may_run_again && !is_old && (self.all || due.is_none());
        let firing = if again { Some(read.open) } else { due };
        if let Some(firing) = firing {
            // What this one skips was due, and is replaced by it.
            let started = Record {
                begun: true,
                spent: read.spent.max(firing),
                open: firing,
            };
            self.write(state, replica, started, Phase::Starting(firing), 0);
            if self.is(Rule::BeginsUnconfirmed) {
                self.begin(state, replica, firing);
            }
        } else if read.open > 0 {
            let crashed = Record { open: 0, ..read };
            self.write(state, replica, crashed, Phase::Recording, 0);
        } else {
            self.unlock(state, replica);
        }
    }

    fn write(&self, state: &mut State, replica: usize, record: Record, phase: Phase, ends: u8) {
        state.pending = Some((record, ends));
        state.replicas[replica].phase = phase;
    }

    fn unlock(&self, state: &mut State, replica: usize) {
        state.replicas[replica].phase = Phase::Idle;
        state.holder = 0;
    }

    fn begin(&self, state: &mut State, replica: usize, firing: u8) {
        let bit = 1 << firing;
        state.repeated |= state.completed & bit != 0;
        state.twice |= state.begun & bit;
        state.begun |= bit;
        state.old |= firing <= state.deployed;
        let others = (0..REPLICAS).filter(|other| *other != replica);
        let mut others = others.map(|other| state.replicas[other]);
        let runs = |other: Replica| other.runs_on > 0 || matches!(other.phase, Phase::Running(_));
        state.together |= others.any(runs) || state.replicas[replica].runs_on > 0;
        state.replicas[replica].phase = Phase::Running(firing);
    }

    fn arrive(&self, state: &mut State) {
        if let Some((record, ends)) = state.pending.take() {
            state.record = record;
            if ends > 0 {
                state.completed |= 1 << ends;
            }
        }
    }

    fn confirm(&self, state: &mut State, replica: usize) {
        match state.replicas[replica].phase {
            Phase::Starting(firing) => {
                state.replicas[replica].read = state.record;
                self.begin(state, replica, firing);
            }
            Phase::Ending(_) | Phase::Recording => {
                state.replicas[replica].runs_on = 0;
                self.unlock(state, replica);
            }
            Phase::Idle | Phase::Reading | Phase::Running(_) => {}
        }
    }

    /// The body has ended, or the next firing cancels it.
    fn end(&self, state: &mut State, replica: usize) {
        let Phase::Running(firing) = state.replicas[replica].phase else {
            return;
        };
        // What became due meanwhile is left: the overlap is a queue, or the cancelled one is replaced by it.
        let ended = Record {
            open: 0,
            spent: state.replicas[replica].read.spent.max(firing),
            begun: true,
        };
        let next = self
            .due(ended.spent, self.clock(state, replica))
            .filter(|_| self.cancels);
        if let Some(next) = next.filter(|_| self.is(Rule::CancelsLate)) {
            state.replicas[replica].runs_on = firing;
            let started = Record {
                open: next,
                spent: next,
                begun: true,
            };
            return self.write(state, replica, started, Phase::Starting(next), 0);
        }
        self.write(state, replica, ended, Phase::Ending(firing), firing);
    }

    fn holder(&self, state: &State) -> Option<usize> {
        usize::from(state.holder).checked_sub(1)
    }
}

/// Without renaming: the replicas differ by their clocks.
impl Checked for Jobs {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn describe(&self, state: &State) -> String {
        format!("  [{} {:?} {:?}]", state.now, state.record, state.replicas)
    }
}

impl Model for Jobs {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            now: BEGIN,
            ..State::default()
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        match self.holder(state) {
            None => actions.extend((0..REPLICAS).map(|replica| Action::Lock { replica })),
            Some(holder) => {
                match state.replicas[holder].phase {
                    Phase::Reading => actions.push(Action::Decide),
                    Phase::Running(_) => actions.push(Action::End),
                    Phase::Starting(_) | Phase::Ending(_) | Phase::Recording
                        if state.pending.is_none() =>
                    {
                        actions.push(Action::Confirm);
                    }
                    _ => {}
                }
                if state.losses < self.losses {
                    actions.push(Action::Lose);
                }
            }
        }
        if state.pending.is_some() {
            actions.push(Action::Arrive);
        }
        if state.forgets < self.forgets && state.record.begun {
            actions.push(Action::Forget);
        }
        if state.now < self.until {
            actions.push(Action::Tick);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        let holder = self.holder(&state);
        match action {
            Action::Lock { replica } => {
                state.holder = replica as u8 + 1;
                if state.deployed == 0 {
                    state.deployed = state.now;
                }
                // What has not arrived by now never does: the nodes have promised.
                state.pending = None;
                let this = &mut state.replicas[replica];
                this.phase = Phase::Reading;
                if !self.is(Rule::OldRecord) || !this.read.begun {
                    this.read = state.record;
                }
            }
            Action::Decide => self.decide(&mut state, holder?),
            Action::Arrive => self.arrive(&mut state),
            Action::Confirm => self.confirm(&mut state, holder?),
            Action::End => self.end(&mut state, holder?),
            Action::Lose => {
                state.losses += 1;
                let this = &mut state.replicas[holder?];
                if let (Phase::Running(firing), true) = (this.phase, self.is(Rule::RunsOn)) {
                    this.runs_on = firing;
                }
                this.phase = Phase::Idle;
                state.holder = 0;
            }
            Action::Forget => {
                state.forgets += 1;
                state.record = Record::default();
            }
            Action::Tick => state.now += 1,
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONCE, |model: &Self, state: &State| {
                model.reruns || state.twice == 0
            }),
            Property::always(ALONE, |_, state: &State| !state.together),
            Property::always(REPEATED, |_, state: &State| !state.repeated),
            Property::always(NOTHING_OLD, |_, state: &State| !state.old),
        ]
    }
}
