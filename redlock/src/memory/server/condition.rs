//! The faults of a server, and which commands it refuses because of them.

/// The state of a server, apart from its data.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent fault"
)]
pub(crate) struct Condition {
    /// Connections are refused.
    pub(crate) stopped: bool,
    /// Nothing is carried out.
    pub(crate) hangs: bool,
    /// Its memory is full.
    pub(crate) full: bool,
    /// It is loading its data.
    pub(crate) loads: bool,
    /// It is carrying out a script that does not end.
    pub(crate) busy: bool,
    /// It cannot save its data.
    pub(crate) cannot_save: bool,
}

/// Commands that a server carries out while it loads its data.
const WHILE_LOADING: [&str; 12] = [
    "AUTH",
    "CLIENT",
    "COMMAND",
    "CONFIG",
    "HELLO",
    "INFO",
    "PUBLISH",
    "ROLE",
    "SCRIPT",
    "SELECT",
    "SUBSCRIBE",
    "TIME",
];
/// Commands that a server carries out during a script that does not end.
const WHILE_BUSY: [&str; 3] = ["AUTH", "HELLO", "CLIENT"];

pub(super) const LOADING: &str = "LOADING Redis is loading the dataset in memory";
pub(super) const BUSY: &str =
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";

impl Condition {
    /// The error by which the server refuses `command`, if it does.
    pub(super) fn refuses(&self, command: &[u8]) -> Option<&'static str> {
        if !self.loads && !self.busy {
            return None;
        }
        let is_in = |commands: &[&str]| {
            let mut commands = commands.iter();
            commands.any(|other| command.eq_ignore_ascii_case(other.as_bytes()))
        };
        if self.loads && !is_in(&WHILE_LOADING) {
            return Some(LOADING);
        }
        (self.busy && !is_in(&WHILE_BUSY)).then_some(BUSY)
    }
}
