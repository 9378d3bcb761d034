//! Medians, ratios and the table.
//!
//! Knows how numbers are put together and shown. Must not know where they come from.

use std::fmt;

use crate::arguments::{Kind, Workload};
use crate::behind_writes::BehindWrites;
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

/// The table; ratios are to `HAProxy` in the same round (without it to the proxy that sees the past), because rounds differ more
/// than programs do.
pub fn table(all: &[Series]) -> String {
    let has_haproxy = all.iter().any(|series| series.kind == Kind::HaProxy);
    let (base, name) = if has_haproxy { (Kind::HaProxy, "HAProxy") } else { (Kind::Eventual, "eventual") };
    let mut text = format!(
        "| workload | threads | through | QPS | p95 ms | CPU µs/query | CPU ÷ {name} | QPS ÷ {name} | system calls/query | \
         own writes read on replicas, %; waits p50, p95 in ms |\n|---|---:|---|---:|---:|---:|---:|---:|---:|---|\n",
    );
    for series in all {
        let base = all
            .iter()
            .find(|other| other.kind == base && other.threads == series.threads && other.workload == series.workload);
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
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
        series.workload.name(),
        series.threads,
        series.kind.name(),
        cell(own(Figure::Rate), 0),
        cell(own(Figure::P95), 2),
        cell(own(Figure::Cpu), 1),
        cell(ratio(Figure::Cpu), 2),
        cell(ratio(Figure::Rate), 2),
        series.system_calls.map_or("–".to_owned(), |count| format!("{count:.2}")),
        behind_writes(series),
    )
}

fn behind_writes(series: &Series) -> String {
    let all = || series.samples.iter().filter_map(|sample| sample.behind_writes);
    let Some(share) = Spread::of(all().map(|it| it.share_on_replicas * 100.0)) else { return "–".to_owned() };
    let wait = |at: fn(&BehindWrites) -> Option<f64>| Spread::of(all().filter_map(|it| at(&it)));
    let [median, late] = [wait(|it| it.wait_p50), wait(|it| it.wait_p95)]
        .map(|wait| wait.map_or("–".to_owned(), |wait| format!("{wait:.2}")));
    format!("{share:.1}; {median}, {late}")
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
