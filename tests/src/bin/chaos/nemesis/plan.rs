//! What the nemesis will do and when, drawn from a seed: the same seed, the same plan.

use std::collections::VecDeque;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use redlock::RestartGuard;

use super::fault::{Fault, Step, Trouble, Victim};
use crate::args::Settings;
use crate::terms::{NODES, QUICK_KEYS, SLOW_KEY};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Card {
    FreezeHolder,
    FreezeAny,
    Murder,
    MurderHolder,
    /// Or what else makes nodes forget, by turns.
    Forget,
    HangOne,
    HangTwo,
    HangMajority,
    Network(Kind),
    Partition,
    FlushScripts,
}

/// What makes nodes forget.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Forgetting {
    One,
    Majority,
    All,
    FlushOne,
    FlushAll,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Slow,
    NoReplies,
    NoRequests,
    Held,
    Cut,
    Refused,
    Ghosts,
}

const NETWORK: [Kind; 7] = [
    Kind::Slow,
    Kind::NoReplies,
    Kind::NoRequests,
    Kind::Held,
    Kind::Cut,
    Kind::Refused,
    Kind::Ghosts,
];

/// Drawn until none is left, then again: in a few seconds each has come.
fn deck(settings: &Settings) -> Vec<Card> {
    use Card::*;
    if settings.control {
        return vec![Forget];
    }
    let mut deck = vec![
        FreezeHolder,
        FreezeAny,
        Murder,
        MurderHolder,
        Forget,
        HangOne,
        HangTwo,
        HangMajority,
        Partition,
        FlushScripts,
    ];
    deck.extend(NETWORK.map(Network));
    deck
}

/// In which order nodes are made to forget, again and again.
fn forgetting(settings: &Settings) -> VecDeque<Forgetting> {
    use Forgetting::*;
    let turns: &[Forgetting] = match settings.guard {
        _ if settings.control => &[Majority],
        RestartGuard::Strict => &[Majority, FlushAll, One, All, FlushOne],
        _ => &[Majority, FlushOne, One, One, FlushOne],
    };
    turns.iter().copied().collect()
}

/// The plan of a run.
pub(crate) fn draw(settings: &Settings) -> Vec<Step> {
    let mut planner = Planner {
        rng: StdRng::seed_from_u64(settings.seed),
        workers: settings.workers,
        spread: if settings.control {
            900..1_500
        } else {
            150..600
        },
        free: [Duration::ZERO; NODES],
        restarts: VecDeque::new(),
        covered: settings.guard == RestartGuard::Observed,
        forgetting: forgetting(settings),
        rest: if settings.control {
            Duration::ZERO
        } else {
            Duration::from_millis(3_500)
        },
        forgot: None,
    };
    let (mut steps, mut hand) = (Vec::new(), VecDeque::new());
    let mut at = Duration::from_millis(200);
    if !settings.control {
        // However short the run: what a pause does to those who check no tokens, and what the guard is for.
        hand.extend([Card::FreezeHolder, Card::Forget]);
    }
    while at < settings.length {
        if hand.len() < 8 {
            let mut more = deck(settings);
            more.retain(|card| !hand.contains(card));
            more.shuffle(&mut planner.rng);
            hand.extend(more);
        }
        // The first card that can be played; the others keep their place.
        let big = hand.iter().any(|card| planner.wants_peace(*card, at));
        let drawn = (0..hand.len()).find_map(|place| {
            let card = hand[place];
            let held_back = big && matches!(card, Card::HangOne | Card::HangTwo);
            let fault = (!held_back).then(|| planner.play(card, at)).flatten()?;
            Some((place, fault))
        });
        if let Some((place, fault)) = drawn {
            hand.remove(place);
            steps.push(Step { at, fault });
        }
        at += planner.millis(planner.spread.clone());
    }
    steps
}

struct Planner {
    rng: StdRng,
    workers: usize,
    spread: std::ops::Range<u64>,
    /// When each node is through with its last fault.
    free: [Duration; NODES],
    /// When nodes restarted.
    restarts: VecDeque<Duration>,
    /// The restart guard covers minorities of young nodes only.
    covered: bool,
    forgetting: VecDeque<Forgetting>,
    /// The time between two of them, in which locks can be had again.
    rest: Duration,
    forgot: Option<Duration>,
}

