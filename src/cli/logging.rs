use std::io::{self, IsTerminal};

use axum::http::Uri;
use tokio::runtime::Handle;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt, Targets, dynamic_filter_fn},
    layer::{Filter, SubscriberExt},
    util::SubscriberInitExt,
};

use super::Failure;
use crate::{
    config::{LogArgs, LogFormat},
    telemetry::{self, Export},
};

/// Libraries that tell of their own affairs, some of them whole messages with the tokens in them.
const CHATTY: [&str; 5] = ["deadpool", "deadpool_postgres", "refinery", "refinery_core", "tokio_postgres"];

/// Logs to standard error from here on; `level` is what is logged where nothing else is said. Traces go to the collector, if
/// one is named; what is returned sends the last of them.
pub fn start(
    args: &LogArgs,
    level: &str,
    collector: Option<&Uri>,
    runtime: &Handle,
) -> Result<Option<Export>, Failure> {
    let directives = args.filter.as_deref().filter(|text| !text.trim().is_empty()).unwrap_or(level);
    let filter = filter(directives)?;
    let has_colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = tracing_subscriber::fmt::layer().with_ansi(has_colours).with_writer(io::stderr);
    let lines = match args.log_format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Pretty => lines.with_target(false).boxed(),
    };
    let (spans, export) = collector.map(|endpoint| telemetry::export(endpoint, runtime.clone())).transpose()?.unzip();
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .with(spans.map(|spans| spans.with_filter(Targets::new().with_target(telemetry::TARGET, LevelFilter::TRACE))))
        .init();
    Ok(export)
}

/// What is logged.
fn filter(directives: &str) -> Result<impl Filter<Registry> + use<>, Failure> {
    let levels = EnvFilter::builder()
        .parse(directives)
        .map_err(|error| format!("WALCAST_LOG holds `{directives}`, which is no level or directive: {error}"))?;
    let most = levels.max_level_hint().unwrap_or(LevelFilter::TRACE);
    Ok(levels.and(caps(directives)).and(asked_each_time(most)))
}

/// Lets everything through, and is asked for each event anew. What a library says by `log` and is not let through would else take
/// the next event of its thread along, if that is one which is always let through. `most`: what is below that level nobody
/// asks for. Without it each span and line of every library would be put to the filters, and spans be made for nobody.
fn asked_each_time(most: LevelFilter) -> impl Filter<Registry> {
    dynamic_filter_fn(|_, _| true).with_max_level_hint(most)
}

/// Chatty libraries are heard from warnings upward, whatever the level, unless a directive names them; traces never are.
fn caps(directives: &str) -> Targets {
    let is_named = |library: &str| {
        directives.split(',').any(|directive| {
            let target = directive.split(['=', '[', ':']).next().unwrap_or_default();
            target.trim() == library
        })
    };
    let capped = CHATTY.into_iter().filter(|library| !is_named(library));
    Targets::new()
        .with_default(LevelFilter::TRACE)
        .with_targets(capped.map(|library| (library, LevelFilter::WARN)))
        .with_target(telemetry::TARGET, LevelFilter::OFF)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn nobody_is_asked_about_what_is_below_the_level() {
        for (directives, most) in [
            ("info", LevelFilter::INFO),
            ("warn,walcast::hub=debug", LevelFilter::DEBUG),
            ("trace", LevelFilter::TRACE),
        ] {
            assert_eq!(filter(directives).expect("a filter").max_level_hint(), Some(most), "{directives}");
        }
    }

    #[test]
    fn a_library_is_chatty_only_where_it_is_named() {
        let debug = Level::DEBUG;
        assert!(!caps("debug").would_enable("refinery::runner", &debug));
        assert!(caps("debug").would_enable("refinery::runner", &Level::WARN));
        assert!(caps("debug").would_enable("walcast::hub", &debug));
        for directives in ["info,refinery=debug", "refinery::runner=debug", "refinery"] {
            assert!(caps(directives).would_enable("refinery::runner", &debug), "{directives}");
            assert!(!caps(directives).would_enable("tokio_postgres", &debug), "{directives}");
        }
    }
}
