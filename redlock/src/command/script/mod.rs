//! The Lua scripts of the commands, and how they are sent.
//!
//! Besides the scripts of the commands there are parts that precede some of them: `put.lua`, `tombstone.lua`, `notify.lua` and
//! `guard.lua` in this folder, and `importing.lua` for a server that imports a cluster slot.

use std::sync::LazyLock;

/// A part of a script: a file, or the steps of a batch, each a file as the body of a function.
macro_rules! part {
    ($file:literal) => {
        include_str!($file)
    };
    (steps) => {
        concat!(
            "local function acquire(abstains, lock_key, fence_key, waiters_key, holder, fence, ",
            "owner, ttl, token, last, inbox, since)\n",
            include_str!("../lock/steps/acquire.lua"),
            "end\n\nlocal function extend(abstains, lock_key, fence_key, holder, fence, owner, ttl, token, last)\n",
            include_str!("../lock/steps/extend.lua"),
            "end\n\nlocal function release(lock_key, fence_key, waiters_key, holder, fence, ",
            "owner, tombstone, nobody_waits)\n",
            include_str!("../lock/steps/release.lua"),
            "end\n\n",
        )
    };
}

macro_rules! scripts {
    ($($(#[$docs:meta])* $name:ident = [$($part:tt)+];)*) => {
        /// A script, parts included.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Script {
            $($(#[$docs])* $name,)*
        }

        impl Script {
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            pub(crate) fn source(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($(part!($part)),+),)*
                }
            }
        }
    };
}

scripts! {
    Acquire = ["../lock/acquire.lua" "../lock/steps/acquire.lua"];
    /// For the strict restart guard, like all variants with this suffix.
    AcquireStrict = ["guard.lua" "../lock/acquire.lua" "../lock/steps/acquire.lua"];
    Holder = ["../lock/holder.lua"];
    Extend = ["put.lua" "../lock/extend.lua" "../lock/steps/extend.lua"];
    ExtendStrict = ["guard.lua" "put.lua" "../lock/extend.lua" "../lock/steps/extend.lua"];
    Release = ["notify.lua" "put.lua" "tombstone.lua" "../lock/release.lua" "../lock/steps/release.lua"];
    CoolDown = ["notify.lua" "put.lua" "tombstone.lua" "../rw/notify_all.lua" "../lock/cool_down.lua"];
    CoolDownStrict = [
        "guard.lua" "notify.lua" "put.lua" "tombstone.lua" "../rw/notify_all.lua" "../lock/cool_down.lua"
    ];
    Preempt = ["../lock/preempt.lua"];
    PreemptStrict = ["guard.lua" "../lock/preempt.lua"];
    JoinWaitlist = ["../waitlist/join.lua"];
    LeaveWaitlist = ["notify.lua" "../waitlist/leave.lua"];
    LookPermits = ["../permits/look.lua"];
    InspectPermits = ["../permits/inspect.lua"];
    AcquireRead = ["../rw/bars.lua" "../rw/read/acquire.lua"];
    AcquireReadStrict = ["guard.lua" "../rw/bars.lua" "../rw/read/acquire.lua"];
    ExtendRead = ["../rw/bars.lua" "../rw/read/extend.lua"];
    ExtendReadStrict = ["guard.lua" "../rw/bars.lua" "../rw/read/extend.lua"];
    ReleaseRead = ["notify.lua" "put.lua" "tombstone.lua" "../rw/bars.lua" "../rw/read/release.lua"];
    AcquireWrite = ["../rw/bars.lua" "../rw/write/acquire.lua"];
    AcquireWriteStrict = ["guard.lua" "../rw/bars.lua" "../rw/write/acquire.lua"];
    ExtendWrite = ["../rw/bars.lua" "../rw/write/extend.lua"];
    ExtendWriteStrict = ["guard.lua" "../rw/bars.lua" "../rw/write/extend.lua"];
    ReleaseWrite = ["notify.lua" "put.lua" "tombstone.lua" "../rw/notify_all.lua" "../rw/write/release.lua"];
    LeaveWrite = ["notify.lua" "../rw/notify_all.lua" "../rw/write/leave.lua"];
    ForceReleaseSides = ["notify.lua" "put.lua" "tombstone.lua" "../rw/bars.lua" "../rw/notify_all.lua" "../rw/admin/force_release.lua"];
    InspectSides = ["../rw/bars.lua" "../rw/admin/inspect.lua"];
    Adopt = ["../ticket/adopt.lua"];
    AdoptStrict = ["guard.lua" "../ticket/adopt.lua"];
    GiveBack = ["put.lua" "tombstone.lua" "../ticket/give_back.lua"];
    ReadRegister = ["../register/record.lua" "../register/read.lua"];
    WriteRegister = ["../register/record.lua" "../register/write.lua"];
    ForceRelease = ["notify.lua" "put.lua" "../admin/force_release.lua"];
    Inspect = ["../admin/inspect.lua"];
    PingStrict = ["guard.lua" "../node/ping.lua"];
    Probe = ["../node/probe.lua"];
    ProbeStrict = ["guard.lua" "../node/probe.lua"];
    Trust = ["../admin/trust.lua"];
    Announce = ["../node/announce.lua"];
    /// Several commands in one call.
    Batch = ["../batch/begin.lua" "notify.lua" "put.lua" "tombstone.lua" steps "../batch/run.lua"];
    BatchStrict = ["../batch/begin.lua" "guard.lua" "notify.lua" "put.lua" "tombstone.lua" steps "../batch/run.lua"];
}

impl Script {
    /// The SHA1 of the source, by which `EVALSHA` calls it.
    pub(crate) fn hash(self) -> &'static str {
        static HASHES: LazyLock<Vec<String>> = LazyLock::new(|| {
            let scripts = Script::ALL.iter();
            let scripts = scripts.map(|script| redis::Script::new(script.source()));
            scripts.map(|script| script.get_hash().to_owned()).collect()
        });
        &HASHES[self as usize]
    }

    /// The source for a server that imports the key's slot.
    pub(super) fn importing_source(self) -> String {
        [include_str!("importing.lua"), self.source()].concat()
    }
}

/// How a script is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// By its hash, to a server that knows it.
    Hash,
    /// With its source.
    Source,
    /// With its source, to the server that imports the key's slot.
    Importing,
}

/// The step that a command has reached. Most commands have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) form: Form,
    /// After a plain `SET NX` was refused: asks who holds the key, and for how long.
    pub(crate) asks_holder: bool,
}

impl Step {
    pub(crate) const FIRST: Self = Self {
        form: Form::Hash,
        asks_holder: false,
    };

    /// The first step to a server that imports the key's slot.
    pub(crate) const IMPORTING: Self = Self {
        form: Form::Importing,
        asks_holder: false,
    };

    /// The same step with the script's source.
    pub(crate) fn with_source(self) -> Self {
        Self {
            form: Form::Source,
            ..self
        }
    }

    /// The step after a refused `SET NX`.
    pub(super) fn asking_holder(self) -> Self {
        Self {
            form: match self.form {
                Form::Importing => Form::Importing,
                Form::Hash | Form::Source => Form::Hash,
            },
            asks_holder: true,
        }
    }

    pub(crate) fn is_importing(self) -> bool {
        self.form == Form::Importing
    }

    pub(crate) fn has_source(self) -> bool {
        self.form == Form::Source
    }
}
