//! Draws a sequence of steps from a seed. There are few keys, owners, tokens and inboxes, so that steps interact.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus, seq::SliceRandom};
use redlock::__wire::{self, Announce, Form, Inbox, Request, Settings, TOKEN_LIMIT};

use crate::{
    foreign,
    step::{CONNECTIONS, LOCKS, Other, PLAIN, Step, Switch},
};

/// Steps of a sequence.
const STEPS: usize = 130;
/// Tokens in the range that clients take from their clocks.
pub(crate) const TOKEN: u64 = 1_790_000_000_000_000;
/// How many owners a sequence has.
pub(crate) const OWNERS: u8 = 4;
/// How many ids of nodes there are.
pub(crate) const IDS: usize = 6;
/// Maximum ttls whose restart guard ends within a sequence, and long ones, in milliseconds.
const TTLS: [u64; 9] = [1, 2, 3, 5, 8, 20, 10_000, 30_000, 60_000];
const INBOXES: [&str; 4] = ["one", "two", "three", "four"];
const CHANNEL: &str = "redlock:inbox:";

/// The steps of the sequence with this seed.
pub(crate) fn plan(seed: u64) -> Vec<Step> {
    let mut draw = Draw {
        random: Xoshiro256PlusPlus::seed_from_u64(seed),
        on: None,
        lock: 0,
        last: [(0, TOKEN); LOCKS.len()],
        next: Vec::new(),
    };
    let mut steps = draw.subscriptions();
    while steps.len() < STEPS {
        let step = draw.step();
        let again = draw.again(&step);
        steps.push(step);
        steps.extend(again);
    }
    steps.extend(draw.held_permit());
    steps
}

pub(crate) struct Draw {
    pub(crate) random: Xoshiro256PlusPlus,
    /// The faults of the server at this point.
    on: Option<Switch>,
    /// The lock of the current step, by its place.
    pub(crate) lock: usize,
    /// The owner and the token of the last acquire of each lock.
    pub(crate) last: [(u8, u64); LOCKS.len()],
    /// Steps that follow the current one, the last of them first.
    pub(crate) next: Vec<Step>,
}