impl Planner {
    /// The fault, where it may be at that time.
    fn play(&mut self, card: Card, at: Duration) -> Option<Fault> {
        Some(match card {
            Card::FreezeHolder => {
                let lasts = self.millis(1_500..2_300);
                Fault::Freeze {
                    who: Victim::Holder(self.hot_key()),
                    lasts,
                }
            }
            Card::FreezeAny => {
                let lasts = self.millis(100..2_500);
                Fault::Freeze {
                    who: self.any_slot(),
                    lasts,
                }
            }
            Card::Murder => Fault::Murder {
                who: self.any_slot(),
            },
            Card::MurderHolder => Fault::Murder {
                who: Victim::Holder(self.hot_key()),
            },
            Card::Forget => self.forget(at)?,
            Card::HangOne => self.hanging(1, at, 200..2_500)?,
            Card::HangTwo => self.hanging(2, at, 200..1_500)?,
            Card::HangMajority => self.hanging(3, at, 200..1_300)?,
            Card::Network(kind) => {
                // For everybody, or for one client.
                let slots = if self.rng.random_bool(0.5) {
                    (0..=self.workers).collect()
                } else {
                    vec![self.rng.random_range(0..self.workers)]
                };
                let count = self.rng.random_range(1..=2);
                let (nodes, trouble) = (self.nodes(count), self.trouble(kind));
                Fault::Net {
                    slots,
                    nodes,
                    trouble,
                    lasts: self.millis(200..2_000),
                }
            }
            Card::Partition => {
                let slots = (0..self.workers)
                    .filter(|_| self.rng.random_bool(0.5))
                    .collect();
                let count = self.rng.random_range(1..=4);
                let kind = NETWORK[self.rng.random_range(0..NETWORK.len())];
                let (nodes, trouble) = (self.nodes(count), self.trouble(kind));
                Fault::Net {
                    slots,
                    nodes,
                    trouble,
                    lasts: self.millis(200..1_500),
                }
            }
            Card::FlushScripts => Fault::FlushScripts,
        })
    }

    /// What comes next of what makes nodes forget, where it may be at that time.
    fn forget(&mut self, at: Duration) -> Option<Fault> {
        if self.forgot.is_some_and(|last| at - last < self.rest) {
            return None;
        }
        let next = *self.forgetting.front()?;
        let fault = match next {
            Forgetting::One => self.restart(1, at, 0..1_500, None)?,
            Forgetting::Majority => self.restart(3, at, 0..40, Some(SLOW_KEY))?,
            Forgetting::All => self.restart(NODES, at, 0..40, Some(SLOW_KEY))?,
            Forgetting::FlushOne => Fault::Flush {
                nodes: self.nodes(1),
            },
            Forgetting::FlushAll => Fault::Flush {
                nodes: self.nodes(NODES),
            },
        };
        self.forgetting.rotate_left(1);
        self.forgot = Some(at);
        Some(fault)
    }

    /// Whether `card` could be played, did not other faults of nodes stand in its way.
    fn wants_peace(&mut self, card: Card, at: Duration) -> bool {
        match card {
            Card::HangMajority => true,
            Card::Forget => {
                let next = self.forgetting.front();
                let rested = self.forgot.is_none_or(|last| at - last >= self.rest);
                let many = matches!(next, Some(Forgetting::Majority | Forgetting::All));
                many && rested && !(self.covered && self.young(at) > 0)
            }
            _ => false,
        }
    }

    /// How many nodes have restarted so lately that a new client could take them for old ones.
    fn young(&mut self, at: Duration) -> usize {
        self.restarts
            .retain(|restart| at.saturating_sub(*restart) < Duration::from_millis(10_500));
        self.restarts.len()
    }

    fn restart(
        &mut self,
        count: usize,
        at: Duration,
        down: std::ops::Range<u64>,
        inside: Option<&'static str>,
    ) -> Option<Fault> {
        if self.covered && self.young(at) + count > 3 {
            return None;
        }
        let down = self.millis(down);
        // Waiting for the right moment and coming up take their time.
        let nodes = self.occupy(count, at, down + Duration::from_millis(2_200))?;
        self.restarts.extend(nodes.iter().map(|_| at));
        Some(Fault::Restart {
            nodes,
            down,
            inside,
        })
    }

    fn hanging(
        &mut self,
        count: usize,
        at: Duration,
        range: std::ops::Range<u64>,
    ) -> Option<Fault> {
        let lasts = self.millis(range);
        let nodes = self.occupy(count, at, lasts + Duration::from_millis(100))?;
        Some(Fault::Hang { nodes, lasts })
    }

