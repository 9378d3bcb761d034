//! Medians, ratios and the table.
//!
//! Knows how numbers are put together and shown. Must not know where they come from.

use std::fmt;

use crate::arguments::{Kind, Workload};
use crate::measure::Sample;

/// All rounds of one target under one load.
pub struct Series {
    pub workload: Workload,
    pub threads: usize,
    pub kind: Kind,
    pub samples: Vec<Sample>,
    pub system_calls: Option<f64>,
}

/// The middle, and how far the others were from it.
struct Spread {
    low: f64,
    median: f64,
    high: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let (low, high) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median =
            if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) };
        Some(Self { low, median, high })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = formatter.precision().unwrap_or(0);
        write!(formatter, "{:.digits$} ({:.digits$}–{:.digits$})", self.median, self.low, self.high)
    }
}

/// The table; ratios are to `HAProxy` in the same round, because rounds differ more than programs do.
pub fn table(all: &[Series]) -> String {
    let mut text = String::from(
        "| workload | threads | through | QPS | p95 ms | CPU µs/query | CPU ÷ HAProxy | QPS ÷ HAProxy | system calls/query |\n\
         |---|---:|---|---:|---:|---:|---:|---:|---:|\n",
    );
    for series in all {
        let base = all.iter().find(|base| {
            base.kind == Kind::HaProxy && base.threads == series.threads && base.workload == series.workload
        });
        text.push_str(&row(series, base.filter(|base| base.kind != series.kind)));
    }
    text
}

fn row(series: &Series, base: Option<&Series>) -> String {
    let cell =
        |value: Option<Spread>, digits: usize| value.map_or("–".to_owned(), |value| format!("{value:.digits$}"));
    let own = |figure: Figure| Spread::of(series.samples.iter().filter_map(|sample| figure.of(sample)));
    let ratio = |figure: Figure| {
        let pairs = series.samples.iter().zip(&base?.samples);
        Spread::of(pairs.filter_map(|(sample, base)| Some(figure.of(sample)? / figure.of(base)?)))
    };
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
        series.workload.script(),
        series.threads,
        series.kind.name(),
        cell(own(Figure::Rate), 0),
        cell(own(Figure::P95), 2),
        cell(own(Figure::Cpu), 1),
        cell(ratio(Figure::Cpu), 2),
        cell(ratio(Figure::Rate), 2),
        series.system_calls.map_or("–".to_owned(), |count| format!("{count:.2}")),
    )
}

/// What is taken from a sample; not every target has all of it.
#[derive(Clone, Copy)]
enum Figure {
    Rate,
    P95,
    Cpu,
}

impl Figure {
    fn of(self, sample: &Sample) -> Option<f64> {
        match self {
            Self::Rate => Some(sample.queries_per_second),
            Self::P95 => Some(sample.p95.as_secs_f64() * 1e3),
            Self::Cpu => sample.cpu_per_query.map(|time| time.as_secs_f64() * 1e6),
        }
    }
}