impl Draw {
    pub(crate) fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.random.random_range(0..all.len())].clone()
    }

    pub(crate) fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    /// Most sequences begin with a subscriber, so that notifications are received.
    fn subscriptions(&mut self) -> Vec<Step> {
        let inboxes = INBOXES
            .iter()
            .take(self.random.random_range(0..3))
            .enumerate();
        let steps = inboxes.map(|(connection, inbox)| Step::Subscribe {
            connection,
            channel: format!("{CHANNEL}{inbox}"),
        });
        steps.collect()
    }

    fn step(&mut self) -> Step {
        if let Some(step) = self.next.pop() {
            return step;
        }
        self.lock = self.random.random_range(0..LOCKS.len());
        // A switch that is turned on is turned off soon.
        if let Some(switch) = self.on
            && self.chance(12)
        {
            self.on = None;
            return Step::Switch(switch, false);
        }
        match self.random.random_range(0..100) {
            0..48 => self.requests(),
            48..68 => self.batch(),
            68..78 => self.text(),
            78..81 => self.other(),
            81..84 => {
                let key = self.key();
                let delete = [b"DEL".to_vec(), key.into_bytes()];
                self.command(delete.to_vec())
            }
            84..86 => self.look(),
            86..89 => Step::Subscribe {
                connection: self.random.random_range(0..PLAIN),
                channel: format!("{CHANNEL}{}", self.inbox()),
            },
            89 => Step::Reconnect(self.random.random_range(0..CONNECTIONS)),
            90 if self.chance(60) => self.forget(),
            91..94 => self.switch(),
            _ => Step::Wait(self.one_of(&[1, 2, 3, 5, 10, 25])),
        }
    }

    /// The same requests once more, by the hashes of their scripts, which the server knows now. Otherwise the scripts of rare
    /// requests would seldom be called by their hashes.
    fn again(&mut self, step: &Step) -> Option<Step> {
        let mut again = step.clone();
        match &mut again {
            Step::Send { form, .. } | Step::Batch { form, .. } if *form == Form::Source => {
                *form = Form::Hash;
            }
            _ => return None,
        }
        self.chance(25).then_some(again)
    }

    /// A fault of the server. One at a time: if there are two, the versions differ in which one they report.
    fn switch(&mut self) -> Step {
        if self.on.is_some() {
            return self.requests();
        }
        let all = [
            Switch::Full,
            Switch::Full,
            Switch::CannotSave,
            Switch::Replica,
        ];
        let switch = self.one_of(&all);
        self.on = Some(switch);
        if switch == Switch::Replica && self.chance(30) {
            // A release that a server refuses, which is kept.
            let (release, (form, settings)) = (self.release(), self.form_and_settings());
            let release = self.send(vec![release], form, settings);
            self.next.push(release);
        }
        Step::Switch(switch, true)
    }

    fn command(&mut self, words: Vec<Vec<u8>>) -> Step {
        let connection = self.random.random_range(0..CONNECTIONS);
        Step::Command { connection, words }
    }

    /// The server loses its data or its scripts.
    fn forget(&mut self) -> Step {
        let words: &[&str] = match self.chance(30) {
            true => &["FLUSHALL"],
            false => &["SCRIPT", "FLUSH"],
        };
        let words = words.iter().map(|word| word.as_bytes().to_vec());
        self.command(words.collect())
    }

    /// One of the keys that requests use, and its purpose.
    fn key_and_purpose(&mut self) -> (String, usize) {
        let lock = self.one_of(&LOCKS);
        if self.chance(15) {
            let keys = __wire::keys_of_readers_and_writers(lock);
            // As a lock, a fence and a waitlist.
            let (place, purpose) =
                self.one_of(&[(0, 0), (1, 1), (1, 1), (2, 2), (3, 1), (3, 1), (4, 0)]);
            return (keys[place].clone(), purpose);
        }
        if self.chance(5) {
            let keys = __wire::keys_of_permits(lock);
            let (place, purpose) = self.one_of(&[(0, 0), (0, 0), (1, 1), (2, 0)]);
            return (keys[place].clone(), purpose);
        }
        let keys = __wire::keys(lock).into_iter();
        let keys = keys.chain(__wire::keys_of_the_node().map(str::to_owned));
        let keys = keys.chain([__wire::register(lock), __wire::newest(lock)]);
        let all: Vec<String> = keys.collect();
        let purpose = self.one_of(&[0, 0, 0, 1, 1, 1, 1, 2, 3, 4, 5, 6, 6, 7]);
        (all[purpose].clone(), purpose)
    }

    fn key(&mut self) -> String {
        self.key_and_purpose().0
    }

    /// A string that no client may have written.
    fn text(&mut self) -> Step {
        let (key, purpose) = self.key_and_purpose();
        let mut words = vec![
            b"SET".to_vec(),
            key.into_bytes(),
            foreign::text(self, purpose),
        ];
        if self.chance(20) {
            words.push(b"NX".to_vec());
        }
        if self.chance(60) {
            words.push(b"PX".to_vec());
            words.push(self.one_of(&TTLS).to_string().into_bytes());
        }
        self.command(words)
    }

    fn other(&mut self) -> Step {
        if self.on.is_some() {
            return self.requests();
        }
        Step::SetOther {
            key: self.key(),
            other: self.one_of(&[Other::Hash, Other::List, Other::Set]),
        }
    }

    /// A command on one key.
    fn look(&mut self) -> Step {
        let key = self.key();
        let ms = self.one_of(&TTLS).to_string();
        let words = match self.random.random_range(0..5) {
            0 => vec!["GET", &key],
            1 => vec!["EXISTS", &key],
            2 => vec!["PTTL", &key],
            3 => vec!["PEXPIRE", &key, &ms],
            _ => vec!["PUBLISH", CHANNEL, "a message"],
        };
        let words = words.into_iter().map(|word| word.as_bytes().to_vec());
        self.command(words.collect())
    }

    fn requests(&mut self) -> Step {
        let requests = match self.random.random_range(0..100) {
            // More waiters than a script reads at a time.
            0..3 => {
                let most = self.one_of(&[3, 20, 140]);
                let waiters = (0..most).map(|number| Inbox {
                    name: format!("gone-{number}"),
                    since: number,
                });
                waiters.map(Request::JoinWaitlist).collect()
            }
            3..10 => return self.sides_in_turn(),
            10..28 => vec![self.request_of_a_side()],
            28..31 => return self.permits_in_turn(),
            // A node that somebody trusts has a vote again, so a strict client's ping finds it.
            31 => vec![Request::Trust, Request::Ping],
            32 => vec![Request::JoinWaitlist(self.waiter()), self.release()],
            _ => vec![self.request()],
        };
        let (form, settings) = self.form_and_settings();
        self.send(requests, form, settings)
    }

    pub(crate) fn form_and_settings(&mut self) -> (Form, Settings) {
        let settings = self.settings();
        let form = match self.random.random_range(0..10) {
            0..5 => Form::Hash,
            // A cluster has no strict guard.
            9 if settings.marker.is_none() => Form::Importing,
            _ => Form::Source,
        };
        (form, settings)
    }

    pub(crate) fn send(&mut self, requests: Vec<Request>, form: Form, settings: Settings) -> Step {
        Step::Send {
            connection: self.random.random_range(0..CONNECTIONS),
            lock: LOCKS[self.lock],
            requests,
            form,
            settings,
        }
    }

    /// Requests about two locks or more.
    fn batch(&mut self) -> Step {
        let mut locks: Vec<usize> = (0..LOCKS.len()).collect();
        locks.shuffle(&mut self.random);
        locks.truncate(self.random.random_range(2..=LOCKS.len()));
        let requests = locks.into_iter().map(|lock| {
            self.lock = lock;
            let request = match self.random.random_range(0..10) {
                0..5 => {
                    let token = self.token();
                    self.acquire(Some(token))
                }
                5..7 => self.extend(),
                _ => self.release(),
            };
            (LOCKS[lock], request)
        });
        let mut requests: Vec<_> = requests.collect();
        // As the client sorts them.
        requests.sort_by_key(|(_, request)| !matches!(request, Request::Acquire { .. }));
        Step::Batch {
            connection: self.random.random_range(0..CONNECTIONS),
            requests,
            form: self.one_of(&[Form::Hash, Form::Hash, Form::Source]),
            settings: self.settings(),
        }
    }

    fn request(&mut self) -> Request {
        let owner = self.owner();
        match self.random.random_range(0..100) {
            0..31 => {
                let token = self.chance(85).then(|| self.token());
                self.acquire(token)
            }
            31 => Request::Holder,
            32..36 => Request::Adopt {
                owner: self.random.random_range(0..OWNERS),
                ttl: self.ttl(),
                token: self.token(),
                from: owner,
                from_token: self.last[self.lock].1,
            },
            36..38 => Request::GiveBack {
                owner,
                to: self.random.random_range(0..OWNERS),
                left: self.ttl(),
                tombstone: self.token() + 1,
            },
            38..49 => self.extend(),
            49..52 => self.preempt(),
            52..63 => self.release(),
            63..68 => self.register(),
            68..75 => Request::CoolDown {
                owner,
                window: self.window(),
                tombstone: self.chance(80).then(|| self.token() + 1),
                of_writer: false,
            },
            75..79 => Request::JoinWaitlist(self.waiter()),
            79..83 => Request::LeaveWaitlist {
                inbox: self.inbox(),
                by: match self.chance(50) {
                    true => __wire::owner(owner),
                    false => String::new(),
                },
            },
            83..88 => Request::ForceRelease {
                by: owner,
                from: foreign::owners(self),
            },
            88 => Request::Inspect,
            89 => self.permits(),
            90..92 => Request::Ping,
            92..94 => Request::Probe {
                fencing: self.chance(80),
            },
            94..96 => Request::Trust,
            _ => Request::Announce(self.announce()),
        }
    }

    /// Somebody holds a permit, and an operator looks: two steps.
    fn permits_in_turn(&mut self) -> Step {
        let [permit, ..] = __wire::keys_of_permits(LOCKS[self.lock]);
        let (form, settings) = self.form_and_settings();
        let permits = self.random.random_range(1..5);
        let look = Request::InspectPermits { permits };
        self.next = vec![self.send(vec![look], form, settings)];
        let owner = foreign::text(self, 0);
        let set = [b"SET".to_vec(), permit.into_bytes(), owner];
        let kept = [b"PX".to_vec(), b"60000".to_vec()];
        self.command([&set[..], &kept].concat())
    }

    fn permits(&mut self) -> Request {
        let permits = self.random.random_range(1..5);
        match self.chance(50) {
            true => Request::InspectPermits { permits },
            false => Request::LookPermits {
                permits,
                kept: self.ttl(),
            },
        }
    }

    /// A permit that is held, and a look at it, which are rare among the other steps.
    fn held_permit(&mut self) -> [Step; 2] {
        let [permit, ..] = __wire::keys_of_permits(LOCKS[self.lock]);
        let owner = __wire::owner(self.owner());
        let words = ["SET", &permit, &owner, "PX", "10000"];
        let words = words.map(|word| word.as_bytes().to_vec());
        let inspect = vec![Request::InspectPermits { permits: 4 }];
        let settings = self.settings();
        [
            self.command(words.to_vec()),
            self.send(inspect, Form::Source, settings),
        ]
    }

    fn acquire(&mut self, token: Option<u64>) -> Request {
        let owner = self.random.random_range(0..OWNERS);
        self.last[self.lock] = (owner, token.unwrap_or(TOKEN));
        Request::Acquire {
            owner,
            ttl: self.ttl(),
            token,
            last: token
                .filter(|_| self.random.random_bool(0.3))
                .map(|token| token + self.random.random_range(0..4)),
            inbox: self.chance(50).then(|| self.waiter()),
        }
    }

    fn extend(&mut self) -> Request {
        let token = self.chance(80).then(|| self.token());
        Request::Extend {
            owner: self.owner(),
            ttl: self.ttl(),
            token,
            last: token.map(|token| token + token % 3),
        }
    }

    fn release(&mut self) -> Request {
        Request::Release {
            owner: self.owner(),
            tombstone: self.chance(80).then(|| self.token() + 1),
        }
    }

    fn preempt(&mut self) -> Request {
        Request::Preempt {
            since: self.token(),
            inbox: self.inbox(),
        }
    }

    fn register(&mut self) -> Request {
        let token = self.token();
        let kept = Duration::from_millis(self.one_of(&[3, 20, 10_000, 60_000]));
        match self.chance(40) {
            true => Request::ReadRegister {
                holder: self.chance(60).then_some(token),
                kept,
            },
            false => Request::WriteRegister {
                token,
                seq: self.random.random_range(0..4),
                expires: self.one_of(&[0, 1_790_000_000_000]),
                value: self.chance(80).then(|| foreign::value(self)),
                kept,
            },
        }
    }

    /// Usually the last owner of the lock.
    pub(crate) fn owner(&mut self) -> u8 {
        match self.chance(65) {
            true => self.last[self.lock].0,
            false => self.random.random_range(0..OWNERS),
        }
    }

    /// That of a cool-down. One that is over releases.
    pub(crate) fn window(&mut self) -> Duration {
        match self.chance(20) {
            true => Duration::ZERO,
            false => self.ttl(),
        }
    }

    pub(crate) fn ttl(&mut self) -> Duration {
        Duration::from_millis(self.one_of(&TTLS))
    }

    pub(crate) fn token(&mut self) -> u64 {
        match self.random.random_range(0..20) {
            0 => self.random.random_range(1..12),
            1 => TOKEN_LIMIT - self.random.random_range(1..6),
            2..8 => self.last[self.lock].1,
            8..12 => (self.last[self.lock].1 + 1).min(TOKEN_LIMIT - 1),
            _ => TOKEN + self.random.random_range(0..12),
        }
    }

    pub(crate) fn inbox(&mut self) -> String {
        self.one_of(&INBOXES).to_owned()
    }

    pub(crate) fn waiter(&mut self) -> Inbox {
        Inbox {
            name: self.inbox(),
            since: TOKEN + self.random.random_range(0..6),
        }
    }

    fn settings(&mut self) -> Settings {
        let marker = self.chance(35).then(|| {
            let guard = self.one_of(&[4, 4, 60_000]);
            let marker = self.one_of(&foreign::MARKERS[..foreign::OURS]).to_owned();
            (marker, Duration::from_millis(guard))
        });
        Settings {
            retention: Duration::from_millis(self.one_of(&[3, 15, 660_000, 660_000])),
            channel: CHANNEL.to_owned(),
            marker,
        }
    }

    pub(crate) fn id(&mut self) -> String {
        let number = self.random.random_range(0..IDS);
        format!("{:032x}", 0xabc0 + number)
    }

    fn announce(&mut self) -> Announce {
        let size = self.random.random_range(1..6);
        let mut others: Vec<String> = (1..size).map(|_| self.id()).collect();
        others.dedup();
        Announce {
            fresh: self.id(),
            known: match self.chance(60) {
                true => self.id(),
                false => String::new(),
            },
            renames: self.chance(8),
            size,
            others,
            counts_this: self.chance(80),
            names: self.one_of(&["a, b", "redis://ä:1, b", ""]).to_owned(),
            lifetime: Duration::from_millis(self.one_of(&[0, 4, 60_000])),
        }
    }
}
