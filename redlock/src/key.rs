//! Keys: which names are allowed, and the keys that belong to one lock.

#[cfg(feature = "cluster")]
pub(crate) mod slot;

use std::{
    borrow::Cow,
    fmt,
    fmt::Write as _,
    hash::{DefaultHasher, Hash, Hasher},
};

use crate::error::{Error, shortened};

/// The longest key in bytes, with its namespace. The layer and the attribute hash longer keys.
pub const MAX_LEN: usize = 1024;

/// The suffixes of the keys that belong to a lock. No valid key contains the empty braces, so these
/// keys can never be locks. The part before them names the lock, and distinguishes `a` from `{a}`.
pub(crate) const FENCE: &str = "{}:fence";
const WAITERS: &str = "{}:waiters";
/// The suffixes of the key of one permit of a semaphore (before its number) and of the key of all
/// its permits. No valid key contains the empty braces, so neither can be a lock.
const PERMIT: &str = "{}:permit:";
const PERMITS: &str = "{}:permits";
/// The suffix of the key of a record, which belongs to no lock.
const RECORD: &str = "{}:record";
/// The suffix of the key of a register.
const REGISTER: &str = "{}:register";
/// The suffix of the key of the newest request.
const NEWEST: &str = "{}:newest";
/// What the keys of a read/write lock end in: the writer, its readers, and the writer that waits. They have suffixes of their
/// own too, for the bars and the waitlists of each side.
const WRITER: &str = "{}:rw:writer";
const READERS: &str = "{}:rw:readers";
const INTENT: &str = "{}:rw:intent";
/// What the suffix of each key that [derives](Key::derived) from a name begins with.
const DERIVED: &str = "{}:";

/// Keys under the namespace that belong to the nodes themselves. None of them can be a lock.
pub(crate) mod reserved {
    /// The marker of the strict restart guard.
    pub(crate) const MARKER: &str = "{redlock}:marker";
    /// Set while a node has no vote under the strict restart guard.
    pub(crate) const QUARANTINE: &str = "{redlock}:quarantine";
    /// The record of the node lists that clients have announced.
    pub(crate) const NODES: &str = "{redlock}:nodes";
    /// The prefix of the records in which the masters of a cluster remember which server has which
    /// slots.
    pub(crate) const SLOTS: &str = "{redlock:slots:";

    pub(super) fn contains(key: &str) -> bool {
        let ends = [MARKER, QUARANTINE, NODES]
            .iter()
            .any(|end| key.ends_with(end));
        ends || key.contains(SLOTS)
    }
}

/// The Redis keys of one lock, all on one hash slot.
///
/// The newest request of `a:1` is in `{a:1}{}:newest`, as its register is in the last column.
///
/// | lock | fence | waiters | register |
/// |---|---|---|---|
/// | `a:1` | `{a:1}{}:fence` | `{a:1}{}:waiters` | `{a:1}{}:register` |
/// | `{a}:1` | `{a}:1{}{}:fence` | `{a}:1{}{}:waiters` | `{a}:1{}{}:register` |
/// | a permit of `a:1` | `{a:1}{}:permit:7{}:fence` | `{a:1}{}:permits{}:waiters` | `{a:1}{}:permit:7{}:register` |
/// | a writer of `a:1` | `{a:1}{}:rw:writer{}:fence` | `{a:1}{}:rw:writer{}:waiters` | `{a:1}{}:rw:writer{}:register` |
/// | readers of `a:1` | `{a:1}{}:rw:readers{}:fence` | `{a:1}{}:rw:readers{}:waiters` | |
/// | a record of the name `a:1` | | | `{a:1}{}:record{}:register` |
pub(crate) struct Key {
    /// The key of the fence, with the lock in it. The others are made of it: every lock that is held has a `Key`, so it is kept
    /// small.
    fence: Box<str>,
    /// See [`group_hash`](Self::group_hash).
    hash: u32,
    /// Bytes of the namespace, with which the name begins.
    namespace_len: u16,
    /// Bytes of the suffix by which the lock's key derives from the name; 0 if it is the name.
    suffix_len: u8,
    tagged: bool,
}

