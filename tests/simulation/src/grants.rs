//! Records grants and checks them: the validity that a holder sees must be true on the nodes.

use std::time::Duration;

use redlock::{Guard, Held, Redlock, Semaphore, memory::Node};

use crate::{
    event::Event,
    history::{At, CoolDown, Grant},
    holder,
    invariants::{self, LOSS_NOTICED_WITHIN},
    plan::{FIRST_PERMIT, Plan, ms},
    world::World,
};

/// How many of the latest grants are searched for another held permit.
const RECENT: usize = 20;

/// Whether a holder may still rely on its lock, as far as it is told.
pub(crate) fn is_valid(held: &Held) -> bool {
    !held.is_lost() && !held.remaining().is_zero()
}

/// The life of a grant.
impl World {
    pub(crate) fn granted(&self, client: usize, key: usize, ttl: Duration, guard: &Guard) -> usize {
        let now = self.now();
        let valid_until = now + whole_micros(guard.remaining());
        let grant = Grant {
            client,
            key,
            owner: guard.owner().to_owned(),
            token: guard.token().get(),
            ttl,
            started: valid_until.saturating_sub(Plan::usable(ttl)),
            returned: now,
            valid_until,
            ended: None,
            cooled_down: None,
        };
        self.log(|| {
            format!(
                "client {client}: granted: {grant}, {} rounds",
                guard.rounds()
            )
        });
        if guard.remaining().is_zero() {
            self.violation(format!("I6: a grant without any validity left: {grant}"));
        }
        let index = {
            let mut history = self.history();
            let before = history.grants.iter().rev().find(|before| before.key == key);
            if before.is_some_and(|before| before.owner == grant.owner) {
                history.events.add(Event::HandOver);
            }
            let is_held = |other: &Grant| {
                other.key >= FIRST_PERMIT && other.key != key && now < other.relied_until()
            };
            if key >= FIRST_PERMIT && history.grants.iter().rev().take(RECENT).any(is_held) {
                history.events.add(Event::Permit);
            }
            history.grants.push(grant);
            history.grants.len() - 1
        };
        self.check(index, &guard.held());
        index
    }

    pub(crate) fn semaphore(&self, redlock: &Redlock) -> Semaphore {
        let permits = u32::try_from(self.plan.permits).unwrap_or(u32::MAX);
        redlock.semaphore(Self::SEMAPHORE, permits)
    }

    /// Which permit a guard holds, by what is stored on the nodes.
    pub(crate) fn permit_of(&self, guard: &Guard) -> usize {
        let nodes = self.cluster.nodes();
        let has = |key: &usize| {
            let name = Self::name(*key);
            let holds = |node: &Node| node.get(&name).as_deref() == Some(guard.owner());
            nodes.iter().any(holds)
        };
        let mut permits = self.plan.targets().filter(|key| *key >= FIRST_PERMIT);
        permits.find(has).unwrap_or(FIRST_PERMIT)
    }

    /// Checks a lock: the validity that its holder sees must be true on the nodes.
    pub(crate) fn check(&self, grant: usize, held: &Held) {
        let (now, remaining) = (self.now(), held.remaining());
        if remaining.is_zero() {
            return;
        }
        let mut history = self.history();
        let Grant {
            valid_until,
            ttl,
            key,
            owner,
            returned,
            ..
        } = &mut history.grants[grant];
        let until = now + whole_micros(remaining);
        *valid_until = (*valid_until).max(until);
        let since = until.saturating_sub(Plan::usable(*ttl));
        let (key, name, owner, returned) = (*key, Self::name(*key), owner.clone(), *returned);
        let mut deleted = history.deleted.iter();
        if let Some((_, at)) = deleted.find(|(of, at)| *of == key && returned < *at && *at < since)
        {
            let wrong = format!("E3: deleted on a majority at {at:?}, and extended after that");
            let grant = history.grants[grant].to_string();
            history.violation(now, format!("{wrong}: {grant}"));
        }
        if !self.plan.excludes() {
            return;
        }
        let nodes = self.cluster.nodes();
        let holding = nodes
            .iter()
            .filter(|node| node.get(&name).as_deref() == Some(&owner));
        let mut left: Vec<Duration> = holding.filter_map(|node| node.ttl(&name)).collect();
        let mut forgot: Vec<usize> = history
            .forgot
            .iter()
            .filter(|(_, at)| *at >= since)
            .map(|(node, _)| *node)
            .collect();
        forgot.sort_unstable();
        forgot.dedup();
        if let Err(wrong) =
            invariants::majority_holds(&self.plan, remaining, &mut left, forgot.len())
        {
            let grant = history.grants[grant].to_string();
            history.violation(now, format!("{wrong}: {grant}"));
        }
    }

    /// Whether a guard is still valid.
    pub(crate) fn is_valid(guard: &Guard) -> bool {
        !guard.remaining().is_zero()
    }

    /// The holder releases the lock, which was valid or not.
    pub(crate) fn ended(&self, grant: usize, was_valid: bool) {
        let now = self.now();
        if was_valid {
            self.history().grants[grant].ended.get_or_insert(now);
        }
    }

    /// `lost()` resolved for the holder.
    pub(crate) fn lost_resolved(&self, grant: usize, held: &Held) {
        let now = self.now();
        let mut history = self.history();
        let Grant {
            client,
            valid_until,
            ended,
            ..
        } = history.grants[grant].clone();
        let late = now.saturating_sub(valid_until);
        let paused = history.paused_time(client, valid_until, now);
        let late = late.saturating_sub(paused);
        // An extension may have raised the validity between the last check and the pause.
        let within = if paused.is_zero() {
            LOSS_NOTICED_WITHIN
        } else {
            LOSS_NOTICED_WITHIN + holder::CHECK_EVERY
        };
        let within = within + self.plan.slack();
        if ended.is_none() {
            history.log(now, || {
                format!("client {client}: `lost()` of grant {grant} resolved")
            });
            if late > within {
                let grant = history.grants[grant].to_string();
                history.violation(now, format!("E5: `lost()` resolved {late:?} late: {grant}"));
            }
            history.grants[grant].ended = Some(now);
        }
        if !held.remaining().is_zero() {
            let grant = history.grants[grant].to_string();
            history.violation(now, format!("E4: validity after the loss: {grant}"));
        }
    }

    /// A cool-down was confirmed.
    pub(crate) fn cooled_down(&self, grant: usize, cooled_down: CoolDown) {
        let drift = |window: Duration| window / 100 + ms(2);
        let window = cooled_down.until.saturating_sub(cooled_down.confirmed);
        let until = cooled_down
            .until
            .saturating_sub(drift(window + self.plan.max_ttl));
        self.history().grants[grant].cooled_down = Some(CoolDown {
            until,
            ..cooled_down
        });
    }

    /// Until `until`, a key may be busy without a holder.
    pub(crate) fn busy(&self, key: usize, until: At) {
        let mut history = self.history();
        let busy = &mut history.busy_until[key];
        *busy = (*busy).max(until);
    }

    pub(crate) fn describe(&self, grant: usize) -> String {
        self.history().grants[grant].to_string()
    }
}

/// Rounds up: the client's clock counts whole microseconds from a start that differs between runs.
fn whole_micros(time: Duration) -> Duration {
    let micros = time.as_nanos().div_ceil(1_000);
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}
