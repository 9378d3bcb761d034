//! Prometheus text, version 0.0.4.

use std::fmt::{Display, Write};

use super::histogram::Samples;

/// What a metric is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// The text as far as it is written. Writing to a string does not fail, so its results are let go.
pub(super) struct Text {
    text: String,
}

impl Text {
    pub(super) fn new(begun: String) -> Self {
        Self { text: begun }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    /// `HELP` and `TYPE`: once for each name, in front of its series.
    pub(super) fn head(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    pub(super) fn series(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.text, "{}{label}=\"", if at == 0 { '{' } else { ',' });
            self.escaped(text);
            self.text.push('"');
        }
        let _ = writeln!(self.text, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    pub(super) fn histogram(&mut self, name: &str, labels: &[(&str, &str)], samples: &Samples) {
        let bucket = format!("{name}_bucket");
        for (bound, count) in samples.cumulative() {
            let le = bound.map_or_else(|| "+Inf".to_owned(), |bound| bound.as_secs_f64().to_string());
            self.series(&bucket, &[labels, &[("le", &le)]].concat(), count);
        }
        self.series(&format!("{name}_sum"), labels, samples.sum().as_secs_f64());
        self.series(&format!("{name}_count"), labels, samples.count());
    }

    fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '\\' => self.text.push_str("\\\\"),
                '"' => self.text.push_str("\\\""),
                '\n' => self.text.push_str("\\n"),
                c => self.text.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_are_escaped() {
        let mut text = Text::new(String::new());
        text.series("a", &[("l", "x\"y\\z\n"), ("m", "")], 1);
        text.series("b", &[], 2.5);
        assert_eq!(text.finish(), "a{l=\"x\\\"y\\\\z\\n\",m=\"\"} 1\nb 2.5\n");
    }
}