impl Key {
    /// Checks `name` and puts it under `namespace`.
    pub(crate) fn new(namespace: &str, name: &str) -> Result<Self, Error> {
        if name.is_empty() {
            return Err(Error::invalid_key(name, "a key must not be empty"));
        }
        let len = namespace.len() + name.len();
        let namespace_len = u16::try_from(namespace.len()).ok();
        let Some(namespace_len) = namespace_len.filter(|_| len <= MAX_LEN) else {
            return Err(Error::invalid_key(
                &shortened(name),
                format!(
                    "a key has at most {MAX_LEN} bytes, this one has {len}: hash the long part"
                ),
            ));
        };
        let mut fence = String::with_capacity(len + BRACES + FENCE.len());
        fence.extend([namespace, name]);
        if reserved::contains(&fence) {
            return Err(Error::invalid_key(
                name,
                "this key belongs to the restart guard: choose another name",
            ));
        }
        let tagged = match tag(&fence) {
            Tag::Own => true,
            Tag::None => false,
            Tag::Broken => {
                return Err(Error::invalid_key(
                    name,
                    "braces may only enclose one hash tag, as in `{tag}`: pass variable parts through `redlock::key::part`",
                ));
            }
        };
        fence.clear();
        Ok(Self::made_of(fence, namespace, namespace_len, name, tagged))
    }

    /// A key under `namespace` that nobody writes, to ask a node whether it accepts writes. Different numbers have different
    /// hash slots, unless the namespace has a hash tag. `None` if no lock can have this namespace.
    pub(crate) fn probe(namespace: &str, number: u16) -> Option<Self> {
        let namespace_len = u16::try_from(namespace.len()).ok()?;
        let name = format!("{}{number}}}:probe", reserved::SLOTS);
        Some(Self::made_of(
            String::new(),
            namespace,
            namespace_len,
            &name,
            true,
        ))
    }

    /// `fence` is empty, and may have room.
    fn made_of(
        mut fence: String,
        namespace: &str,
        namespace_len: u16,
        name: &str,
        tagged: bool,
    ) -> Self {
        let (open, close) = braces(tagged);
        fence.extend([open, namespace, name, close, FENCE]);
        Self {
            hash: hash(&fence),
            fence: fence.into(),
            namespace_len,
            suffix_len: 0,
            tagged,
        }
    }

    /// The key of all permits of the semaphore with the name of this key. Its waiters wait for any
    /// of them.
    pub(crate) fn permits(&self) -> Self {
        self.derived(PERMITS)
    }

    /// The key of one permit. Its waiters are those of all permits.
    pub(crate) fn permit(&self, number: u16) -> Self {
        self.derived(&format!("{PERMIT}{number}"))
    }

    /// The key of the writer of the read/write lock that has the name of this key.
    pub(crate) fn writer(&self) -> Self {
        self.derived(WRITER)
    }

    /// The key of the readers of that lock.
    pub(crate) fn readers(&self) -> Self {
        self.derived(READERS)
    }

    /// The key of the writer that waits, as [`lock`](Self::lock) is of the one that holds.
    pub(crate) fn intent(&self) -> String {
        [self.base(), INTENT].concat()
    }

    /// The key of a record that has the name of this key. Its register is nobody's but the record's.
    pub(crate) fn record(&self) -> Self {
        self.derived(RECORD)
    }

    /// The name as a hash tag, which all keys of the lock begin with.
    fn base(&self) -> &str {
        &self.fence[..self.fence.len() - FENCE.len() - usize::from(self.suffix_len)]
    }

    /// What the key of the fence, of the register and others of this lock begin with.
    fn stem(&self) -> &str {
        &self.fence[..self.fence.len() - FENCE.len()]
    }

