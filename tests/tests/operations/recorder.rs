//! A recorder that keeps all recorded metrics.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

/// What was recorded of a metric, by its name and labels as in `votes{node="a",outcome="yes"}`. A counter and a gauge have one
/// value.
type Values = Arc<Mutex<BTreeMap<String, Vec<f64>>>>;

#[derive(Clone, Default)]
pub(crate) struct Recording {
    values: Values,
    described: Arc<Mutex<Vec<String>>>,
}

impl Recording {
    /// The values of all metrics of that name with that part in their labels.
    pub(crate) fn of(&self, name: &str, label: &str) -> Vec<f64> {
        let values = self.values.lock().expect("no panic");
        let found = values.iter().filter(|(series, _)| {
            let (found, labels) = series.split_once('{').expect("labels");
            found == name && labels.contains(label)
        });
        found.flat_map(|(_, values)| values.clone()).collect()
    }

    pub(crate) fn sum(&self, name: &str, label: &str) -> f64 {
        self.of(name, label).iter().sum()
    }

    /// Every name with its labels.
    pub(crate) fn series(&self) -> Vec<String> {
        self.values
            .lock()
            .expect("no panic")
            .keys()
            .cloned()
            .collect()
    }

    pub(crate) fn described(&self) -> Vec<String> {
        self.described.lock().expect("no panic").clone()
    }

    fn series_of(&self, key: &Key) -> Arc<Series> {
        let labels = key
            .labels()
            .map(|label| format!("{}={:?}", label.key(), label.value()));
        let labels = labels.collect::<Vec<_>>().join(",");
        Arc::new(Series {
            name: format!("{}{{{labels}}}", key.name()),
            values: Arc::clone(&self.values),
        })
    }
}

struct Series {
    name: String,
    values: Values,
}

impl Series {
    fn change(&self, change: impl FnOnce(&mut Vec<f64>)) {
        let mut values = self.values.lock().expect("no panic");
        change(values.entry(self.name.clone()).or_default());
    }

    fn one(&self, change: impl FnOnce(f64) -> f64) {
        self.change(|values| *values = vec![change(values.first().copied().unwrap_or(0.0))]);
    }
}

impl CounterFn for Series {
    fn increment(&self, value: u64) {
        self.one(|sum| sum + value as f64);
    }

    fn absolute(&self, value: u64) {
        self.one(|_| value as f64);
    }
}

impl GaugeFn for Series {
    fn increment(&self, value: f64) {
        self.one(|sum| sum + value);
    }

    fn decrement(&self, value: f64) {
        self.one(|sum| sum - value);
    }

    fn set(&self, value: f64) {
        self.one(|_| value);
    }
}

impl HistogramFn for Series {
    fn record(&self, value: f64) {
        self.change(|values| values.push(value));
    }
}

impl Recorder for Recording {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.described
            .lock()
            .expect("no panic")
            .push(name.as_str().to_owned());
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe_counter(name, unit, text);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, text: SharedString) {
        self.describe_counter(name, unit, text);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.series_of(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.series_of(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.series_of(key))
    }
}
