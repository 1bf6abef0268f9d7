use std::collections::BTreeMap;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

pub use metrics_exporter_prometheus::BuildError as InstallError;

use super::names::{ALL, BUILD, Kind, LEADER, READY};

/// What is counted, for who asks. Cheap to clone.
#[derive(Clone)]
pub struct Exposition(PrometheusHandle);

/// Starts to count, for the whole process. What is counted before is lost.
pub fn install() -> Result<Exposition, InstallError> {
    let mut builder = PrometheusBuilder::new();
    for metric in ALL {
        if let Kind::Histogram(buckets) = metric.kind {
            builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)?;
        }
    }
    let handle = builder.install_recorder()?;
    for metric in ALL {
        match metric.kind {
            Kind::Counter => describe_counter!(metric.name, metric.help),
            Kind::Gauge => describe_gauge!(metric.name, metric.help),
            Kind::Histogram(_) => describe_histogram!(metric.name, metric.help),
        }
    }
    // From 0 on, so that the first of a kind shows as a step, not as a series that was there all along.
    for metric in ALL.iter().filter(|metric| matches!(metric.kind, Kind::Counter)) {
        match metric.label {
            None => counter!(metric.name).increment(0),
            Some((label, values)) => {
                values.iter().for_each(|value| counter!(metric.name, label => *value).increment(0))
            }
        }
    }
    [LEADER, READY].iter().for_each(|metric| gauge!(metric.name).set(0.0));
    gauge!(BUILD.name, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(Exposition(handle))
}

impl Exposition {
    /// The text that Prometheus reads.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Every series by its name and labels, as in the text, with what it is now.
    pub fn values(&self) -> BTreeMap<String, f64> {
        let text = self.render();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .filter_map(|line| line.rsplit_once(' '))
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect()
    }

    /// Files what was observed into its buckets. Without it all that was would wait in memory for somebody to ask.
    pub fn tidy(&self) {
        self.0.run_upkeep();
    }
}
