use tokio_util::sync::CancellationToken;

use super::Failure;
use crate::{app, config::ServeArgs};

pub async fn run(args: ServeArgs) -> Result<(), Failure> {
    let stop = CancellationToken::new();
    tokio::spawn(app::stop_on_signal(stop.clone()));
    Ok(app::serve(args, stop).await?)
}
