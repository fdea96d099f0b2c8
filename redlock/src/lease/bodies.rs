//! How many bodies run under a hold.

/// The running bodies of a hold; more than one where they are nested.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    running: u32,
    /// The name of the outermost.
    name: &'static str,
}

impl Bodies {
    /// The name of the outermost body, if one runs.
    pub(super) fn running(&self) -> Option<&'static str> {
        (self.running > 0).then_some(self.name)
    }

    pub(super) fn started(&mut self, name: &'static str) {
        if self.running == 0 {
            self.name = name;
        }
        self.running += 1;
    }

    /// Whether it was the last one.
    pub(super) fn ended(&mut self) -> bool {
        self.running -= 1;
        self.running == 0
    }
}
