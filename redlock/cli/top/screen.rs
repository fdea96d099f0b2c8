//! The terminal of `redlock top`: redrawn in place, and restored at the end.

use std::io::{self, Write as _};

use rustix::{
    process::{Signal, getpid, kill_process},
    termios::tcgetwinsize,
};
use tokio::signal::unix::{self, SignalKind};

/// The second screen of the terminal, without a cursor; lines that are too long are cut off.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
/// The first screen, as it was.
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";
const TO_TOP: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_REST: &str = "\x1b[J";

/// Restores the terminal when it is dropped.
#[derive(Debug)]
pub(crate) struct Screen {
    /// Ctrl-Z.
    stops: unix::Signal,
}

impl Screen {
    pub(crate) fn enter() -> io::Result<Self> {
        let stops = unix::signal(SignalKind::from_raw(Signal::TSTP.as_raw()))?;
        write(ENTER)?;
        Ok(Self { stops })
    }

    /// Replaces what is shown. Lines for which there is no room are counted in the last one.
    pub(crate) fn draw(&self, lines: &[String]) -> io::Result<()> {
        let rows = tcgetwinsize(io::stdout()).map_or(0, |size| usize::from(size.ws_row));
        let shown = match rows {
            0 => lines.len(),
            rows if lines.len() <= rows => lines.len(),
            rows => rows - 1,
        };
        let hidden = lines.len() - shown;
        let rest = (hidden > 0).then(|| format!("and {hidden} more lines"));
        let lines: Vec<String> = lines[..shown]
            .iter()
            .chain(&rest)
            .map(|line| format!("{CLEAR_LINE}{line}"))
            .collect();
        write(&format!("{TO_TOP}{}{CLEAR_REST}", lines.join("\n")))
    }

    /// Completes after this program was stopped by Ctrl-Z and continues. The terminal is restored in between.
    pub(crate) async fn stopped(&mut self) {
        self.stops.recv().await;
        // If the terminal is gone, the next refresh fails.
        let _ = write(LEAVE);
        let _ = kill_process(getpid(), Signal::STOP);
        let _ = write(ENTER);
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = write(LEAVE);
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut screen = io::stdout().lock();
    screen.write_all(text.as_bytes())?;
    screen.flush()
}
