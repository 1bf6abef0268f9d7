//! Floor 0: every metric, named in one file, and traces. Who counts calls a function of here; what is counted is read at
//! `/metrics`.

mod counts;
mod names;
mod process;
mod recorder;
mod traces;

pub use counts::*;
pub use names::{ALL, Kind, Metric};
pub use process::report as process;
pub use recorder::{Exposition, InstallError, install};
pub use traces::{Export, ExportError, TARGET, Way, export, is_traced, request_span, write_span};