    /// A key whose lock is the name with `suffix`, which begins with [`DERIVED`]. It has a fence and a waitlist of its own, but a
    /// permit has the waitlist of all permits.
    fn derived(&self, suffix: &str) -> Self {
        let base = self.base();
        Self {
            // One for all that derive from this name: commands for one of them may use keys of another.
            hash: hash(base),
            fence: [base, suffix, FENCE].concat().into(),
            namespace_len: self.namespace_len,
            // The longest is that of a permit with five digits.
            suffix_len: u8::try_from(suffix.len()).unwrap_or(u8::MAX),
            tagged: self.tagged,
        }
    }

    /// The key whose [`lock`](Self::lock) this is. `None` if no key can have it.
    pub(crate) fn of_lock(lock: &str) -> Option<Self> {
        // No name contains the empty braces, and a suffix begins with them.
        let Some(at) = lock.rfind(DERIVED) else {
            return Self::new("", lock).ok();
        };
        let (base, suffix) = lock.split_at(at);
        if suffix.len() > usize::from(u8::MAX) {
            return None;
        }
        let name = base.strip_suffix("{}").or_else(|| {
            let name = base.strip_prefix('{');
            name.and_then(|name| name.strip_suffix('}'))
        });
        Some(Self::new("", name?).ok()?.derived(suffix))
    }

    /// The name that the user gave, namespace included. [`given`](Self::given) is without.
    pub(crate) fn name(&self) -> &str {
        let (open, close) = braces(self.tagged);
        let base = self.base();
        &base[open.len()..base.len() - close.len()]
    }

    /// The name as the user gave it: errors and events have it.
    pub(crate) fn given(&self) -> &str {
        &self.name()[usize::from(self.namespace_len)..]
    }

    /// The key that is set while the lock is held, namespace included.
    pub(crate) fn lock(&self) -> &str {
        match self.suffix_len {
            0 => self.name(),
            _ => self.stem(),
        }
    }

    /// A hash that distinguishes keys: commands for two of them with different hashes have no Redis key in common. All keys that
    /// derive from one name have the same hash: permits share a waitlist, and a side of a read/write lock uses keys of the other.
    pub(crate) fn group_hash(&self) -> u32 {
        self.hash
    }

    /// The key that lists the inboxes of the waiting processes.
    pub(crate) fn waiters(&self) -> String {
        self.waiters_in_parts().concat()
    }

    /// The parts of [`waiters`](Self::waiters).
    pub(crate) fn waiters_in_parts(&self) -> [&str; 3] {
        let (base, stem) = (self.base(), self.stem());
        match stem[base.len()..].starts_with(PERMIT) {
            true => [base, PERMITS, WAITERS],
            false => [stem, "", WAITERS],
        }
    }

    /// The key of the register, which the nodes keep beyond the lock.
    pub(crate) fn register(&self) -> String {
        [self.stem(), REGISTER].concat()
    }

    /// The key of the newest request, for a lock whose newest request wins.
    pub(crate) fn newest(&self) -> String {
        [self.stem(), NEWEST].concat()
    }

    /// The key that stores the highest fencing token.
    pub(crate) fn fence(&self) -> &str {
        &self.fence
    }
}

fn hash(name: &str) -> u32 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    let [a, b, c, d, ..] = hasher.finish().to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// The bytes of [`braces`].
const BRACES: usize = 2;

/// The text before and after a name that makes it a hash tag.
fn braces(tagged: bool) -> (&'static str, &'static str) {
    if tagged { ("", "{}") } else { ("{", "}") }
}

/// The key by which the waiters of this process wait for `lock`: one for all permits of a
/// semaphore.
pub(crate) fn waited_for(lock: &str) -> Cow<'_, str> {
    match lock.rfind(PERMIT) {
        Some(at) => [&lock[..at], PERMITS].concat().into(),
        None => lock.into(),
    }
}

/// The same Redis keys, wherever the namespace ends.
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        (self.hash, self.lock(), &self.fence) == (other.hash, other.lock(), &other.fence)
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.lock().hash(state);
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.given())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name().fmt(f)
    }
}

enum Tag {
    None,
    Own,
    Broken,
}

