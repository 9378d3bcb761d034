//! How the reads of sessions that had written were served, as the proxy's metrics tell it.
//!
//! Knows their names. Must not know what ran meanwhile.

/// What the metrics told at one moment.
#[derive(Clone, Debug, Default)]
pub struct Told {
    on_replicas: f64,
    on_primary: f64,
    /// Upper bounds in seconds, and how many waited for no longer.
    waits: Vec<(f64, f64)>,
}

/// Between two moments.
#[derive(Clone, Copy, Debug)]
pub struct BehindWrites {
    /// How many of them ran on replicas, at once or after waiting; 0 to 1.
    pub share_on_replicas: f64,
    /// How long those that waited did so, in milliseconds; none waited: none.
    pub wait_p50: Option<f64>,
    pub wait_p95: Option<f64>,
}

impl Told {
    pub fn read(text: &str) -> Self {
        let mut told = Self::default();
        for line in text.lines() {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<f64>() else { continue };
            if name.starts_with("mysql_proxy_causal_reads_total{") {
                let sum = if name.contains("\"primary\"") { &mut told.on_primary } else { &mut told.on_replicas };
                *sum += value;
            } else if let Some(bound) = name.strip_prefix("mysql_proxy_causal_wait_seconds_bucket{le=\"") {
                let bound = bound.trim_end_matches("\"}").parse().unwrap_or(f64::INFINITY);
                told.waits.push((bound, value));
            }
        }
        told
    }
}

impl BehindWrites {
    pub fn between(before: &Told, after: &Told) -> Option<Self> {
        let (replicas, primary) = (after.on_replicas - before.on_replicas, after.on_primary - before.on_primary);
        if replicas + primary <= 0.0 {
            return None;
        }
        let counts = after.waits.iter().zip(&before.waits).map(|(after, before)| (after.0, after.1 - before.1));
        let counts: Vec<(f64, f64)> = counts.collect();
        Some(Self {
            share_on_replicas: replicas / (replicas + primary),
            wait_p50: quantile(&counts, 0.50),
            wait_p95: quantile(&counts, 0.95),
        })
    }
}

/// In milliseconds, evenly spread within a bucket.
fn quantile(counts: &[(f64, f64)], part: f64) -> Option<f64> {
    let all = counts.last().map(|(_, count)| *count).filter(|count| *count > 0.0)?;
    let wanted = all * part;
    let (mut low, mut below) = (0.0, 0.0);
    for &(bound, count) in counts {
        if count >= wanted {
            let within = if count > below { (wanted - below) / (count - below) } else { 1.0 };
            let seconds = if bound.is_finite() { low + (bound - low) * within } else { low };
            return Some(seconds * 1e3);
        }
        (low, below) = (bound, count);
    }
    None
}
