//! Draws requests about both sides of a read/write lock.

use rand::RngExt as _;
use redlock::__wire::{self, Request, Side, TOKEN_LIMIT};

use crate::{
    foreign,
    plan::{Draw, OWNERS},
    step::Step,
};

impl Draw {
    /// One side acquires, the other one waits for it, and the first one releases, which notifies who waits: three steps.
    /// Or the first one extends in between, or an operator looks and takes the lock away.
    pub(crate) fn sides_in_turn(&mut self) -> Step {
        let [first, second] = [0; 2].map(|_| self.random.random_range(0..OWNERS));
        let (ttl, token, inbox) = (self.ttl(), self.token(), self.waiter());
        self.last[self.lock] = (first, token);
        let later = (token + 1).min(TOKEN_LIMIT - 1);
        let [side, other] = match self.chance(50) {
            true => [Side::Read, Side::Write],
            false => [Side::Write, Side::Read],
        };
        let acquire = |side, owner, token, inbox| Request::AcquireSide {
            side,
            owner,
            ttl,
            token,
            last: token,
            inbox,
        };
        let end = match self.chance(65) {
            true => Request::ReleaseSide {
                side,
                owner: first,
                tombstone: later,
            },
            false => self.force_release_sides(),
        };
        let mut requests = vec![
            acquire(side, first, token, None),
            acquire(other, second, later, Some(inbox)),
            end,
        ];
        if self.chance(20) {
            requests.insert(2, Request::InspectSides);
        }
        if self.chance(20) {
            let extend = Request::ExtendSide {
                side,
                owner: first,
                ttl: self.ttl(),
                token,
                last: token,
            };
            requests.insert(1, extend);
        }
        let (form, settings) = self.form_and_settings();
        let steps = requests.into_iter();
        let steps = steps.map(|request| self.send(vec![request], form, settings.clone()));
        let mut steps: Vec<Step> = steps.collect();
        let first = steps.remove(0);
        steps.reverse();
        self.next = steps;
        first
    }

    pub(crate) fn request_of_a_side(&mut self) -> Request {
        let place = self.random.random_range(0..100);
        let acquires = place < 50;
        let owner = match acquires {
            true => self.random.random_range(0..OWNERS),
            false => self.owner(),
        };
        let (ttl, token) = (self.ttl(), self.token());
        if acquires {
            self.last[self.lock] = (owner, token);
        }
        let side = match self.chance(60) {
            true => Side::Read,
            false => Side::Write,
        };
        match place {
            0..50 => Request::AcquireSide {
                side,
                owner,
                ttl,
                token,
                last: token + self.random.random_range(0..3),
                inbox: self.chance(50).then(|| self.waiter()),
            },
            50..65 => Request::ExtendSide {
                side,
                owner,
                ttl,
                token,
                last: token + token % 3,
            },
            65..80 => Request::ReleaseSide {
                side,
                owner,
                tombstone: token + 1,
            },
            80..83 => Request::CoolDown {
                owner,
                window: self.window(),
                tombstone: Some(token + 1),
                of_writer: true,
            },
            83..88 => Request::LeaveWrite {
                inbox: self.waiter(),
                by: match self.chance(50) {
                    true => __wire::owner(owner),
                    false => String::new(),
                },
            },
            88..93 => Request::InspectSides,
            _ => self.force_release_sides(),
        }
    }

    fn force_release_sides(&mut self) -> Request {
        let tombstones = [0; 2].map(|_| self.chance(60).then(|| self.token() + 1));
        let [write_tombstone, read_tombstone] = tombstones;
        let mut from = foreign::owners(self);
        if self.chance(70) {
            from.push(__wire::owner(self.owner()).into_bytes());
        }
        Request::ForceReleaseSides {
            by: self.owner(),
            write_tombstone,
            read_tombstone,
            from,
        }
    }
}