/// Redis hashes the text between the first `{` and the next `}`, if there is any.
fn tag(key: &str) -> Tag {
    let mut braces = key.match_indices(['{', '}']);
    match (braces.next(), braces.next(), braces.next()) {
        (None, ..) => Tag::None,
        (Some((open, "{")), Some((close, "}")), None) if close > open + 1 => Tag::Own,
        _ => Tag::Broken,
    }
}

/// Makes `value` safe as a part between colons in a key: `%`, `:`, `{` and `}` are percent-encoded,
/// so that `("a:b", "c")` and `("a", "b:c")` become different keys and nothing opens a hash tag.
///
/// If the `Display` of `value` returns an error, the part becomes a text that no key can contain.
/// So the request for the lock is an error as well: an incomplete part would be the key of another
/// lock.
///
/// ```
/// use redlock::key::part;
/// assert_eq!(format!("{}:{}", part("a:b"), part("c")), "a%3Ab:c");
/// assert_eq!(part(42), "42");
/// ```
pub fn part(value: impl fmt::Display) -> String {
    let mut text = String::new();
    match encode(value, &mut text) {
        Ok(()) => text,
        Err(fmt::Error) => NOT_DISPLAYED.to_owned(),
    }
}

/// Replaces a part that could not be displayed. Its braces are no hash tag, so no request accepts
/// the key.
const NOT_DISPLAYED: &str = "}the Display of this part failed{";

/// Appends `value` to `text`, encoded as by [`part`]. After an error, `text` contains what was
/// written before it.
pub(crate) fn encode(value: impl fmt::Display, text: &mut String) -> fmt::Result {
    write!(Encoded(text), "{value}")
}

/// Appends a text to `key`, encoded as by [`part`], without a text of its own.
pub(crate) fn push_part(key: &mut String, text: &str) {
    // A `String` takes everything.
    let _ = Encoded(key).write_str(text);
}

struct Encoded<'a>(&'a mut String);

impl fmt::Write for Encoded<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.split_inclusive(['%', ':', '{', '}']) {
            let mut plain = piece.chars();
            let code = match plain.next_back() {
                Some('%') => "%25",
                Some(':') => "%3A",
                Some('{') => "%7B",
                Some('}') => "%7D",
                _ => {
                    self.0.push_str(piece);
                    continue;
                }
            };
            self.0.push_str(plain.as_str());
            self.0.push_str(code);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_key_lends_its_name_as_the_hash_tag() {
        let key = Key::new("", "order:7").expect("a key");
        assert_eq!((key.lock(), key.fence()), ("order:7", "{order:7}{}:fence"));
        assert_eq!(key.waiters(), "{order:7}{}:waiters");
    }

    #[test]
    fn a_key_with_a_hash_tag_keeps_it() {
        let key = Key::new("app:", "{user}:7").expect("a key");
        assert_eq!(
            (key.lock(), key.fence()),
            ("app:{user}:7", "app:{user}:7{}{}:fence")
        );
        assert_eq!(key.waiters(), "app:{user}:7{}{}:waiters");
    }

    #[test]
    fn permits_share_only_their_waitlist() {
        for name in ["app:order:7", "{user}:7"] {
            let lock = Key::new("", name).expect("a key");
            let (all, first, other) = (lock.permits(), lock.permit(0), lock.permit(12));
            assert_eq!(first.waiters(), all.waiters());
            assert_eq!(other.waiters(), all.waiters());
            let own = [&lock, &all, &first, &other].map(|key| [key.lock(), key.fence()]);
            let mut own: Vec<&str> = own.into_iter().flatten().collect();
            let waitlists = [lock.waiters(), all.waiters()];
            own.extend(waitlists.iter().map(String::as_str));
            own.sort_unstable();
            let count = own.len();
            own.dedup();
            assert_eq!(own.len(), count, "{own:?}");
            for key in [&lock, &all, &first, &other] {
                assert_eq!(key.name(), name);
                assert_eq!(Key::of_lock(key.lock()).as_ref(), Some(key));
                let waited = waited_for(key.lock());
                let expected = if key == &lock {
                    lock.lock()
                } else {
                    all.lock()
                };
                assert_eq!(waited, expected);
            }
            assert!(
                own.iter()
                    .all(|own| *own == name || Key::new("", own).is_err())
            );
        }
        let permit = Key::new("", "a").expect("a key").permit(7);
        assert_eq!(
            (permit.lock(), permit.fence()),
            ("{a}{}:permit:7", "{a}{}:permit:7{}:fence")
        );
    }

