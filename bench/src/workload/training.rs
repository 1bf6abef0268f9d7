//! What a profile is made of: some of all that walcast does, with nobody beside it.

use super::{Extent, compression, drain, growth, return_of_all, steady};
use crate::{
    Failure,
    report::Section,
    server::{Plugin, Programs},
};

pub fn all(programs: &Programs, extent: Extent) -> Result<Section, Failure> {
    let mut section =
        Section::new("TRAINING", "What these took is no figure of anything: it is done for what is counted meanwhile.");
    for plugin in [Plugin::Pgoutput, Plugin::Wal2json] {
        steady::alone(programs, plugin, extent.seconds)?;
        drain::alone(programs, plugin)?;
    }
    compression::alone(programs, extent.seconds)?;
    growth::alone(programs, extent.seconds)?;
    return_of_all::alone(programs, extent)?;
    section.say("done");
    Ok(section)
}
