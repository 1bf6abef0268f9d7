//! The command line: arguments in, exit code out. One file a subcommand.

mod dev;
mod doctor;
mod logging;
mod migrate;
mod serve;
mod tail;
mod token;
mod usage;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{
    app,
    config::{DatabaseArgs, LogArgs, ServeArgs},
};

#[derive(Parser)]
#[command(name = "walcast", version, about, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    log: LogArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve: stream the database's changes to Socket.IO clients
    Serve(Box<ServeArgs>),
    /// Try it out: a private Postgres in .walcast/, some components, a token, and the server
    Dev(Box<dev::DevArgs>),
    /// Bring the database to this version's schema
    Migrate(DatabaseArgs),
    /// Say what is wrong with a database, why it matters and what mends it; exit code 1 where something is in error
    Doctor(doctor::DoctorArgs),
    /// Print changes and the events they become, live, without disturbing the server
    Tail(tail::TailArgs),
    /// Sign a token for trying things out
    Token(token::TokenArgs),
}

/// Whatever ends a command: what happened, to what, and what to do.
type Failure = Box<dyn std::error::Error>;

/// Runs the command line. A failure is one line on standard error and exit code 2.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage::end(&error),
    };
    let level = if matches!(cli.command, Command::Tail(_) | Command::Doctor(_)) { "warn" } else { "info" };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().on_thread_start(app::give_way).build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    let collector = match &cli.command {
        Command::Serve(args) => args.traces.otlp_endpoint.0.clone(),
        Command::Dev(args) => args.traces.otlp_endpoint.0.clone(),
        _ => None,
    };
    let export = match logging::start(&cli.log, level, collector.as_ref(), runtime.handle()) {
        Ok(export) => export,
        Err(error) => return fail(&*error),
    };
    let outcome = runtime.block_on(async {
        match cli.command {
            Command::Serve(args) => serve::run(*args).await,
            Command::Dev(args) => dev::run(*args).await,
            Command::Migrate(args) => migrate::run(args).await,
            Command::Doctor(args) => return doctor::run(args).await,
            Command::Tail(args) => tail::run(args).await,
            Command::Token(args) => token::run(&args),
        }
        .map(|()| ExitCode::SUCCESS)
    });
    if let Some(export) = export {
        export.end();
    }
    // Tasks that outlived their command's deadline must not outlive the process.
    runtime.shutdown_background();
    match outcome {
        Ok(code) => code,
        Err(error) => fail(&*error),
    }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    let line = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    eprintln!("walcast: {line}");
    ExitCode::from(2)
}