    #[test]
    fn derived_keys_have_waitlists_of_their_own_and_are_found_by_their_locks() {
        for name in ["app:order:7", "{user}:7"] {
            let lock = Key::new("", name).expect("a key");
            let derived = [lock.permits(), lock.writer(), lock.readers(), lock.record()];
            let mut waitlists = std::collections::HashSet::new();
            for key in derived.iter().chain([&lock]) {
                assert_eq!(Key::of_lock(key.lock()).as_ref(), Some(key));
                assert!(waitlists.insert(key.waiters()), "{}", key.waiters());
            }
            let hashes = derived.map(|key| key.group_hash());
            assert!(hashes.iter().all(|hash| *hash == hashes[0]));
            assert_ne!(hashes[0], lock.group_hash());
        }
    }

    #[test]
    fn a_name_in_braces_is_a_different_key() {
        let (plain, tagged) = (Key::new("", "a"), Key::new("", "{a}"));
        assert_eq!(plain.as_ref().map(Key::lock).ok(), Some("a"));
        assert_eq!(tagged.as_ref().map(Key::lock).ok(), Some("{a}"));
        assert_ne!(plain.ok(), tagged.ok());
    }

    fn all_of(key: &Key) -> [String; 5] {
        [
            key.lock().to_owned(),
            key.fence().to_owned(),
            key.waiters(),
            key.register(),
            key.record().register(),
        ]
    }

    #[test]
    fn different_locks_share_no_redis_key() {
        let pieces = [
            "a", "{a}", "b", ":", "fence", ":fence", ":waiters", "{b}", "{}", "",
        ];
        let mut names = std::collections::BTreeSet::new();
        for first in pieces {
            for second in pieces {
                for third in pieces {
                    names.insert(format!("{first}{second}{third}"));
                }
            }
        }
        let keys = names.iter().filter_map(|name| Key::new("", name).ok());
        let keys: Vec<Key> = keys.collect();
        assert!(keys.len() > 100, "{}", keys.len());
        let mut seen = std::collections::HashSet::new();
        for name in keys.iter().flat_map(all_of) {
            assert!(seen.insert(name.clone()), "{name}");
        }
        for key in &keys {
            for own in &all_of(key)[1..] {
                assert!(Key::new("", own).is_err(), "{own}");
            }
        }
    }

    #[test]
    fn a_part_contains_no_separator_and_no_hash_tag() {
        struct NotDisplayed;
        impl fmt::Display for NotDisplayed {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("half")?;
                Err(fmt::Error)
            }
        }
        assert_eq!(part("a:b%{c}d"), "a%3Ab%25%7Bc%7Dd");
        assert_eq!(part(42), "42");
        assert!(Key::new("", &part(NotDisplayed)).is_err());
    }

    #[test]
    fn no_name_is_special() {
        for name in [
            "a:fence",
            ":waiters",
            "fence",
            "redlock",
            "{redlock}:markers",
        ] {
            assert!(Key::new("", name).is_ok(), "{name}");
        }
    }

    #[test]
    fn an_invalid_key_is_refused() {
        for name in ["", "a{", "a}", "{}", "}{", "{a}{b}", "{a}{}", "a{}"] {
            assert!(Key::new("", name).is_err(), "{name}");
        }
        assert!(Key::new("", &"x".repeat(MAX_LEN + 1)).is_err());
        assert!(Key::new("", &"x".repeat(MAX_LEN)).is_ok());
    }
}