    /// Nodes that nothing else is done to meanwhile. A few at a time: with most of them away nothing happens.
    fn occupy(&mut self, count: usize, at: Duration, lasts: Duration) -> Option<Vec<usize>> {
        let mut free: Vec<usize> = (0..NODES).filter(|node| self.free[*node] <= at).collect();
        let busy = NODES - free.len();
        let most = if count > 2 { 0 } else { 2 - count.min(2) };
        if free.len() < count || busy > most {
            return None;
        }
        free.shuffle(&mut self.rng);
        free.truncate(count);
        for node in &free {
            self.free[*node] = at + lasts;
        }
        Some(free)
    }

    fn nodes(&mut self, count: usize) -> Vec<usize> {
        let mut nodes: Vec<usize> = (0..NODES).collect();
        nodes.shuffle(&mut self.rng);
        nodes.truncate(count);
        nodes
    }

    fn any_slot(&mut self) -> Victim {
        Victim::Slot(self.rng.random_range(0..self.workers))
    }

    fn hot_key(&mut self) -> &'static str {
        let all = [SLOW_KEY, QUICK_KEYS[0], QUICK_KEYS[1]];
        all[self.rng.random_range(0..all.len())]
    }

    fn trouble(&mut self, kind: Kind) -> Trouble {
        match kind {
            Kind::Slow => Trouble::Slow(self.millis(5..200)),
            Kind::NoReplies => Trouble::NoReplies,
            Kind::NoRequests => Trouble::NoRequests,
            Kind::Held => Trouble::Held,
            Kind::Cut => Trouble::Cut,
            Kind::Refused => Trouble::Refused,
            Kind::Ghosts => Trouble::Ghosts,
        }
    }

    fn millis(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.rng.random_range(range))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(seed: u64, guard: RestartGuard, control: bool) -> Settings {
        Settings {
            length: Duration::from_secs(120),
            seed,
            workers: 4,
            guard,
            control,
            keep: None,
        }
    }

    #[test]
    fn a_seed_is_a_plan() {
        let plan = |seed| draw(&settings(seed, RestartGuard::Observed, false));
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
    }

    #[test]
    fn every_kind_of_fault_comes() {
        let plan = draw(&settings(7, RestartGuard::Observed, false));
        let count = |is: fn(&Fault) -> bool| plan.iter().filter(|step| is(&step.fault)).count();
        assert!(plan.len() > 150, "{}", plan.len());
        assert!(
            count(|fault| matches!(fault, Fault::Restart { nodes, .. } if nodes.len() == 3)) > 2
        );
        assert!(
            count(|fault| matches!(fault, Fault::Restart { nodes, .. } if nodes.len() == 1)) > 4
        );
        assert!(count(|fault| matches!(fault, Fault::Hang { nodes, .. } if nodes.len() == 3)) > 2);
        assert!(
            count(|fault| matches!(
                fault,
                Fault::Freeze {
                    who: Victim::Holder(_),
                    ..
                }
            )) > 5
        );
        assert!(count(|fault| matches!(fault, Fault::Murder { .. })) > 5);
        assert!(count(|fault| matches!(fault, Fault::Flush { .. })) > 2);
        for trouble in [
            Trouble::Ghosts,
            Trouble::Held,
            Trouble::NoReplies,
            Trouble::Cut,
        ] {
            let comes = plan.iter().any(
                |step| matches!(&step.fault, Fault::Net { trouble: it, .. } if *it == trouble),
            );
            assert!(comes, "{trouble:?}");
        }
    }

    #[test]
    fn the_default_guard_is_never_asked_for_more_than_it_promises() {
        for seed in 0..200 {
            let mut restarts: Vec<Duration> = Vec::new();
            for step in draw(&settings(seed, RestartGuard::Observed, false)) {
                match step.fault {
                    Fault::Restart { nodes, .. } => {
                        restarts.extend(nodes.iter().map(|_| step.at));
                        let young = restarts
                            .iter()
                            .filter(|at| step.at - **at < Duration::from_secs(10))
                            .count();
                        assert!(
                            young <= 3,
                            "seed {seed}: {young} young nodes at {:?}",
                            step.at
                        );
                    }
                    Fault::Flush { nodes } => assert_eq!(nodes.len(), 1),
                    _ => {}
                }
            }
        }
    }
}
