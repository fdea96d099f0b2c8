//! The `tracing` events of one test's thread, as text.

use std::cell::RefCell;
use std::io;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, Once, PoisonError};

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

thread_local! {
    static CAPTURE: RefCell<Option<Capture>> = const { RefCell::new(None) };
}

/// Collects the events of this thread until it is dropped, down to `debug`.
///
/// With the current-thread runtime of `#[tokio::test]` that is every task of the test.
#[derive(Debug)]
pub struct Logs {
    text: Text,
    // It belongs to its thread.
    _not_send: PhantomData<*const ()>,
}

#[derive(Clone, Debug)]
struct Capture {
    level: LevelFilter,
    text: Text,
}

type Text = Arc<Mutex<Vec<u8>>>;

impl Logs {
    /// Starts collecting events up to `level`.
    ///
    /// # Panics
    ///
    /// When another subscriber is the global default of this test binary.
    #[must_use]
    pub fn capture(level: LevelFilter) -> Self {
        // One subscriber for the whole process. With one for each thread, `tracing` may disable a
        // call site for all threads because one of them does not capture events.
        static GLOBAL: Once = Once::new();
        GLOBAL.call_once(|| {
            let subscriber = tracing_subscriber::fmt()
                .with_max_level(Level::DEBUG)
                .with_ansi(false)
                .with_writer(ThisThread)
                .finish();
            tracing::subscriber::set_global_default(subscriber)
                .expect("no other subscriber in this test binary");
        });
        let text = Text::default();
        CAPTURE.set(Some(Capture {
            level,
            text: Arc::clone(&text),
        }));
        Self {
            text,
            _not_send: PhantomData,
        }
    }

    /// All lines so far.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap_or_else(PoisonError::into_inner))
            .into_owned()
    }

    /// The lines so far that contain `needle`.
    #[must_use]
    pub fn lines_with(&self, needle: &str) -> Vec<String> {
        self.text()
            .lines()
            .filter(|line| line.contains(needle))
            .map(str::to_owned)
            .collect()
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        CAPTURE.set(None);
    }
}

/// Writes to the capture of the event's thread, if there is one.
#[derive(Debug)]
struct ThisThread;

impl MakeWriter<'_> for ThisThread {
    type Writer = Writer;

    fn make_writer(&self) -> Writer {
        Writer(None)
    }

    fn make_writer_for(&self, event: &Metadata<'_>) -> Writer {
        let text = CAPTURE.try_with(|capture| {
            let capture = capture.borrow();
            let wanted = capture
                .as_ref()
                .filter(|capture| *event.level() <= capture.level);
            wanted.map(|capture| Arc::clone(&capture.text))
        });
        // No capture where the thread is ending.
        Writer(text.ok().flatten())
    }
}

struct Writer(Option<Text>);

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(text) = &self.0 {
            text.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
