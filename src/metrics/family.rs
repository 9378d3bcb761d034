//! Counters and gauges of the exporter with one label, all registered at the start.

use std::marker::PhantomData;

use metrics::{Counter, Gauge, Key, Level, Metadata, Recorder};
use metrics_exporter_prometheus::PrometheusRecorder;

use super::labels::Label;

static METADATA: Metadata<'static> = Metadata::new("mysql_proxy", Level::INFO, None);

/// A counter for each value of a label.
pub(super) struct Counters<L> {
    by_value: Box<[Counter]>,
    label: PhantomData<L>,
}

/// A gauge for each value of a label.
pub(super) struct Gauges<L> {
    by_value: Box<[Gauge]>,
    label: PhantomData<L>,
}

/// A gauge without labels.
pub(super) fn gauge(recorder: &PrometheusRecorder, name: &'static str, help: &'static str) -> Gauge {
    recorder.describe_gauge(name.into(), None, help.into());
    let gauge = recorder.register_gauge(&Key::from_static_name(name), &METADATA);
    gauge.set(0.0);
    gauge
}

impl<L: Label> Counters<L> {
    pub(super) fn new(
        recorder: &PrometheusRecorder,
        name: &'static str,
        label: &'static str,
        help: &'static str,
    ) -> Self {
        recorder.describe_counter(name.into(), None, help.into());
        let register = |key: Key| recorder.register_counter(&key, &METADATA);
        Self { by_value: keys::<L>(name, label).map(register).collect(), label: PhantomData }
    }

    pub(super) fn add(&self, value: L) {
        if let Some(counter) = self.by_value.get(value.index()) {
            counter.increment(1);
        }
    }
}

impl<L: Label> Gauges<L> {
    pub(super) fn new(
        recorder: &PrometheusRecorder,
        name: &'static str,
        label: &'static str,
        help: &'static str,
    ) -> Self {
        recorder.describe_gauge(name.into(), None, help.into());
        let register = |key: Key| recorder.register_gauge(&key, &METADATA);
        Self { by_value: keys::<L>(name, label).map(register).collect(), label: PhantomData }
    }

    pub(super) fn raise(&self, value: L) {
        if let Some(gauge) = self.by_value.get(value.index()) {
            gauge.increment(1.0);
        }
    }

    pub(super) fn lower(&self, value: L) {
        if let Some(gauge) = self.by_value.get(value.index()) {
            gauge.decrement(1.0);
        }
    }
}

fn keys<L: Label>(name: &'static str, label: &'static str) -> impl Iterator<Item = Key> {
    L::ALL.iter().map(move |value| {
        let label = metrics::Label::from_static_parts(label, value.name());
        Key::from_parts(name, vec![label])
    })
}
