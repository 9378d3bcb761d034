//! The last lines of the log, for operators who look at the running proxy.
//!
//! Knows the subscriber's events of our own at INFO and above. Must not know what they mean.

use std::collections::VecDeque;
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// So many are kept.
const KEPT: usize = 500;
/// No line is longer, in bytes.
const LONGEST: usize = 1000;
/// Whose lines count.
const OURS: &str = "mysql_proxy";

/// The last lines, the oldest first.
#[derive(Clone, Debug, Default)]
pub struct Events(Arc<Mutex<VecDeque<Line>>>);

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it was written.
    pub at: SystemTime,
    /// How much it matters.
    pub level: Level,
    /// The module that wrote it, below the program's name.
    pub module: &'static str,
    /// What it says, with its fields.
    pub text: String,
}

impl Events {
    /// A copy of them.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn push(&self, line: Line) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() >= KEPT {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

impl<S: Subscriber> Layer<S> for Events {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let about = event.metadata();
        let module = about.target().strip_prefix(OURS).map(|rest| rest.trim_start_matches("::"));
        let Some(module) = module.filter(|_| *about.level() <= Level::INFO) else { return };
        let mut text = Text::default();
        event.record(&mut text);
        self.push(Line { at: SystemTime::now(), level: *about.level(), module, text: text.finish() });
    }
}

/// The message, and the fields behind it.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    fn finish(mut self) -> String {
        self.message.push_str(&self.fields);
        let is_end = |at: &usize| self.message.is_char_boundary(*at);
        let end = (0..=LONGEST.min(self.message.len())).rev().find(is_end).unwrap_or_default();
        self.message.truncate(end);
        self.message
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // To a string there is no failure.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use tracing::{debug, info, warn};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn the_last_lines_are_kept_with_their_fields_and_none_grows() {
        let events = Events::default();
        let subscriber = tracing_subscriber::registry().with(events.clone());
        tracing::subscriber::with_default(subscriber, || {
            info!(target: "hyper", "of others");
            debug!(target: "mysql_proxy::pool", "too low");
            for number in 0..KEPT {
                info!(target: "mysql_proxy::pool", number, "counted");
            }
            warn!(target: "mysql_proxy::server", member = "m-1", "{}", "é".repeat(LONGEST));
        });
        let lines = events.lines();
        assert_eq!(lines.len(), KEPT);
        assert_eq!((lines[0].text.as_str(), lines[0].module), ("counted number=1", "pool"));
        let last = &lines[KEPT - 1];
        assert_eq!((last.level, last.module, last.text.len()), (Level::WARN, "server", LONGEST));
    }
}
